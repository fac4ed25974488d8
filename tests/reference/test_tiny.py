"""Tiny: its worked facts, its gradients, what it learns, and what bad input gets."""

from __future__ import annotations

import ast
import copy
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.reference import tiny

V, E, C = 27, 32, 5
LOSS_LINE = re.compile(r"Epoch \d+/\d+, Average Loss: \d+\.\d{4}")


@pytest.fixture
def weights() -> tiny.Weights:
    return tiny.initialize_weights(V, E)


def total(weights: tiny.Weights) -> float:
    return sum(x for matrix in weights.values() for row in matrix for x in row)


# --- text and ids ---


def test_hello_has_the_ids_of_the_description():
    assert tiny.encode("hello") == [8, 5, 12, 12, 15]
    assert tiny.encode(" az") == [0, 1, 26]


def test_upper_case_is_lower_case_and_everything_else_a_space():
    assert tiny.encode("Hello") == tiny.encode("hello")
    assert tiny.encode("a1,\né\tb") == [1, 0, 0, 0, 0, 0, 2]


@given(st.text(alphabet=tiny.VOCABULARY))
@settings(deadline=None)
def test_decode_undoes_encode(text):
    assert tiny.decode(tiny.encode(text)) == text


@given(st.text())
@settings(deadline=None)
def test_any_text_gives_ids_of_the_vocabulary(text):
    ids = tiny.encode(text)
    assert len(ids) == len(text.lower())
    assert all(0 <= i < V for i in ids)


@pytest.mark.parametrize("bad", [-1, 27])
def test_decode_refuses_an_id_outside_the_alphabet(bad):
    with pytest.raises(ValueError, match=rf"id {bad} is outside 0\.\.26"):
        tiny.decode([1, bad])


def test_the_cat_gives_two_examples():
    examples = tiny.create_training_data("the cat", 5)
    assert [(tiny.decode(context), tiny.decode([target])) for context, target in examples] == [
        ("the c", "a"),
        ("he ca", "t"),
    ]


@pytest.mark.parametrize(("text", "count"), [("", 0), ("abcde", 0), ("abcdef", 1), ("abcdefg", 2)])
def test_number_of_examples(text, count):
    assert len(tiny.create_training_data(text, 5)) == count


def test_a_context_has_at_least_one_character():
    with pytest.raises(ValueError, match="context_length is 0"):
        tiny.create_training_data("the cat", 0)


# --- weights ---


def test_weights_have_the_described_shapes_and_1728_parameters(weights):
    assert set(weights) == {"embeddings", "output"}
    assert [len(row) for row in weights["embeddings"]] == [E] * V
    assert [len(row) for row in weights["output"]] == [V] * E
    assert tiny.count_parameters(weights) == 1728


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    assert tiny.initialize_weights(V, E, 3) == tiny.initialize_weights(V, E, 3)
    assert tiny.initialize_weights(V, E, 3) != tiny.initialize_weights(V, E, 4)


def test_the_founding_names_are_other_names_of_the_same_things(weights):
    assert weights["W_output"] is weights["output"]
    other = [[0.0] * V for _ in range(E)]
    weights["W_output"] = other
    assert weights["output"] is other
    assert set(weights) == {"embeddings", "output"}
    assert copy.deepcopy(weights)["W_output"] == other
    with pytest.raises(KeyError, match="no weights 'W1'; there are embeddings, output"):
        weights["W1"]
    assert tiny.vocab == tiny.VOCABULARY
    assert [tiny.char_to_idx[character] for character in "hello"] == tiny.encode("hello")


# --- side by side ---


def test_side_by_side_has_5184_parameters_and_the_same_first_embeddings(weights):
    concat = tiny.initialize_weights(V, E, concat=C)
    assert tiny.count_parameters(concat) == 5184
    assert concat["embeddings"] == weights["embeddings"]
    assert len(concat["output"]) == C * E


def test_side_by_side_keeps_the_order():
    concat = tiny.initialize_weights(V, E, concat=C)
    ids = tiny.encode("the c")
    expected = [number for i in ids for number in concat["embeddings"][i]]
    assert tiny.context_vector(ids, concat) == expected
    assert tiny.forward_pass("the c", concat) != pytest.approx(tiny.forward_pass("c hte", concat))


def test_side_by_side_needs_a_whole_context():
    concat = tiny.initialize_weights(V, 4, concat=C)
    with pytest.raises(ValueError, match="has 3 characters, but these weights lay 5 embeddings"):
        tiny.forward_pass("the", concat)
    # A shorter seed is filled up with spaces.
    assert tiny.generate_text("t", concat, 3)[1:] == tiny.generate_text("    t", concat, 3)[5:]


def test_side_by_side_takes_the_gradient_of_finite_differences():
    context, target, step = [20, 8, 20, 0, 3], 12, 1e-6
    before = tiny.initialize_weights(V, 3, random_seed=1, concat=C)
    after = copy.deepcopy(before)
    tiny.backward_pass(context, target, after, learning_rate=1.0)
    probe = copy.deepcopy(before)
    for name, matrix in probe.items():
        for r, row in enumerate(matrix):
            for c in range(len(row)):
                losses = []
                for sign in (1, -1):
                    row[c] = before[name][r][c] + sign * step
                    probabilities = tiny.forward_pass(context, probe)
                    losses.append(tiny.cross_entropy_loss(probabilities, target))
                row[c] = before[name][r][c]
                numeric = (losses[0] - losses[1]) / (2 * step)
                analytic = before[name][r][c] - after[name][r][c]
                assert analytic == pytest.approx(numeric, rel=1e-6, abs=1e-9), (name, r, c)


def test_confused_contexts_are_found_by_their_characters():
    assert tiny.confused_contexts("the cat sat on the mat ", 5) == [("t on ", "t"), (" on t", "h")]
    assert tiny.confused_contexts("abc abc abc abc", 3) == []


@pytest.mark.parametrize("context", [3, 8])
def test_another_context_length(context, capsys):
    weights = tiny.initialize_weights(V, 4)
    losses = tiny.train("the cat sat on", weights, 2, context_length=context, print_every=1)
    assert len(losses) == 2
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert len(tiny.generate_text("the cat sat", weights, 2, context_length=context)) == 13


# --- softmax and loss ---


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=40))
@settings(deadline=None)
def test_softmax_is_a_distribution_for_any_scores_up_to_1e4(scores):
    probabilities = tiny.softmax(scores)
    assert all(0.0 <= p <= 1.0 for p in probabilities)
    assert math.isclose(sum(probabilities), 1.0, rel_tol=1e-12)


def test_softmax_of_known_scores():
    assert tiny.softmax([0.0, math.log(3.0)]) == pytest.approx([0.25, 0.75], rel=1e-14)
    assert tiny.softmax([1e4, -1e4]) == [1.0, 0.0]


def test_worked_losses():
    assert round(tiny.cross_entropy_loss([0.30, 0.70], 1), 3) == 0.357
    assert round(tiny.cross_entropy_loss([0.05, 0.95], 0), 3) == 2.996


def test_a_probability_of_zero_has_a_large_finite_loss():
    loss = tiny.cross_entropy_loss([0.0, 1.0], 0)
    assert math.isfinite(loss)
    assert loss > 100


def test_the_floor_does_not_hide_a_probability_that_is_not_a_number():
    assert math.isnan(tiny.cross_entropy_loss([math.nan, 1.0], 0))


# --- forward and backward ---


def test_forward_pass_is_softmax_of_the_mean_embedding_times_the_output_matrix(weights):
    ids = [20, 8, 5, 0, 5]
    scores = []
    for v in range(V):
        score = 0.0
        for e in range(E):
            mean = sum(weights["embeddings"][i][e] for i in ids) / C
            score += mean * weights["output"][e][v]
        scores.append(score)
    normalizer = sum(math.exp(score) for score in scores)
    expected = [math.exp(score) / normalizer for score in scores]
    assert tiny.forward_pass(ids, weights) == pytest.approx(expected, rel=1e-12)


def test_forward_pass_takes_text_or_ids_and_forgets_their_order(weights):
    from_text = tiny.forward_pass("the c", weights)
    assert from_text == tiny.forward_pass(tiny.encode("the c"), weights)
    assert from_text == pytest.approx(tiny.forward_pass("c hte", weights), rel=1e-12)


@pytest.mark.parametrize(
    "context",
    [[20, 8, 5, 0, 3], [12, 12, 15, 12, 15], [1, 1, 1, 1, 1], [7, 7]],
    ids=["all differ", "letters repeat", "one letter", "short"],
)
def test_backward_pass_takes_the_gradient_of_finite_differences(context):
    vocab_size, target, step = 27, 12, 1e-6
    before = tiny.initialize_weights(vocab_size, 4, random_seed=1)
    after = copy.deepcopy(before)
    loss = tiny.backward_pass(context, target, after, learning_rate=1.0)
    assert loss == tiny.cross_entropy_loss(tiny.forward_pass(context, before), target)

    probe = copy.deepcopy(before)
    for name, matrix in probe.items():
        for r, row in enumerate(matrix):
            for c in range(len(row)):
                losses = []
                for sign in (1, -1):
                    row[c] = before[name][r][c] + sign * step
                    losses.append(
                        tiny.cross_entropy_loss(tiny.forward_pass(context, probe), target)
                    )
                row[c] = before[name][r][c]
                numeric = (losses[0] - losses[1]) / (2 * step)
                # With a learning rate of 1 the change of a weight is its gradient.
                analytic = before[name][r][c] - after[name][r][c]
                assert analytic == pytest.approx(numeric, rel=1e-6, abs=1e-9), (name, r, c)


def test_the_change_is_proportional_to_the_learning_rate(weights):
    moved = {}
    for rate in (0.05, 0.1):
        trained = copy.deepcopy(weights)
        tiny.backward_pass([20, 8, 5, 0, 3], 1, trained, rate)
        moved[rate] = trained["output"][0][1] - weights["output"][0][1]
    assert moved[0.1] == pytest.approx(2 * moved[0.05], rel=1e-9)


@pytest.mark.parametrize("bad", [-1, 27])
def test_backward_pass_refuses_ids_outside_the_vocabulary_and_changes_nothing(weights, bad):
    before = copy.deepcopy(weights)
    with pytest.raises(ValueError, match=f"id {bad} is outside"):
        tiny.backward_pass([1, 2, 3, 4, bad], 0, weights, 0.05)
    with pytest.raises(ValueError, match=f"id {bad} is outside"):
        tiny.backward_pass([1, 2, 3, 4, 5], bad, weights, 0.05)
    assert weights == before


def test_forward_pass_refuses_an_empty_context(weights):
    with pytest.raises(ValueError, match="context is empty"):
        tiny.forward_pass("", weights)


# --- training and writing ---


def test_learns_the_cat_sat_on_the_mat(weights, capsys):
    # Measured: the average loss falls from 3.144 in the first epoch to 0.179 in the hundredth.
    losses = tiny.train("the cat sat on the mat " * 4, weights, epochs=100, learning_rate=0.05)
    assert len(losses) == 100
    assert losses[0] == pytest.approx(3.144, abs=5e-4)
    assert losses[-1] == pytest.approx(0.179, abs=5e-4)

    assert tiny.generate_text("sat o", weights, 1) == "sat on"
    assert tiny.generate_text("the c", weights, 9) == "the cat sat on"

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0] == f"Epoch 10/100, Average Loss: {losses[9]:.4f}"
    assert lines[-1] == f"Epoch 100/100, Average Loss: {losses[99]:.4f}"


def test_training_is_example_by_example_in_the_order_of_the_text(weights, capsys):
    expected = copy.deepcopy(weights)
    losses = []
    for _ in range(2):
        for context, target in tiny.create_training_data("the cat sat", 5):
            losses.append(tiny.backward_pass(context, target, expected, 0.1))
    history = tiny.train("the cat sat", weights, epochs=2, learning_rate=0.1)
    assert weights == expected
    assert history == pytest.approx([sum(losses[:6]) / 6, sum(losses[6:]) / 6], rel=1e-12)
    assert capsys.readouterr().out == ""


def test_training_does_not_touch_the_global_random_numbers(weights):
    state = random.getstate()
    tiny.train("the cat", tiny.initialize_weights(V, E), epochs=1)
    assert random.getstate() == state


def test_generate_text_is_greedy_from_the_last_five_characters(weights):
    text = tiny.generate_text("a much longer seed", weights, 3)
    assert text.startswith("a much longer seed")
    assert len(text) == len("a much longer seed") + 3
    probabilities = tiny.forward_pass(text[-6:-1], weights)
    assert text[-1] == tiny.decode([max(range(V), key=probabilities.__getitem__)])
    assert tiny.generate_text(" seed", weights, 3) == text[-8:]


def test_generate_text_works_from_a_seed_shorter_than_the_context(weights):
    before = total(weights)
    assert len(tiny.generate_text("t", weights, 7)) == 8
    assert tiny.generate_text("t", weights, 0) == "t"
    assert total(weights) == before


def test_errors_say_what_to_do(weights):
    with pytest.raises(ValueError, match="seed is empty: give at least 1 character"):
        tiny.generate_text("", weights, 5)
    with pytest.raises(ValueError, match="length is -1"):
        tiny.generate_text("the c", weights, -1)
    with pytest.raises(ValueError, match=r"has 5 characters.* need 6: give a longer text"):
        tiny.train("the c", weights)
    with pytest.raises(ValueError, match="has 0 characters"):
        tiny.train("", weights)


# --- the file itself ---


def test_imports_only_math_and_random():
    tree = ast.parse(Path(tiny.__file__).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add("." * node.level + (node.module or ""))
    # sys only where the file is run as a program, for its argument.
    assert imported == {"math", "random", "sys"}
    assert "sys" not in vars(tiny)


@pytest.mark.thorough
def test_runs_as_a_program():
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "fastlm.reference.tiny"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    losses = [line for line in run.stdout.splitlines() if line.startswith("Epoch")]
    assert len(losses) == 10
    assert all(LOSS_LINE.fullmatch(line) for line in losses)
    # The mean goes wrong, the output says why, and side by side it comes out right.
    assert "'the c' continues: 'the cat sat on hte ma t'" in run.stdout
    assert "'sat o' continues: 'sat on " in run.stdout
    assert 'Why "hte"?' in run.stdout
    assert "After 't on ' comes 't', after ' on t' comes 'h'." in run.stdout
    assert "Training 5,184 parameters" in run.stdout
    assert "'the c' continues: 'the cat sat on the mat '" in run.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["tiny", "mini"])
def test_it_learns_a_file(name, tmp_path):
    (tmp_path / "poem.txt").write_text("Row, row, row your boat,\ngently down the stream.\n" * 2)
    done = run_reference(name, tmp_path / "poem.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert "poem.txt" in done.stdout.splitlines()[0]
    assert ("row your boat" if name == "tiny" else "row , row , row your") in done.stdout


@pytest.mark.parametrize("name", ["tiny", "mini"])
def test_what_is_no_text_is_refused_in_a_line(name, tmp_path):
    (tmp_path / "short.txt").write_text("cat")
    (tmp_path / "bytes.bin").write_bytes(b"\xff\xfe\x00" * 9)
    for file, message in [
        ("none.txt", "cannot read"),
        ("bytes.bin", "cannot read"),
        ("short.txt", "give a text of"),
    ]:
        done = run_reference(name, tmp_path / file)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert "usage" in run_reference(name, "a.txt", "b.txt").stderr


def run_reference(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"fastlm.reference.{name}", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_example_may_be_text_or_ids():
    by_text, by_ids = tiny.initialize_weights(27, 4), tiny.initialize_weights(27, 4)
    first = tiny.backward_pass("the c", "a", by_text, 0.05)
    assert first == tiny.backward_pass(tiny.encode("the c"), 1, by_ids, 0.05)
    assert by_text == by_ids


def test_training_that_diverges_says_so():
    with pytest.raises(ValueError, match=r"is nan: a learning rate of 1e\+300"):
        tiny.train("the cat sat", tiny.initialize_weights(27, 4), 3, 1e300)
