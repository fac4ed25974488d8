"""The journal of a job: how far it has come, so that it can be restarted."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastlm.checks import shown
from fastlm.errors import ConfigError
from fastlm.system.atomic_file import replace_file, unwritable
from fastlm.system.json_values import parse_json

__all__ = ["Journal", "Position", "State"]

_VERSION = 1


@dataclass
class Position:
    """Where a job is: all records before it are done.

    Attributes
    ----------
    file : int
        The number of the file.
    records : int
        How many of it are done.
    block : int
        The number of the next block, over all files.
    """

    file: int = 0
    records: int = 0
    block: int = 0


@dataclass
class State:
    """What a job needs to go on.

    Attributes
    ----------
    position : Position
    outputs : list
        What each output needs (`Output.commit`).
    summary : dict
    calibrations : dict
        By the name of the model, where they were computed by the job itself.
    ended : bool
        Whether all records are done.
    finished : bool
        Whether the outputs have their names.
    """

    position: Position = field(default_factory=Position)
    outputs: list[Any] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    calibrations: dict[str, Any] = field(default_factory=dict)
    ended: bool = False
    finished: bool = False


class Journal:
    """A file beside the output: what the job is, and its state at the last commit.

    Parameters
    ----------
    output : str
        The output of the job; the journal is `OUTPUT.journal`.
    job : dict
        All that decides what comes out, as JSON has it.
    """

    def __init__(self, output: str, job: dict[str, Any]) -> None:
        self.path = Path(f"{output.rstrip('/')}.journal")
        self._job = json.loads(json.dumps(job))

    def load(self) -> State | None:
        """Return the state that was saved; None where there is no journal.

        Raises
        ------
        ConfigError
            For the journal of another job, or a damaged one.
        """
        over = "start over without --resume"
        try:
            form = parse_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror}; {over}") from None
        except ValueError:
            raise ConfigError(f"{self.path} is damaged; {over}") from None
        try:
            if form["fastlm_journal"] != _VERSION:
                raise KeyError
            job = form["job"]
            state = State(**form["state"])
            state.position = Position(**form["state"]["position"])
        except (KeyError, TypeError):
            raise ConfigError(f"{self.path} is no journal of this version; {over}") from None
        for name, value in self._job.items():
            if job.get(name) != value:
                raise ConfigError(
                    f"{self.path} is of another run: its {name} is {shown(job.get(name))}; give "
                    f"the same, or {over}"
                )
        return state

    def save(self, state: State) -> None:
        """Write the state, whole or not at all."""
        form = {"fastlm_journal": _VERSION, "job": self._job, "state": asdict(state)}
        try:
            replace_file(self.path, [json.dumps(form).encode()])
        except (OSError, ValueError) as error:
            raise ConfigError(unwritable("journal", self.path, error)) from None

    def remove(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self.path.unlink()
