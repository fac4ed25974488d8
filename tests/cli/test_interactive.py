"""Choosing among the next tokens: the draft, the dialogue, and both on a terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from fastlm.cli.interactive import CHOICES, Draft, write_together
from fastlm.errors import TokenizerError

from .conftest import assert_one_line, make_model


def session(lm, prompt, *answers):
    draft, screen = Draft(lm.text_model, prompt), io.StringIO()
    write_together(draft, io.StringIO("".join(f"{answer}\n" for answer in answers)), screen)
    return draft, screen.getvalue()


@pytest.mark.parametrize("kind", ["char", "word", "byte"])
def test_the_first_of_each_is_what_greedy_writes(kind):
    lm = make_model(kind=kind)
    draft, shown = session(lm, "the quick", *[""] * 6)
    assert draft.text == lm.generate("the quick", length=6, greedy=True)
    assert shown.count("\n  1  ") == 7


def test_candidates_are_the_most_probable_allowed():
    lm = make_model()
    found = Draft(lm.text_model, "the ").candidates()
    p = lm.next_token_distribution("the ")
    tokenizer = lm.tokenizer
    p[[tokenizer.boundary_id, tokenizer.unk_id]] = 0
    best = np.argsort(-p, kind="stable")[:CHOICES]
    assert [id for id, *_ in found] == best.tolist()
    assert [token for _, token, _ in found] == [tokenizer.token(id) for id in best]
    np.testing.assert_allclose([each for *_, each in found], p[best] / p.sum(), rtol=1e-12)


def test_text_is_typed_and_all_is_taken_back():
    lm = make_model()
    second = Draft(lm.text_model, "the ").candidates()[1][1]
    assert session(lm, "the ", "2")[0].text == f"the {second}"
    assert session(lm, "the ", "2", "+ dog", "q", "1")[0].text == f"the {second} dog"
    for answers in (["-"], ["2", "-"], ["+x", "-"], ["1", "+x", "3", "-", "-", "-", "-"]):
        assert session(lm, "the ", *answers)[0].text == "the "
    draft, shown = session(lm, "the ", "6", "what", "0")
    assert draft.text == "the "
    assert shown.count("Enter: the first") == 4


def test_the_end_of_a_line_ends_the_text():
    lm = make_model(documents="lines")
    draft = Draft(lm.text_model, "the ")
    draft.choose(lm.tokenizer.boundary_id)
    assert (draft.ended, draft.text) == (True, "the ")
    draft.undo()
    assert not draft.ended


def test_text_that_the_tokenizer_refuses_changes_nothing():
    draft = Draft(make_model(unk=False).text_model, "the ")
    with pytest.raises(TokenizerError):
        draft.add("Z")
    draft.undo()
    assert draft.text == "the "


def test_one_text_only(run, model):
    for option in (("--json",), ("--samples", "2")):
        outcome = run("generate", model, "--interactive", *option)
        assert_one_line(outcome, 1, "--interactive writes one text")


def read_until(terminal, words, seconds=60.0):
    """Read what a terminal shows until it has these words."""
    shown, end = "", time.monotonic() + seconds
    while words not in shown:
        assert time.monotonic() < end, shown
        shown += os.read(terminal, 4096).decode()
    return shown


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_dialogue_on_a_terminal(tmp_path, term):
    import pty

    lm = make_model()
    lm.save(tmp_path / "m.safetensors")
    first = Draft(lm.text_model, "the ").candidates()[0][1]
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "fastlm", "generate", "m.safetensors", "--interactive"]
    process = subprocess.Popen(
        [*command, "-p", "the "],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path,
        env=os.environ | {"TERM": term, "COLUMNS": "60", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(theirs)
    try:
        shown = read_until(terminal, "> ")
        assert "  1  " in shown
        assert "\x1b" not in shown
        os.write(terminal, b"\n")
        assert f"\r\nthe {first}\r\n" in read_until(terminal, "> ")
        os.write(terminal, b"+ dog\n")
        read_until(terminal, "> ")
        os.write(terminal, b"q\n")
        assert f"the {first} dog\r\n" in read_until(terminal, " dog\r\n")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
