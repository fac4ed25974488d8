"""Outputs of a job that may be killed: what was committed is whole, and is continued."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from fastlm.display.screen import is_terminal, printable
from fastlm.errors import ConfigError
from fastlm.jobs.forms import Form, Item, Rows
from fastlm.system.atomic_file import sync_file, unwritable
from fastlm.text.compression import is_compressed, zstd_library
from fastlm.text.records import Block, RecordReader
from fastlm.text.tables import arrow

__all__ = ["LinesOutput", "Output", "PartsOutput", "StreamOutput", "is_parquet", "output_of"]

_GZIP_LEVEL = 6
_ROW_GROUP_BYTES = 1 << 24
_ROW_GROUP_ROWS = 1 << 16


class Output:
    """Where the records of a job go; this base is nowhere.

    Attributes
    ----------
    commits_anywhere : bool
        Whether where it is committed leaves no trace in it; if not, it is only committed at the
        same records in every run.
    """

    commits_anywhere = True

    def write(self, reader: RecordReader, block: Block, items: Sequence[Item]) -> None:
        """Write records of a block; this base writes nothing."""

    def start(self) -> None:
        """Remove what an earlier job left."""
        self.discard()

    def commit(self) -> Any:
        """Bring onto the disk what was written; return what `resume` needs, as JSON has it."""
        return None

    def resume(self, state: Any, *, ended: bool = False) -> None:
        """Continue after a commit, and forget what was written after it.

        Parameters
        ----------
        state : JSON value
            What `commit` returned.
        ended : bool
            Whether that was the last one, after which the output may have got its name.
        """

    def finish(self) -> None:
        """Give the output its name, after a last commit."""

    def close(self) -> None:
        """Close what is open, whatever has happened."""

    def discard(self) -> None:
        """Remove what has not got its name."""


class StreamOutput(Output):
    """Standard output; a block is written before the next is read."""

    def __init__(self, form: Form) -> None:
        self._form = form
        out = None if is_terminal(sys.stdout) else getattr(sys.stdout, "buffer", None)
        self._out: Any = out or _TextOutput()

    def write(self, reader: RecordReader, block: Block, items: Sequence[Item]) -> None:
        """See `Output.write`."""
        try:
            self._out.writelines(self._form.lines(reader, block, items))
        finally:
            # The records before a bad one have been scored, and are not lost.
            self._out.flush()


class _TextOutput:
    """Standard output that takes text only: a terminal, a notebook."""

    def writelines(self, parts: Any) -> None:
        for part in parts:
            text = part.decode("utf-8", errors="replace")
            sys.stdout.write(printable(text.replace("\r\n", "\n"), sys.stdout))

    def flush(self) -> None:
        sys.stdout.flush()


class LinesOutput(Output):
    """A file of lines, compressed if its name ends in .gz or .zst: each block is a member of it.

    What is written lies beside it, in `FILE.part`.
    """

    def __init__(self, path: str, form: Form) -> None:
        self._target = Path(path)
        self._form = form
        self._part = Path(f"{path}.part")
        self._file: IO[bytes] | None = None
        self._is_finished = False
        self._zstd = zstd_library(path) if Path(path).suffix.lower() == ".zst" else None

    def write(self, reader: RecordReader, block: Block, items: Sequence[Item]) -> None:
        """See `Output.write`."""
        file = self._opened()
        if not is_compressed(str(self._target)):
            file.writelines(self._form.lines(reader, block, items))
            return
        data = b"".join(self._form.lines(reader, block, items))
        if data:
            file.write(self._compressed(data))

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            try:
                self._file = open(self._part, "wb")  # noqa: SIM115
            except OSError as error:
                raise ConfigError(unwritable("output", self._part, error)) from None
        return self._file

    def _compressed(self, data: bytes) -> bytes:
        if self._zstd is not None:
            compressed: bytes = self._zstd.compress(data)
            return compressed
        # The time and the name of a file in the header would differ from run to run.
        buffer = BytesIO()
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, buffer, mtime=0) as member:
            member.write(data)
        return buffer.getvalue()

    def commit(self) -> int:
        """See `Output.commit`: the bytes of the file."""
        file = self._opened()
        file.flush()
        sync_file(file.fileno())
        return file.tell()

    def resume(self, state: int, *, ended: bool = False) -> None:
        """See `Output.resume`."""
        self._is_finished = ended and self._target.exists() and not self._part.exists()
        if self._is_finished:
            return
        try:
            size = self._part.stat().st_size
            if size >= state:
                self._file = open(self._part, "r+b")  # noqa: SIM115
                self._file.truncate(state)
                self._file.seek(state)
                return
        except OSError as error:
            raise ConfigError(unwritable("output", self._part, error)) from None
        raise ConfigError(
            f"{self._part} has {size:,} bytes of {state:,} that were written; start over without "
            "--resume"
        )

    def finish(self) -> None:
        """See `Output.finish`."""
        if self._is_finished:
            return
        self._opened().close()
        os.replace(self._part, self._target)

    def close(self) -> None:
        """See `Output.close`."""
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """See `Output.discard`."""
        self.close()
        self._part.unlink(missing_ok=True)


class PartsOutput(Output):
    """Parquet: a folder of parts, or one file that is put together of them at the end.

    Each stretch of records between two commits is a part. Those of a file lie in `FILE.parts`.
    """

    commits_anywhere = False

    def __init__(self, path: str, rows: Rows) -> None:
        self._target = Path(path)
        self._rows = rows
        self._is_folder = not is_parquet(path)
        self._folder = self._target if self._is_folder else Path(f"{path}.parts")
        self._is_finished = False
        self._parts = 0
        self._writer: Any = None
        self._held: list[Any] = []
        self._held_size = self._held_rows = 0

    def write(self, reader: RecordReader, block: Block, items: Sequence[Item]) -> None:
        """See `Output.write`."""
        batch = self._rows.batch(reader, block, items)
        if not batch.num_rows:
            return
        self._held.append(batch)
        self._held_size += batch.nbytes
        self._held_rows += batch.num_rows
        if self._held_size >= _ROW_GROUP_BYTES or self._held_rows >= _ROW_GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        """Write what is held as a row group."""
        pa, parquet = arrow(), arrow("pyarrow.parquet")
        if self._writer is None:
            self._make_folder()
            self._writer = parquet.ParquetWriter(self._unfinished, self._rows.schema)
        table = pa.Table.from_batches(self._held, self._rows.schema)
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._held, self._held_size, self._held_rows = [], 0, 0

    @property
    def _unfinished(self) -> Path:
        return self._folder / f".part-{self._parts:05}.parquet.tmp"

    def _name(self, number: int) -> Path:
        return self._folder / f"part-{number:05}.parquet"

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(unwritable("output", self._folder, error)) from None

    def commit(self) -> int:
        """See `Output.commit`: the number of parts."""
        self._make_folder()
        if self._held:
            self._write_group()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            _sync(self._unfinished)
            os.replace(self._unfinished, self._name(self._parts))
            self._parts += 1
        return self._parts

    def start(self) -> None:
        """See `Output.start`."""
        if self._folder.is_dir():
            self._forget(0)

    def resume(self, state: int, *, ended: bool = False) -> None:
        """See `Output.resume`."""
        self._is_finished = ended and self._target.exists() and not self._folder.exists()
        if self._is_finished:
            return
        self._parts = state
        for number in range(state):
            if not self._name(number).is_file():
                raise ConfigError(f"{self._name(number)} is gone; start over without --resume")
        self._forget(state)

    def _forget(self, parts: int) -> None:
        """Remove all parts but the first ones, and what is not finished."""
        for path in self._folder.glob("part-[0-9][0-9][0-9][0-9][0-9].parquet"):
            if int(path.stem.removeprefix("part-")) >= parts:
                path.unlink()
        for path in self._folder.glob(".part-*.parquet.tmp"):
            path.unlink()

    def finish(self) -> None:
        """See `Output.finish`."""
        if self._is_finished:
            return
        parquet = arrow("pyarrow.parquet")
        if self._is_folder:
            if not self._parts:
                self._write_group()  # an empty one, which has the columns
                self.commit()
            return
        unfinished = Path(f"{self._target}.part")
        with parquet.ParquetWriter(unfinished, self._rows.schema) as writer:
            for number in range(self._parts):
                # Of an open file, pages are read one by one (see `fastlm.text.tables`).
                with (
                    arrow().OSFile(str(self._name(number))) as file,
                    parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False) as part,
                ):
                    for group in range(part.num_row_groups):
                        table = part.read_row_group(group, use_threads=False)
                        writer.write_table(table, row_group_size=max(table.num_rows, 1))
                        del table  # before the next one is read
        _sync(unfinished)
        os.replace(unfinished, self._target)
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """See `Output.close`."""
        if self._writer is not None:
            self._writer.close()

    def discard(self) -> None:
        """See `Output.discard`."""
        self.close()
        for number in range(self._parts):
            self._name(number).unlink(missing_ok=True)
        self._unfinished.unlink(missing_ok=True)
        if not self._is_folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _sync(path: Path) -> None:
    with open(path, "r+b") as file:
        sync_file(file.fileno())


def is_parquet(path: str) -> bool:
    """Tell whether an output is one Parquet file, as its name says."""
    return Path(path).suffix.lower() in (".parquet", ".pq")


def output_of(path: str, form: Form, readers: Sequence[RecordReader]) -> Output:
    """Return the output of a name: a Parquet file, a folder of them (``NAME/``), or lines.

    Raises
    ------
    ConfigError
        For what cannot be written there.
    """
    if path.endswith(("/", os.sep)) or Path(path).is_dir() or is_parquet(path):
        for reader in readers:
            if reader.field is not None and not reader.rereadable:
                raise ConfigError(
                    f"{reader.name} is read once, but the columns of {path} come from its first "
                    "lines; name a file, or write JSON lines, with -o FILE.jsonl"
                )
        return PartsOutput(path, Rows(readers, form))
    suffix = Path(path).suffix.lower()
    if any(reader.table is not None for reader in readers) and suffix in (
        ".csv", ".tsv", ".arrow", ".feather",
    ):  # fmt: skip
        raise ConfigError(
            f"{path} would hold JSON lines; name a file that ends in .parquet or .jsonl"
        )
    return LinesOutput(path, form)
