"""`fastlm mix`: a mixture of model files."""

from __future__ import annotations

import fastlm
from tests.api.test_mixing import VALID, models

from ..conftest import assert_one_line


def test_a_mixture_of_files(run, tmp_path):
    for number, model in enumerate(models()):
        model.save(tmp_path / f"{number}.safetensors")
    (tmp_path / "v.txt").write_text("\n".join(VALID))
    names = [f"{number}.safetensors" for number in range(3)]
    outcome = run("mix", *names, "--valid", "v.txt", "-o", "m.safetensors")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "network 1", "network 2", "counts", "mixture", "saved",
    ]  # fmt: skip
    assert len(fastlm.load(tmp_path / "m.safetensors").text_model.networks) == 2
    assert run("mix", *names[:2], "--valid", "v.txt", "-q").out == ""
    assert run("eval", "mixture.safetensors", "v.txt").code == 0


def test_wrong_input_is_told_in_one_line(run, tmp_path):
    models()[0].save(tmp_path / "0.safetensors")
    (tmp_path / "v.txt").write_text("the dog")
    for code, *arguments in (
        (1, "0.safetensors", "--valid", "v.txt"),
        (2, "0.safetensors", "0.safetensors"),
        (1, "0.safetensors", "v.txt", "--valid", "v.txt"),
        (1, "0.safetensors", "0.safetensors", "--valid", "none.txt"),
        (1, "0.safetensors", "0.safetensors", "--valid", "v.txt", "-o", "v.txt"),
    ):
        assert_one_line(run("mix", *arguments), code)
