"""Files of another run are not replaced unasked, and two runs do not write the same files."""

from __future__ import annotations

import pytest

import fastlm
from fastlm.errors import ConfigError
from fastlm.training.replaced_run import run_lock

TEXT = "the quick brown fox jumps over the lazy dog.\n" * 6
OTHER = "pack my box with five dozen liquor jugs.\n" * 6
SMALL = {
    "context": 3, "embed": 4, "hidden": (8,), "batch": 8, "steps": 6, "threads": 1, "valid": 0
}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """The files of a finished run on TEXT."""
    model = tmp_path / "m.safetensors"
    checkpoint = tmp_path / "m.checkpoint.safetensors"
    fastlm.train(texts=[TEXT], checkpoint=checkpoint, **SMALL).save(model)
    return {"checkpoint": checkpoint, "replaces": model}


@pytest.mark.parametrize("which", ["checkpoint", "replaces"])
def test_another_text_replaces_nothing(files, which):
    named = {which: files[which]}
    before = files[which].read_bytes()
    with pytest.raises(ConfigError, match=r"another text .* overwrite=True"):
        fastlm.train(texts=[OTHER], **named, **SMALL)
    assert files[which].read_bytes() == before
    fastlm.train(texts=[OTHER], **named, **SMALL, overwrite=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 0.5}, "lr None, not 0.5"),
        ({"hidden": (9,)}, r"hidden \[8\], not \[9\]"),
        ({"documents": "lines"}, "another text|documents file, not lines"),
    ],
)
@pytest.mark.parametrize("which", ["checkpoint", "replaces"])
def test_other_settings_replace_nothing(files, which, changes, message):
    with pytest.raises(ConfigError, match=message):
        fastlm.train(texts=[TEXT], **{which: files[which]}, **SMALL | changes)


def test_the_same_run_may_be_done_again(files):
    fastlm.train(texts=[TEXT], **files, **SMALL | {"threads": 2})


def test_restart_drops_what_has_not_ended_only(files):
    with pytest.raises(ConfigError, match="another text"):
        fastlm.train(texts=[OTHER], **files, **SMALL, restart=True)


@pytest.mark.parametrize("content", [b"", b"notes"])
def test_what_is_no_run_is_not_its_business(files, content):
    files["replaces"].write_bytes(content)
    fastlm.train(texts=[TEXT], **files, **SMALL)


def test_two_runs_do_not_write_the_same_files(files):
    with (
        run_lock(files["checkpoint"]),
        pytest.raises(ConfigError, match="another run is writing"),
    ):
        fastlm.train(texts=[TEXT], **files, **SMALL)
    fastlm.train(texts=[TEXT], **files, **SMALL)
    assert not list(files["checkpoint"].parent.glob("*.lock"))
