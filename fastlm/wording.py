"""The names of settings in messages: keywords in Python, options on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["are_options", "as_options", "install", "nearest_name", "setting"]

# Keywords whose option has another name.
_OPTIONS = {"overwrite=True": "--force", "cache=False": "--no-cache"}

# Of the process: the threads that raise errors speak as the thread that called them.
_are_options = False


@contextmanager
def as_options() -> Iterator[None]:
    """Let messages name options, as on the command line, within the context."""
    global _are_options
    before, _are_options = _are_options, True
    try:
        yield
    finally:
        _are_options = before


def are_options() -> bool:
    """Tell whether messages name options: whether the command line calls."""
    return _are_options


def setting(name: str, value: Any = None) -> str:
    """Return a setting as its caller writes it: ``lr=0.5`` or ``--lr 0.5``; or only its name.

    name : the keyword in Python
    """
    keyword = name if value is None else f"{name}={value!r}"
    if not _are_options:
        return keyword
    option = _OPTIONS.get(keyword, f"--{name.replace('_', '-')}")
    if value is None or isinstance(value, bool):
        return option
    return f"{option} {value:g}" if isinstance(value, float) else f"{option} {value}"


def install(*libraries: str) -> str:
    """Return what to type for optional libraries: ``pip install pyarrow``.

    It names the libraries, not an extra of fastlm: that works from a checkout, too, and no package
    index need have fastlm.
    """
    return f"pip install {' '.join(libraries)}"


# What other libraries call a setting, and what it is here.
_OTHER_NAMES = {
    "batch": "batch_size minibatch minibatch_size batchsize",
    "callbacks": "callback on_progress",
    "context": "block_size context_length context_size n_ctx ngram order seq_len seq_length "
    "sequence_length window window_size",
    "corpus": "data file filename files path text_file train_data",
    "dropout": "drop dropout_rate p_drop",
    "embed": "d_model emb_dim embed_dim embed_size embedding_dim embedding_size n_embd vector_size",
    "epochs": "epoch max_epochs n_epochs n_iter num_epochs num_train_epochs",
    "greedy": "do_sample",
    "hidden": "hidden_dim hidden_layer_sizes hidden_layers hidden_size hidden_sizes hidden_units "
    "layers n_hidden",
    "length": "max_length max_len max_new_tokens max_tokens n n_tokens num_tokens size",
    "lr": "alpha eta learn_rate learning_rate rate step_size",
    "max_vocab": "max_features max_vocab_size n_vocab vocab_size vocabulary_size",
    "metrics": "log_file logfile logs",
    "minutes": "max_minutes max_time time time_limit timeout",
    "momentum": "beta beta1 beta_1",
    "patience": "early_stopping early_stopping_patience n_iter_no_change",
    "progress": "disable_tqdm progress_bar quiet silent show_progress verbose verbosity",
    "schedule": "decay lr_schedule lr_scheduler scheduler",
    "seed": "generator manual_seed random_seed random_state rng",
    "shuffle": "shuffled",
    "steps": "iterations iters max_iters max_iter max_steps n_steps num_steps training_steps",
    "stop": "eos end stop_sequences stop_strings stop_token stop_tokens stop_words",
    "temperature": "t temp",
    "texts": "sentences strings text docs",
    "threads": "cores n_jobs n_threads num_threads num_workers workers",
    "tokenizer": "analyzer tokenise tokenize tokens",
    "top_k": "topk k",
    "top_p": "nucleus p topp",
    "valid": "dev eval_data holdout test_size val val_data val_split valid_fraction "
    "valid_texts validation validation_data validation_fraction validation_split",
    "valid_every": "eval_every eval_interval eval_steps validate_every",
    "warmup": "n_warmup num_warmup_steps warm_up warmup_steps",
    "weight_decay": "decay_rate l2 wd weightdecay",
}
_HERE = {other: name for name, others in _OTHER_NAMES.items() for other in others.split()}


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known setting that a name most likely means: another library's, or misspelt."""
    known = set(known)
    if _HERE.get(name) in known:
        return _HERE[name]
    import difflib

    plain = name.lower().replace("-", "_")
    found = difflib.get_close_matches(plain, sorted(known), n=1)
    if not found:
        found = difflib.get_close_matches(plain, sorted(_HERE), n=1, cutoff=0.85)
        found = [_HERE[other] for other in found if _HERE[other] in known]
    return found[0] if found else None
