"""Callbacks of a training run, and the facts that they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from fastlm.checks import shown
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError
from fastlm.system.html_pages import html_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Callback",
    "Callbacks",
    "Notice",
    "Preparing",
    "Progress",
    "Result",
    "Start",
    "Validation",
    "as_callbacks",
    "model_given",
    "takes_notices",
]


@dataclass(frozen=True)
class Preparing:
    """Given several times a second while a large corpus becomes tokens, and after each phase."""

    phase: str
    """``reading``, ``counting`` (for ``bpe`` ``learning``), ``encoding``; ``checking`` a store."""
    done: int
    """Bytes done."""
    total: int | None
    """Bytes in all, None if not known."""
    elapsed: float
    """Seconds since the phase began."""
    ended: bool = False
    """Whether the phase is over."""
    notes: tuple[str, ...] = ()
    """What was left out of the text; given when ``reading`` is over."""


@dataclass(frozen=True)
class Start:
    """Given before the first step."""

    model: ModelConfig
    training: TrainingConfig
    parameters: int
    """n, the number of parameters."""
    train_tokens: int
    valid_tokens: int
    """0 without validation."""
    total_steps: int | None
    """Planned steps, the most if minutes bound the run too; None if only minutes do."""
    threads: int
    compiling: bool
    """Whether no compiled kernels are cached: the first step waits for the compiler."""
    step: int = 0
    """Steps done before, not 0 for a run that is resumed."""
    elapsed: float = 0.0
    """Seconds done before."""
    reasons: tuple[str, ...] = ()
    """Why sizes and rates that were not given are what they are, a line each."""
    corpus: str = ""
    """Description of the corpus, for people; empty if not known."""
    tokenizer: str = ""
    """Kind of the tokenizer, such as ``char``; empty if not known."""
    valid_ids: NDArray[Any] | None = field(default=None, repr=False, compare=False)
    """int[N], the tokens that are validated on, of a sample those of its stretches; None without
    validation."""


@dataclass(frozen=True)
class Progress:
    """Given several times a second."""

    step: int
    """Steps done."""
    total_steps: int
    """Planned steps, an estimate for a run bounded by time."""
    epoch: float
    """Passes over the training examples so far."""
    total_epochs: float
    """Planned passes, or an estimate."""
    fraction: float
    """Share of the run that is done, 0 to 1."""
    loss: float
    """Mean training loss since the last report, in nats per token."""
    lr: float
    """Learning rate of the last step."""
    tokens_per_second: float
    """Training examples per second, over the last few seconds."""
    elapsed: float
    """Seconds, without compilation."""
    remaining: float
    """Seconds, an estimate; 0 if not known."""


@dataclass(frozen=True)
class Validation:
    """Given after each measurement on the validation tokens."""

    step: int
    epoch: float
    elapsed: float
    """Seconds, without compilation."""
    loss: float
    """Validation loss, in nats per token."""
    perplexity: float
    """exp(loss)."""
    train_loss: float
    """Mean training loss since the last validation, in nats per token."""
    best: bool
    """Whether the loss is lower than all before."""


@dataclass(frozen=True)
class Notice:
    """Something that a person should know, given while training continues.

    Kinds: ``rollback`` (to the last snapshot), ``checkpoint`` (one could not be written, or can be
    again), ``metrics`` (likewise), ``resume`` (from an older checkpoint, since the newest is
    damaged), ``finished`` (nothing is left to train), ``no gain`` (over token frequencies),
    ``compiling`` (kernels, for the first time), ``counts`` (what counts of n-grams give and cost).
    """

    kind: str
    message: str
    """One line."""


@dataclass(frozen=True)
class Result:
    """Given at the end, unless training raises."""

    reason: str
    """``finished``, ``early stop``, ``interrupted`` (SIGINT), ``terminated`` (SIGTERM), or what
    was given to ``Trainer.stop``."""
    step: int
    epoch: float
    elapsed: float
    """Seconds, without compilation."""
    tokens: int
    """Training examples seen."""
    tokens_per_second: float
    """Over the whole run, without validation."""
    train_loss: float
    """Mean training loss of the last compiled call, in nats per token."""
    best: Validation | None
    """The validation whose parameters the model has, None without validation."""
    checkpoint: str | None = None
    """The file to resume from, None if none was written."""

    def _repr_html_(self) -> str:
        facts: list[tuple[str, object]] = [
            (name.replace("_", " "), getattr(self, name))
            for name in ("reason", "step", "epoch", "tokens", "tokens_per_second", "train_loss")
        ]
        facts.insert(3, ("seconds", self.elapsed))
        if self.best is not None:
            facts.append(("validation loss", self.best.loss))
            facts.append(("validation perplexity", self.best.perplexity))
        return html_table(facts)


class Callback:
    """Base of callbacks: override what you need. All run in the thread that called ``fit``."""

    only_logs = False
    """Whether notices become warnings although the callback takes them."""

    _current_model: Callable[[], Any] | None = None

    @property
    def model(self) -> Any:
        """The ``LanguageModel`` as it is now, a copy of its weights; None while there is no run.

        There is one from ``on_start`` to ``on_end`` of a run of ``fastlm.train`` or
        ``LanguageModel.train_more``. Reading it changes nothing in the run.
        """
        if "_own_model" in vars(self):
            return self._own_model
        return None if self._current_model is None else self._current_model()

    @model.setter
    def model(self, model: Any) -> None:
        self._own_model = model  # of a subclass that has something of this name

    def on_prepare(self, preparing: Preparing) -> None:
        """Receive the progress of reading and encoding a corpus."""

    def on_start(self, start: Start) -> None:
        """Receive the facts about a run before its first step."""

    def on_progress(self, progress: Progress) -> None:
        """Receive the progress of training."""

    def on_validation(self, validation: Validation) -> None:
        """Receive a validation."""

    def on_notice(self, notice: Notice) -> None:
        """Receive a notice."""

    def on_end(self, result: Result) -> None:
        """Receive the result of the run."""


Callbacks: TypeAlias = (
    Callback
    | Callable[[Progress | Validation], object]
    | Iterable[Callback | Callable[[Progress | Validation], object]]
)
"""Callbacks as a caller gives them: one or several, each an object or a function.

A function is called with each `Progress` and each `Validation`; both have ``step``, ``epoch``,
``elapsed`` and ``loss``.
"""


class _Function(Callback):
    """A callback that calls a function."""

    def __init__(self, function: Callable[[Progress | Validation], object]) -> None:
        self._function = function

    def on_progress(self, progress: Progress) -> None:
        self._function(progress)

    def on_validation(self, validation: Validation) -> None:
        self._function(validation)


def as_callbacks(given: Callbacks) -> list[Callback]:
    """Return callbacks as a list of objects.

    Raises
    ------
    ConfigError
        For what is neither a callback nor a function.
    """
    is_one = isinstance(given, Callback) or callable(given) or not isinstance(given, Iterable)
    return [_as_callback(one) for one in ([given] if is_one else given)]  # type: ignore[union-attr]


def _as_callback(given: Any) -> Callback:
    if isinstance(given, type):
        raise ConfigError(f"the callback {given.__name__} is a class; give {given.__name__}()")
    if isinstance(given, Callback) or hasattr(given, "on_progress"):
        return given  # type: ignore[no-any-return]
    if callable(given):
        return _Function(given)
    raise ConfigError(
        f"a callback is {shown(given)}; give a fastlm.Callback, a function, or a list of them"
    )


def takes_notices(callback: Callback) -> bool:
    """Tell whether a callback shows notices; where none does, they become warnings.

    One that has ``only_logs`` set does not show them.
    """
    shows = type(callback).on_notice is not Callback.on_notice
    return shows and not getattr(callback, "only_logs", False)


@contextmanager
def model_given(callbacks: Iterable[Callback], current: Callable[[], Any]) -> Iterator[None]:
    """Let callbacks have a ``model`` within the context.

    current : returns the ``LanguageModel`` as it is now
    """
    given = [callback for callback in callbacks if isinstance(callback, Callback)]
    for callback in given:
        callback._current_model = current
    try:
        yield
    finally:
        for callback in given:
            callback._current_model = None
