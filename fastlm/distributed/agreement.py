"""Ranks that do the same: what one fails at fails on all, with the same error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastlm._version import __version__
from fastlm.distributed.communicator import Communicator
from fastlm.errors import ConfigError, FastlmError
from fastlm_kernels.runtime.cache import cache_key

__all__ = ["agreed", "check_versions", "is_agreed", "led", "on_all"]

_Result = TypeVar("_Result")
_AGREED = "is_agreed"


def led(
    communicator: Communicator,
    work: Callable[[], _Result],
    handed_over: Callable[[_Result], _Result] = lambda result: result,
) -> _Result:
    """Return what ``work`` returns on rank 0, the only one that calls it.

    Others get a copy of what ``handed_over`` makes of it.

    Raises
    ------
    FastlmError
        What it raised, on all ranks.
    """
    result: Any = None
    outcome: tuple[Any, FastlmError | None] = None, None
    if communicator.rank == 0:
        try:
            result = work()
            outcome = handed_over(result), None
        except FastlmError as error:
            outcome = None, error
    copied, failure = communicator.lead(outcome)
    if failure is not None:
        raise agreed(failure)
    return result if communicator.rank == 0 else copied  # type: ignore[no-any-return]


def on_all(communicator: Communicator, work: Callable[[], _Result]) -> _Result:
    """Return what ``work`` returns on this rank; all call it.

    Raises
    ------
    FastlmError
        What it raised on the first rank where it did, on all ranks; the message names the rank.
    """
    result, failure = None, None
    try:
        result = work()
    except FastlmError as error:
        failure = error
    for rank, other in enumerate(communicator.gather(failure)):
        if other is not None:
            raise agreed(type(other)(f"rank {rank}: {other}"))
    return result  # type: ignore[return-value]


def agreed(error: FastlmError) -> FastlmError:
    """Mark an error that all ranks raise."""
    vars(error)[_AGREED] = True
    return error


def is_agreed(error: BaseException) -> bool:
    """Return whether all ranks raise this error."""
    return _AGREED in vars(error)


def check_versions(communicator: Communicator, own: tuple[str, str, str] | None = None) -> None:
    """Raise ConfigError where ranks have other versions or processors.

    own : the version of fastlm, what its kernels depend on, and the type of processor; default:
        those of this process
    """
    answers = communicator.gather(_versions() if own is None else own)
    remedies = (
        ("fastlm", "install the same version on all"),
        ("kernels of", "install the same versions of fastlm, Numba and Python on all"),
        ("a processor of type", "start all ranks on machines of one type, so that sums are equal"),
    )
    for rank, theirs in enumerate(answers):
        for mine, other, (what, remedy) in zip(answers[0], theirs, remedies, strict=True):
            if other != mine:
                raise agreed(
                    ConfigError(f"rank {rank} has {what} {other}, rank 0 {mine}; {remedy}")
                )


def _versions() -> tuple[str, str, str]:
    from llvmlite import binding

    key = cache_key().removeprefix("kernels-").split("-")
    return __version__, "-".join([key[0][:8], *key[1:]]), binding.get_host_cpu_name()
