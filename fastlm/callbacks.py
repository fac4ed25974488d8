"""What a training run tells those who watch it: callbacks and the facts they get."""

from __future__ import annotations

from dataclasses import dataclass

from fastlm.config import ModelConfig, TrainingConfig

__all__ = ["Callback", "Notice", "Preparing", "Progress", "Result", "Start", "Validation"]


@dataclass(frozen=True)
class Preparing:
    """Several times a second while a large corpus becomes tokens, and at the end of each phase.

    phase : ``reading``, ``counting`` or (for ``bpe``) ``learning``, ``encoding``
    done, total : bytes; total is None where it is not known
    elapsed : seconds since the phase began
    ended : whether the phase is over
    notes : what was left out of the text; told when ``reading`` is over
    """

    phase: str
    done: int
    total: int | None
    elapsed: float
    ended: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """Before the first step.

    parameters : n
    train_tokens, valid_tokens : number of tokens; valid_tokens is 0 without validation
    total_steps : at most, where minutes bound the run too; None when only these do
    compiling : kernels are not in the cache yet: the first step waits for the compiler
    step, elapsed : steps and seconds done before: not 0 where a run is resumed
    reasons : why the sizes and rates that were not given are what they are, a line each
    corpus : what the tokens come from, for people; "" where it is not known
    tokenizer : its kind, such as ``char``; "" where it is not known
    """

    model: ModelConfig
    training: TrainingConfig
    parameters: int
    train_tokens: int
    valid_tokens: int
    total_steps: int | None
    threads: int
    compiling: bool
    step: int = 0
    elapsed: float = 0.0
    reasons: tuple[str, ...] = ()
    corpus: str = ""
    tokenizer: str = ""


@dataclass(frozen=True)
class Progress:
    """Several times a second.

    step : steps done; total_steps : planned or, bounded by time, estimated
    epoch : passes over the training examples so far; total_epochs likewise
    fraction : share of the run that is done, 0 to 1
    loss : mean training loss in nats over the examples seen since the last report
    lr : the learning rate of the last step
    tokens_per_second : training examples a second, over the last few seconds
    elapsed, remaining : seconds, without what the compiler took; remaining is an estimate
    """

    step: int
    total_steps: int
    epoch: float
    total_epochs: float
    fraction: float
    loss: float
    lr: float
    tokens_per_second: float
    elapsed: float
    remaining: float


@dataclass(frozen=True)
class Validation:
    """After each measurement on the validation tokens.

    loss : nats per token, perplexity : exp(loss); train_loss : mean training loss since the last
    validation; best : lower than all before
    """

    step: int
    epoch: float
    elapsed: float
    loss: float
    perplexity: float
    train_loss: float
    best: bool


@dataclass(frozen=True)
class Notice:
    """Something that a person should know of, while training goes on.

    kind : ``rollback`` (training went back to the last good state), ``checkpoint`` (one could not
        be written, or can be again), ``metrics`` (likewise), ``resume`` (from an older checkpoint,
        since the newest is damaged), ``finished`` (nothing is left to train), ``no gain``
        (beyond how frequent tokens are)
    message : one line
    """

    kind: str
    message: str


@dataclass(frozen=True)
class Result:
    """At the end; not when training raises.

    reason : ``finished``, ``early stop``, ``interrupted`` (SIGINT), ``terminated`` (SIGTERM), or
        what was given to ``Trainer.stop``
    best : the validation whose parameters the model has, None without validation
    tokens : training examples seen; tokens_per_second : over the whole run, validation left out
    checkpoint : the file to resume from, None where none was written
    """

    reason: str
    step: int
    epoch: float
    elapsed: float
    tokens: int
    tokens_per_second: float
    train_loss: float
    best: Validation | None
    checkpoint: str | None = None


class Callback:
    """Base of callbacks: override what you need. All run in the thread that called ``fit``."""

    def on_prepare(self, preparing: Preparing) -> None: ...

    def on_start(self, start: Start) -> None: ...

    def on_progress(self, progress: Progress) -> None: ...

    def on_validation(self, validation: Validation) -> None: ...

    def on_notice(self, notice: Notice) -> None: ...

    def on_end(self, result: Result) -> None: ...
