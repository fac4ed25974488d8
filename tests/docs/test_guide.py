"""What the guide says and shows is true of the code: its examples run, in order, as they stand."""

from __future__ import annotations

import contextlib
import csv
import importlib
import importlib.util
import io
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from numba import config

from fastlm.cli import main
from fastlm.cli.app import app
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.training import TrainingEngine
from fastlm.model.layout import Layout
from fastlm.training.presets import PRESETS

ROOT = Path(__file__).parents[2]
# The engine's examples continue those of the guide.
GUIDE = "\n".join(
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("guide.md", "engine.md")
)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
PROSE = re.sub(r"^```.*?^```", "", GUIDE, flags=re.DOTALL | re.MULTILINE)
TYPED = re.compile(r"printf '([^']*)' \| ")
INLINE_CODE = re.findall(r"`([^`\n]+)`", PROSE)

# Short, so that the examples are quick.
TEXT = "The cat sat on the mat. The dog sat on the log, and the cat looked on.\n" * 10


@dataclass
class Outcome:
    """What is left when all examples have run.

    namespace : the variables of the Python examples
    printed : of each `fastlm ...` line what it printed
    """

    folder: Path
    namespace: dict[str, Any]
    printed: dict[str, str]


def run_python(block: str, namespace: dict[str, Any]) -> None:
    """Run an example and compare what it prints with what stands behind its `# ->`."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "docs/guide.md", "exec"), namespace)
    expected = re.findall(r"# -> (.*)$", block, re.MULTILINE)
    assert out.getvalue().splitlines() == expected, block


def run_shell(line: str) -> str:
    """Run a command, with what stands before ``|`` as its standard input."""
    out = io.StringIO()
    if typed := TYPED.match(line):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(typed[1].replace("\\n", "\n")))
            return run_shell(line[typed.end() :])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as errors:
        code = main(shlex.split(line)[1:])
    assert code == 0, f"{line}: {errors.getvalue()}"
    return out.getvalue()


def runs_here(block: str) -> bool:
    """Whether the packages are there that fastlm itself does not need."""
    needed = [name for name in ("torch", "onnxruntime") if f"import {name}\n" in block]
    needed += ["onnx"] * ("--to onnx" in block)
    # Without the one there is no file for the other.
    needed += ["onnx"] * ("onnxruntime" in needed)
    return all(importlib.util.find_spec(name) for name in needed)


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    if config.DISABLE_JIT:
        pytest.skip("the examples take minutes without JIT, and run with it")
    folder = tmp_path_factory.mktemp("guide")
    (folder / "corpus.txt").write_text(TEXT, encoding="utf-8")
    (folder / "other.txt").write_text(TEXT[:200], encoding="utf-8")
    records = "".join(f'{{"id": {n}, "text": "The cat sat."}}\n' for n in range(3))
    (folder / "records.jsonl").write_text(records, encoding="utf-8")
    outcome = Outcome(folder, {}, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # One epoch is enough to see that a command works.
        patch.setattr("fastlm.training.schedule._DEFAULT_EXAMPLES", 1)
        for language, block in BLOCKS:
            if not runs_here(block):
                continue
            if language == "toml":
                (folder / "run.toml").write_text(block, encoding="utf-8")
            elif language == "dockerfile":
                continue  # what it does is what tests/api/test_compile.py does
            elif language == "python":
                run_python(block, outcome.namespace)
            else:
                for line in block.splitlines():
                    outcome.printed[line] = run_shell(line)
    return outcome


def test_every_block_is_one_that_is_run():
    assert {language for language, _ in BLOCKS} == {"dockerfile", "python", "sh", "toml"}
    assert GUIDE.count("```") == 2 * len(BLOCKS)
    for language, block in BLOCKS:
        if language == "sh":
            lines = [TYPED.sub("", line) for line in block.splitlines()]
            assert all(line.startswith("fastlm ") for line in lines), block
        elif language == "python":
            assert block.count("print(") == block.count("# -> "), block


def test_a_wrong_result_in_an_example_is_found():
    run_python("print(1 + 1)  # -> 2", {})
    with pytest.raises(AssertionError):
        run_python("print(1 + 1)  # -> 3", {})
    with pytest.raises(AssertionError):
        run_shell("fastlm eval no-such-model.safetensors no-such-file.txt")


def test_the_file_read_without_fastlm_gives_the_models_distribution(guide):
    lm = guide.namespace["lm"]
    expected = lm.next_token_logits("The ")
    np.testing.assert_allclose(guide.namespace["logits"], expected, rtol=1e-4, atol=1e-5)
    p = guide.namespace["p"]
    assert p.shape == (lm.config.vocab,)
    assert p.sum() == pytest.approx(1, abs=1e-5)
    assert np.ptp(expected) > 0.1  # else anything would agree


def test_the_tensors_follow_each_other_in_the_order_of_the_table():
    table = re.findall(r"^\| `([\w.]+)`", PROSE, re.MULTILINE)
    start = table.index("embeddings")
    layout = Layout(ModelConfig(vocab=10, hidden=(4, 3)))
    names = [name for name in layout.tensors if name != "hidden.2.bias"]
    assert table[start : start + len(names)] == names
    assert layout.tensors["hidden.1.weight"].shape == (layout.config.input_width, 4)


def test_the_shell_lines_print_what_they_promise(guide):
    evaluations = [line for line in guide.printed if line.startswith("fastlm eval ")]
    (as_json,) = (line for line in evaluations if "--json" in line)
    figures = json.loads(guide.printed[as_json])
    assert figures["chars"] == 200
    for key in figures:
        assert re.search(rf"\*\*{key}\*\*|\b{key}\b", PROSE), f"the guide does not explain {key}"
    generated = [line for line in guide.printed if line.startswith("fastlm generate ")]
    from_file = next(line for line in generated if "--config" in line)
    assert guide.printed[from_file].startswith("The ")
    generated.remove(from_file)
    assert guide.printed[generated[0]].startswith("The ")
    assert len(guide.printed[generated[0]]) == len("The ") + 80 + len("\n")
    assert guide.printed[generated[1]].count("\n") == 5
    several = [json.loads(line) for line in guide.printed[generated[2]].splitlines()]
    assert [set(line) for line in several] == [{"sample", "seed", "prompt", "text"}] * 3
    assert not any("." in line["text"] for line in several)


def test_the_odd_lines_of_the_log_are_found_as_well_as_it_says(guide):
    (line,) = (line for line in guide.printed if "--alert 99.9" in line)
    alerts = [row.split("\t")[2] for row in guide.printed[line].splitlines()]
    log = (guide.folder / "app.log").read_text(encoding="utf-8").splitlines()
    odd = {text for text, is_odd in zip(log, guide.namespace["odd"], strict=True) if is_odd}
    precision = sum(text in odd for text in alerts) / len(alerts)
    recall = sum(text in odd for text in log if text in alerts) / sum(text in odd for text in log)
    said = re.search(r"Of these, ([\d.]+) were odd \(precision\), and ([\d.]+) of", PROSE)
    assert precision == pytest.approx(float(said[1]), abs=0.06)
    assert recall == pytest.approx(float(said[2]), abs=0.01)


def test_the_passage_that_a_sample_has_from_the_corpus_is_found(guide):
    (line,) = (line for line in guide.printed if "--file sample.txt" in line)
    assert "'he dog sat on the log, and th' (29 characters" in guide.printed[line]
    assert guide.printed[line].startswith("copied      59.2% of 49 characters")
    assert (guide.folder / "surprise.svg").read_text(encoding="utf-8").startswith("<svg")
    assert (guide.folder / "surprise.html").exists()


def test_the_callback_writes_every_validation(guide):
    with (guide.folder / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    result = guide.namespace["logged"].result
    assert len(rows) >= 3
    assert int(rows[-1]["step"]) == result.step
    best = min(rows, key=lambda row: float(row["loss"]))
    assert float(best["loss"]) == result.best.loss
    assert best["best"] == "True"


def test_the_callback_that_stops_the_trainer_does(guide):
    result = guide.namespace["result"]
    assert result.reason == "good enough"
    assert result.epoch < 3
    assert guide.namespace["best"].perplexity(TEXT) < 20


def test_the_memory_formula_is_what_the_engine_takes():
    model = ModelConfig(vocab=100)
    training = TrainingConfig()
    tokens = np.arange(1000) % 100  # all of them in the table
    params = np.zeros(Layout(model).size, dtype=np.float32)
    engine = TrainingEngine(model, training, tokens, params)
    scratch = engine.scratch
    own = [value for value in scratch if value is not scratch.token_table]
    taken = sum(array.nbytes for array in (*engine.state, *own, *scratch.token_table))
    fixed = engine.state.rates.nbytes + engine.scratch.tile_losses.nbytes
    fixed += engine.scratch.cluster_starts.nbytes
    assert fixed < 4096
    (said,) = re.findall(r"8 \* \(V \+ W\)\)  # -> (\d+)", GUIDE)
    assert taken - fixed == int(said)


def test_the_defaults_and_limits_that_the_text_names():
    training = TrainingConfig()
    assert (training.batch, training.momentum, training.base_lr) == (256, 0.9, 4.0)
    assert (training.schedule, training.dropout, training.embed_dropout) == ("linear", 0, 0)
    model = ModelConfig(vocab=100)
    assert (model.context, model.embed, model.hidden) == (8, 24, (256, 128))


def test_the_table_of_presets():
    (head,) = re.findall(r"^\| \| `tiny`.*\n(?:\|.*\n)+", GUIDE, re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in head.splitlines()]
    table = {row[0]: row[1:] for row in cells}
    for column, name in enumerate(("tiny", "mini")):
        preset = PRESETS[name]
        model, training = preset.model, preset.training
        said = table["context, embedding"][column]
        assert said == f"{model['context']}, {model['embed']}"
        said = table["batch, lr, momentum"][column]
        assert said == f"{training['batch']}, {training['lr']}, {training['momentum']:g}"
        order = "shuffled" if training["shuffle"] else "in the order of the text"
        said = table["schedule, epochs"][column]
        assert said == f"{training['schedule']}, {training['epochs']}, {order}"
        hidden = ", ".join(map(str, model["hidden"])) or "none"
        biases = "" if model["bias"] else ", no biases"
        assert table["combine, hidden"][column] == f"{model['combine']}, {hidden}{biases}"
        assert (preset.valid, table["validation"][column]) == (0, "none")


def test_every_option_that_the_text_names_exists():
    group = typer.main.get_command(app)
    commands = [group, *group.commands.values()]  # type: ignore[attr-defined]
    options = {name for command in commands for param in command.params for name in param.opts}
    named = {name for code in INLINE_CODE for name in re.findall(r"(?<!\w)--[a-z-]+", code)}
    assert named
    assert named <= options


def test_every_file_and_name_that_the_text_names_exists():
    files = {code for code in INLINE_CODE if re.fullmatch(r"(?:fastlm|kernels)/[\w/.]+", code)}
    assert len(files) >= 4
    for file in files:
        assert (ROOT / file).exists(), file
    names = {name for code in INLINE_CODE for name in re.findall(r"\bfastlm(?:\.\w+)+", code)}
    assert len(names) >= 3
    for name in names:
        resolve(name)


def resolve(name: str) -> Any:
    """The module or object of a dotted name."""
    parent, _, last = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(parent), last)


def test_names_and_hypotheses_that_the_guide_makes(guide):
    known = set((guide.folder / "words.txt").read_text(encoding="utf-8").split())
    (names,) = (line for line in guide.printed if "--new" in line)
    found = guide.printed[names].split()
    assert found == guide.namespace["found"]
    assert len(known) > 1000
    assert not known & set(found)
    assert all(name.startswith("re") and 5 <= len(name) <= 9 for name in found)
    rescored = [guide.printed[line] for line in guide.printed if "rescore" in line]
    assert [row.split("\t")[0] for row in rescored[0].splitlines()] == ["a", "a", "b", "b"]
    assert rescored[1] == "a\t-2\tThe cat sat.\nb\t-3\tThe dog.\n"
    assert rescored[2] == "a The cat sat.\n"
