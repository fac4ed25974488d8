"""Programs as people write them who have seen the README alone.

Each does what its writer meant, or says in one line what to type. The first sixteen are those of a
trial with new users (p01 to p16).
"""

from __future__ import annotations

import copy
import io
import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import fastlm

NAMES = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "amelia", "harper", "evelyn"]
CORPUS = "".join(f"line {n} says that the cat sat on mat {n % 7}.\n" for n in range(300))
OTHER = "".join(f"line {n} says that the dog lay on mat {n % 5}.\n" for n in range(60))
SMALL = {"context": 4, "embed": 6, "hidden": 12, "threads": 1}


@pytest.fixture(scope="module")
def lm():
    return fastlm.train(CORPUS, steps=300, batch=32, documents="lines", **SMALL)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text(CORPUS)
    Path("other.txt").write_text(OTHER)


def said(error: pytest.ExceptionInfo) -> str:
    """What an error tells: one line that a person reads."""
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 200
    return text


JUNK = ["%%% @@@ ### !!!", "xq zj vw kk"]


class Column:
    """A column of a table: an iterable that is no list."""

    def __init__(self, values):
        self._values = list(values)

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)


class Table(dict):
    """A table: iterating gives the names of its columns."""

    columns = ("text",)


def test_p01_filter_a_column_by_quantile(lm):
    texts = Column(OTHER.splitlines() + JUNK)
    perplexities = np.array([score.perplexity for score in lm.score(texts)])
    kept = perplexities <= np.quantile(perplexities, 0.9)
    assert not kept[-2:].any()


def test_p02_one_text_or_several_everywhere(lm):
    text, several = "line 3 says", ["line 3 says", "line 4 says"]
    assert isinstance(lm.perplexity(text), float)
    assert lm.perplexity(several).shape == (2,)
    assert lm.perplexity(Column(several)).tolist() == lm.perplexity(several).tolist()
    assert [score.perplexity for score in lm.score(text)] == pytest.approx([lm.perplexity(text)])
    assert len(lm.score_arrays(Column(several))) == 2
    assert lm.evaluate(several).tokens == sum(score.tokens for score in lm.score(several))


def test_p03_scores_as_a_table(lm):
    arrays = lm.score_arrays(["line 3 says", "line 4 says"])
    assert len(arrays) == 2
    assert [row["perplexity"] for row in arrays] == arrays.perplexity.tolist()
    assert set(arrays.to_dict()) >= {"log_prob", "tokens", "perplexity", "bits_per_char"}
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(arrays).shape == arrays.to_pandas().shape == (2, 10)


def test_p04_a_callback_that_prints_validations(capsys):
    class Print(fastlm.Callback):
        def on_validation(self, validation):
            print(f"{validation.step}: {validation.perplexity:.2f}")

    lm = fastlm.train("corpus.txt", steps=30, valid=0.2, callbacks=Print(), **SMALL)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"{one.step}: {one.perplexity:.2f}" for one in lm.history]
    assert printed


def test_p05_samples_while_training(capsys):
    class Sample(fastlm.Callback):
        def on_validation(self, validation):
            print(self.model.generate("line ", length=10, seed=1))

    fastlm.train("corpus.txt", steps=30, valid=0.2, callbacks=[Sample()], **SMALL)
    assert capsys.readouterr().out.startswith("line ")
    samples = fastlm.SampleEvery(epochs=1, prompt="line ", length=10)
    fastlm.train("corpus.txt", epochs=2, callbacks=samples, **SMALL)
    assert samples.samples


def test_p06_metrics_as_json_lines():
    fastlm.train("corpus.txt", steps=30, valid=0.2, metrics="m.jsonl", **SMALL)
    rows = [json.loads(line) for line in Path("m.jsonl").read_text().splitlines()]
    assert {"event", "step", "seconds", "loss"} <= set(rows[-1])


def test_p07_a_list_of_names():
    with pytest.raises(fastlm.FastlmError) as error:
        fastlm.train(NAMES)
    assert said(error).endswith("if they are texts, give them as texts=[...]")
    lm = fastlm.train(texts=NAMES * 20, steps=60, **SMALL)
    made = lm.sample(20, seed=1)
    assert all(0 < len(name) < 100 for name in made)  # each ends where a name does


def test_p08_odd_lines_of_a_log(lm):
    odd = "line 7 says THAT <unkwn> 日本\r\n"
    scores = list(lm.score([*OTHER.splitlines(), odd], return_tokens=True))
    worst = max(scores, key=lambda score: score.perplexity)
    assert worst is scores[-1]
    at = int(np.argmin(worst.token_log_probs))
    start, stop = worst.token_offsets[at]
    assert odd[start:stop] in "THATunkw<>日本"
    assert ">日<" in worst.to_html(odd)


def test_p09_threads_and_streams(lm):
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda seed: lm.generate("line ", 30, seed=seed), [1, 2, 1, 2]))
    assert texts[:2] == texts[2:]
    assert "line " + "".join(lm.stream("line ", 30, seed=1)) == texts[0]


@pytest.mark.parametrize(
    ("settings", "meant"),
    [
        ({"verbose": True}, "progress"),
        ({"learning_rate": 0.1}, "lr"),
        ({"batch_size": 32}, "batch"),
        ({"max_steps": 10}, "steps"),
        ({"hiden": 64}, "hidden"),
    ],
)
def test_p10_natural_keywords(settings, meant):
    with pytest.raises(fastlm.ConfigError) as error:
        fastlm.train("corpus.txt", **settings)
    assert said(error).endswith(f"did you mean {meant!r}?")
    lm = fastlm.train("corpus.txt", hidden=7, steps=2, progress=False)
    assert lm.config.hidden == (7,)


def test_p11_save_load_pickle_and_wrong_types(lm):
    lm.save("m.safetensors")
    assert fastlm.load("m.safetensors").generate(seed=1) == lm.generate(seed=1)
    assert pickle.loads(pickle.dumps(lm)).generate("x", 50, seed=1) == lm.generate(
        "x", length=50, seed=1
    )
    for name, meant in (("max_tokens", "length"), ("n", "length"), ("topp", "top_p")):
        with pytest.raises(fastlm.ConfigError) as error:
            lm.generate("x", **{name: 5})
        assert said(error) == f"unknown setting {name!r}; did you mean {meant!r}?"
    with pytest.raises(fastlm.FastlmError) as error:
        lm.perplexity("")
    said(error)
    with pytest.raises(fastlm.TokenizerError) as error:
        lm.generate(5)
    assert said(error) == "the prompt is int, not str; give text"
    with pytest.raises(FileNotFoundError) as error:
        fastlm.load("missing.safetensors")
    said(error)
    with pytest.raises(fastlm.ModelFileError) as error:
        fastlm.load(CORPUS)
    said(error)


def test_p12_neighbours_and_symbols(lm):
    found = lm.neighbors("c", k=3)
    assert len(found) == 3
    assert all(-1 <= cosine <= 1 for _, cosine in found)
    assert "c" in lm.tokenizer.vocabulary.symbols
    with pytest.raises(fastlm.ConfigError) as error:
        lm.neighbors("cat")
    assert said(error).startswith("'cat' is not one token of the model")


def test_p13_silence_is_a_choice(capsys):
    fastlm.train("corpus.txt", steps=5, progress=True, **SMALL)
    assert "finished" in capsys.readouterr().err
    fastlm.train("corpus.txt", steps=5, progress=False, **SMALL)
    assert capsys.readouterr() == ("", "")


def test_p14_a_generator_of_rows():
    rows = (f"customer {1000 + n} bought {n % 9} apples" for n in range(200))
    lm = fastlm.train(rows, steps=120, **SMALL)
    assert len(lm.generate(length=500, seed=1)) < 200  # a row ends where rows do
    rows = (f"customer {n}" for n in range(200))
    assert fastlm.train(texts=rows, steps=2, **SMALL).seen.ends


def test_p15_configurations():
    config = fastlm.Config(
        model=fastlm.ModelConfig(vocab=50, hidden=64), training=fastlm.TrainingConfig(lr=0.5)
    )
    assert config.model.hidden == (64,)
    with pytest.raises(fastlm.ConfigError) as error:
        fastlm.TrainingConfig(lr=-1)
    assert said(error) == "lr is -1; give a number above 0"


def test_p16_validation_text_in_memory():
    lm = fastlm.train(texts=NAMES * 20, valid=["adison", "emily"], steps=20, **SMALL)
    assert lm.result.best is not None
    again = fastlm.train(texts=NAMES * 20, valid_texts=["adison", "emily"], steps=20, **SMALL)
    assert again.history[-1].loss == lm.history[-1].loss


# ---------------------------------------------------------------------------- ten more


def test_p17_text_from_an_open_file():
    with open("corpus.txt") as file:
        text = file.read()
    read = [fastlm.train(source, steps=5, **SMALL) for source in (text, Path("corpus.txt"))]
    np.testing.assert_array_equal(read[0].params, read[1].params)
    with open("corpus.txt") as file:
        np.testing.assert_array_equal(fastlm.train(file, steps=5, **SMALL).params, read[0].params)
    np.testing.assert_array_equal(
        fastlm.train(io.StringIO(text), steps=5, **SMALL).params, read[0].params
    )


def test_p18_a_list_of_sentences():
    sentences = ["The cat sat on the mat.", "Why did the dog bark?", "It was late."] * 30
    lm = fastlm.train(sentences, steps=40, **SMALL)
    assert lm.generate("The", length=20, seed=1).startswith("The")


def test_p19_compare_two_models_on_a_file(lm):
    other = fastlm.train("other.txt", steps=300, batch=32, documents="lines", **SMALL)
    held_out = Path("other.txt")
    assert other.evaluate(held_out).perplexity < lm.evaluate(held_out).perplexity
    assert math.isclose(other.perplexity(held_out), other.evaluate(OTHER).perplexity)
    with pytest.raises(fastlm.TokenizerError) as error:
        lm.evaluate("other.txt")
    assert said(error).endswith("for what the file holds give Path('other.txt')")


def test_p20_a_function_that_collects_the_losses():
    losses = []
    fastlm.train("corpus.txt", steps=30, callbacks=lambda now: losses.append(now.loss), **SMALL)
    assert losses[-1] < losses[0] or len(losses) == 1


def test_p21_train_more_on_a_file_in_place(lm):
    model = copy.deepcopy(lm)
    with pytest.raises(fastlm.CorpusError) as error:
        model.train_more("other.txt")
    said(error)
    np.testing.assert_array_equal(model.params, lm.params)
    before = model.perplexity(OTHER)
    assert model.train_more(Path("other.txt"), epochs=3).perplexity(OTHER) < before


def test_p22_a_class_in_place_of_a_callback():
    with pytest.raises(fastlm.ConfigError) as error:
        fastlm.train("corpus.txt", callbacks=[fastlm.SampleEvery])
    assert said(error) == "the callback SampleEvery is a class; give SampleEvery()"


def test_p23_the_course_of_a_run_in_a_spreadsheet():
    fastlm.train("corpus.txt", steps=30, valid=0.2, callbacks=fastlm.CSVLogger("r.csv"), **SMALL)
    head, *rows = Path("r.csv").read_text().splitlines()
    assert head.startswith("step,epoch,seconds,loss")
    assert rows[-1].startswith("30,")


def test_p24_prepare_then_train_and_evaluate():
    store = fastlm.prepare("corpus.txt", "c.tokens", tokenizer="word", documents="lines")
    lm = fastlm.train("c.tokens", steps=30, **SMALL)
    assert lm.evaluate(store) == lm.evaluate(Path("c.tokens"))
    with pytest.raises(fastlm.ConfigError) as error:
        fastlm.prepare("corpus.txt", "d.tokens", tokenzier="word")
    assert said(error) == "unknown setting 'tokenzier'; did you mean 'tokenizer'?"


def test_p25_errors_by_their_kind():
    for wrong, kind in (
        (lambda: fastlm.train("missing.txt"), FileNotFoundError),
        (lambda: fastlm.train(Path("missing.txt")), fastlm.CorpusError),
        (lambda: fastlm.train("the cat sat on the mat"), fastlm.CorpusError),
        (lambda: fastlm.train("corpus.txt", epochs="many"), ValueError),
        (lambda: fastlm.train("corpus.txt", tokenizer="words"), fastlm.FastlmError),
        (lambda: fastlm.train("corpus.txt", valid="missing.txt"), FileNotFoundError),
        (lambda: fastlm.train(3), fastlm.CorpusError),
        (lambda: fastlm.train(b"bytes"), fastlm.CorpusError),
        (lambda: fastlm.train([]), fastlm.CorpusError),
        (lambda: fastlm.train(""), fastlm.CorpusError),
        (lambda: fastlm.train({"text": [CORPUS]}), fastlm.CorpusError),
        (lambda: fastlm.train(Table({"text": [CORPUS]})), fastlm.CorpusError),
        (lambda: fastlm.train(texts=[1, 2]), fastlm.CorpusError),
        (lambda: fastlm.train("corpus.txt", progress="yes"), fastlm.ConfigError),
    ):
        with pytest.raises(kind) as error:
            wrong()
        said(error)


def test_p26_what_a_model_and_its_results_look_like(lm):
    assert "validation perplexity" in repr(lm)
    assert repr(lm.evaluate("line 3")).startswith("Evaluation(perplexity=")
    (score,) = lm.score("line 3")
    assert repr(score).startswith("Score(perplexity=")
    for shown in (lm, lm.result, score, lm.evaluate("line 3"), lm.score_arrays(["line 3"])):
        assert "<table" in shown._repr_html_()
