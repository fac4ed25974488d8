"""Callbacks of a training run, and the facts that they are given."""

from __future__ import annotations

from dataclasses import dataclass

from fastlm.config import ModelConfig, TrainingConfig

__all__ = ["Callback", "Notice", "Preparing", "Progress", "Result", "Start", "Validation"]


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
    ``compiling`` (kernels, for the first time).
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


class Callback:
    """Base of callbacks: override what you need. All run in the thread that called ``fit``."""

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
