"""A notebook that is run: progress, tables and pictures appear, and nothing floods."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CELLS = [
    """
import fastlm

text = "".join(f"line {n} says that the cat sat on mat {n % 7}.\\n" for n in range(400))
lm = fastlm.train(text, epochs=60, valid=0.1, valid_every=0.5, context=4, embed=6, hidden=12)
""",
    "lm",
    "lm.result",
    "lm.score_arrays(text.splitlines())",
    "next(lm.score([text[:200]], return_tokens=True))",
    "lm.evaluate('line 3 says')",
    "_ = lm.score_arrays(text.splitlines() * 5, progress=True)",
    "_ = lm.train_more(text, epochs=1, callbacks=fastlm.SampleEvery(prompt='line ', length=20))",
    "_ = fastlm.train(text, epochs=1, progress=False)",
    "fastlm.train(text, hiden=3)",
]


def outputs(cell):
    """Of each output of a cell: its HTML, else its text."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        found.append(data.get("text/html", data.get("text/plain")))
    return found


@pytest.mark.thorough
def test_a_notebook(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    paths = [str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="python3", allow_errors=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )  # fmt: skip
    messages = []
    process = client.process_message

    def count(message, cell, index):
        messages.append((index, message["msg_type"]))
        return process(message, cell, index)

    client.process_message = count
    client.execute()
    trained, model, result, arrays, score, evaluation, scored, more, silent, _ = map(
        outputs, notebook.cells
    )
    # One output, which has every line and was not replaced too often.
    (page,) = trained
    assert "finished" in page
    assert "step/total" in page
    validations = len(re.findall(r"^ *[\d,]+/[\d,]+ ", page, re.MULTILINE))
    assert 20 < validations <= 130
    assert "overflow: auto" in page
    kinds = [kind for index, kind in messages if index == 0]
    assert kinds.count("update_display_data") < validations + 400
    assert "stream" not in kinds
    assert "validation perplexity" in model[0]
    assert "<svg" in model[0]
    assert "tokens per second" in result[0]
    assert "ScoreArrays(400 texts" in arrays[0]
    assert "rgba" in score[0]
    assert "bits_per_char" in evaluation[0]
    assert len(scored) <= 1
    assert "sample" in more[0]
    assert silent == []
    assert "did you mean" in str(notebook.cells[-1].outputs)
