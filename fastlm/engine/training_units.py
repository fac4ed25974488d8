"""The units of a training run: which kernels it needs, and their addresses."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from typing import Any

from fastlm_kernels.passes.units import UNITS, Units
from fastlm_kernels.runtime.arguments import (
    EMBEDDING,
    FAR,
    LAYER,
    SORT,
    TABLE_POSITION,
    Plan,
)
from fastlm_kernels.runtime.jit import is_cached
from fastlm_kernels.runtime.units import NOT_NEEDED, unit_address

__all__ = ["NO_UNITS", "TrainingUnits", "needed_units"]

NO_UNITS = Units(**dict.fromkeys(UNITS, NOT_NEEDED))


def needed_units(plan: Plan) -> list[str]:
    """Return the fields of ``Units`` that ``train_steps`` calls, those that take longest first."""
    updated = set(plan.updates[:, LAYER].tolist())
    needed = {
        "output": not plan.sweeps_columns,
        "layer": True,
        "embeddings": EMBEDDING in updated,
        "table_position": TABLE_POSITION in updated,
        "forward": True,
        "backward": True,
        "columns": plan.columns.size > 0,
        "columns_backward": plan.columns.size > 0,
        "columns_to_rows": plan.columns.size > 0,
        "column_sums": plan.columns.size > 0,
        "table_embeddings": plan.table_tiles > 0,
        "table_fill": plan.table_tiles > 0,
        "sort": SORT in updated,
        "far": FAR in updated,
    }
    return [name for name, is_needed in needed.items() if is_needed]


class TrainingUnits:
    """The units that a plan needs.

    Parameters
    ----------
    plan : Plan
        The tiles of a step.
    shared : tuple
        What units read (``runtime.units.share``), for its types.
    names : container of str
        Units to choose from.
    """

    def __init__(self, plan: Plan, shared: tuple[Any, ...], names: Container[str] = UNITS) -> None:
        self._needed = [name for name in needed_units(plan) if name in names]
        self._shared = shared
        self._addresses: dict[str, Any] = {}

    @property
    def are_cached(self) -> bool:
        """Whether none needs compiling."""
        return all(is_cached(UNITS[name]) for name in self._needed)

    def addresses(self) -> Units:
        """Return the addresses of those that are needed, compiled at the first call."""
        return NO_UNITS._replace(**{name: self._address(name) for name in self._needed})

    def compilations(self, every_unit: bool = False) -> dict[str, Callable[[], object]]:
        """Return what compiles or loads each of those that are needed, or of all."""
        names = UNITS if every_unit else self._needed
        return {name: partial(self._address, name) for name in names}

    def _address(self, name: str) -> Any:
        if name not in self._addresses:
            self._addresses[name] = unit_address(UNITS[name], self._shared)
        return self._addresses[name]
