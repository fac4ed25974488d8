"""Memory and speed of `fastlm score` and `fastlm prepare` over made-up data of every format.

    python bench/memory.py [--gigabytes 2] [--folder FOLDER] [FORMAT ...]

Each format is written, scored to a file and prepared by processes of their own; the most memory
that each had at a time is that of the operating system, for its own pages (of mapped files those
count, too, that it may drop). Parquet and Arrow are of one row group, or one batch a million rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LIMIT_MB = 500
CHUNK_ROWS = 10_000

# What a process runs; it prints the most memory that it had, in kB, and the processor time.
MEASURED = """
import resource, sys
from fastlm.cli import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
print(f"\\n{code} {peak} {own} {used.ru_utime + used.ru_stime:.1f}", file=sys.stderr)
"""


def rows(size: int) -> Iterator[list[dict[str, object]]]:
    """Yield rows in chunks, of about this many bytes of text together."""
    chance = random.Random(0)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(1, 9))) for _ in range(5000)]
    number = 0
    while size > 0:
        chunk = []
        for _ in range(CHUNK_ROWS):
            text = " ".join(chance.choices(words, k=chance.randint(1, 60)))
            chunk.append({"id": number, "text": text, "source": f"site {number % 100}"})
            number += 1
            size -= len(text)
        yield chunk


def write_lines(path: Path, size: int) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for chunk in rows(size):
            file.writelines(f"{row['text']}\n" for row in chunk)


def write_json(path: Path, size: int) -> None:
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as file:
        for chunk in rows(size):
            file.writelines(json.dumps(row).encode() + b"\n" for row in chunk)


def write_separated(path: Path, size: int) -> None:
    separator = "\t" if path.suffix == ".tsv" else ","
    with open(path, "w", encoding="utf-8") as file:
        file.write(separator.join(("id", "text", "source")) + "\n")
        for chunk in rows(size):
            file.writelines(separator.join(map(str, row.values())) + "\n" for row in chunk)


def write_parquet(path: Path, size: int) -> None:
    """Write one row group of all rows, or groups of 50,000 for a name with "groups" in it."""
    import pyarrow as pa
    from pyarrow import parquet

    tables = (pa.Table.from_pylist(chunk) for chunk in rows(size))
    first = next(tables)
    with parquet.ParquetWriter(path, first.schema) as writer:
        if "groups" in path.name:
            for table in (first, *tables):
                writer.write_table(table)
        else:
            writer.write_table(pa.concat_tables([first, *tables]), row_group_size=1 << 40)


def write_arrow(path: Path, size: int) -> None:
    import pyarrow as pa

    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    tables = (pa.Table.from_pylist(chunk) for chunk in rows(size))
    first = next(tables)
    with pa.OSFile(str(path), "wb") as file, new(file, first.schema) as writer:
        held = [first]
        for table in tables:
            held.append(table)
            if len(held) == 100:
                writer.write_table(pa.concat_tables(held).combine_chunks())
                held = []
        if held:
            writer.write_table(pa.concat_tables(held).combine_chunks())


FORMATS: dict[str, tuple[Callable[[Path, int], None], str]] = {
    "a.txt": (write_lines, "b.txt"),
    "a.jsonl": (write_json, "b.jsonl"),
    "a.jsonl.gz": (write_json, "b.jsonl.gz"),
    "a.csv": (write_separated, "b.parquet"),
    "a.tsv": (write_separated, "b.jsonl"),
    "a.parquet": (write_parquet, "b.parquet"),
    "groups.parquet": (write_parquet, "b.jsonl"),
    "a.arrow": (write_arrow, "b.parquet"),
    "a.arrows": (write_arrow, "b.parquet"),
}


def measure(*arguments: object) -> dict[str, float]:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    code, peak, own, cpu = done.stderr.splitlines()[-1].split()
    if code != "0":
        raise SystemExit(done.stderr)
    seconds = time.monotonic() - start
    return {"MB": int(peak) / 1024, "own MB": int(own) / 1024, "CPU s": float(cpu), "s": seconds}


def train_model(folder: Path) -> Path:
    """Train the model that scores: small, so that reading and writing are much of the work."""
    write_lines(folder / "sample.txt", 200_000)
    model = folder / "m.safetensors"
    shape = ("--context", "4", "--embed", "8", "--hidden", "16", "--steps", "50")
    command = [sys.executable, "-m", "fastlm", "train", folder / "sample.txt", "-o", model, "-q"]
    subprocess.run([*map(str, command), *shape, "--documents", "lines"], check=True)
    return model


def main(arguments: list[str] | None = None) -> bool:
    """Print a line for each format and command; return whether all were below the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("formats", nargs="*", default=list(FORMATS), metavar="FORMAT")
    given = parser.parse_args(arguments)
    below = True
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        model = train_model(folder)
        print(f"{'format':<16}{'command':<26}{'GB':>6}{'MB':>7}{'own MB':>8}{'CPU s':>8}{'s':>8}")
        for name in given.formats:
            write, out = FORMATS[name]
            source = folder / name
            write(source, int(given.gigabytes * 1e9))
            is_text = name == "a.txt"
            field = () if is_text else ("--field", "text")
            threads = ("--threads", "1")
            for command in (
                ("score", model, source, "-o", folder / out, *field, *threads),
                ("prepare", source, "-o", folder / "b.tokens", *field, *threads, "-q"),
            ):
                found = measure(*command)
                shown = f"score to {out}" if command[0] == "score" else "prepare"
                print(
                    f"{name:<16}{shown:<26}{source.stat().st_size / 1e9:>6.2f}{found['MB']:>7.0f}"
                    f"{found['own MB']:>8.0f}{found['CPU s']:>8.0f}{found['s']:>8.0f}",
                    flush=True,
                )
                below = (
                    below and (found["MB"] if "arrow" not in name else found["own MB"]) < LIMIT_MB
                )
            for path in folder.iterdir():
                if path not in (model, folder / "sample.txt"):
                    path.unlink()
    return below


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
