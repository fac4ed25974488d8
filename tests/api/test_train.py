"""``fastlm.train``: from text to a model in one call."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from numba import config as numba_config

import fastlm
import fastlm.api.export
import fastlm.engine.training
from fastlm.callbacks import Callback
from fastlm.errors import ConfigError, CorpusError, FastlmError, TrainingError, TrainingWarning
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, build_tokenizer

NO_JIT = bool(numba_config.DISABLE_JIT)

SMALL = {"context": 3, "embed": 4, "hidden": (8,), "batch": 8, "steps": 5}
LINES = [f"line {number} says that {number * number} is a square" for number in range(60)]
TEXT = "\n".join(LINES)


def small(**settings):
    return fastlm.train(**{"texts": [TEXT], "valid": 0} | SMALL | settings)


def test_a_model_comes_out():
    lm = small()
    assert lm.config.hidden == (8,)
    assert lm.training.steps == 5
    assert lm.result.reason == "finished"
    assert lm.result.step == 5
    assert lm.result.best is None
    assert lm.details["step"] == 5
    assert lm.details["train_loss"] == lm.result.train_loss
    assert len(lm.generate("line", length=10, seed=1)) == 14


def test_the_same_call_gives_the_same_model():
    first, same, other = small(), small(), small(seed=1)
    assert first.params.tobytes() == same.params.tobytes()
    assert first.params.tobytes() != other.params.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(threads):
    assert small(threads=threads).params.tobytes() == small().params.tobytes()


def test_a_file_gives_the_same_model_as_its_text(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8", newline="")
    from_file = fastlm.train(tmp_path / "corpus.txt", valid=0, **SMALL)
    assert from_file.params.tobytes() == small().params.tobytes()
    assert from_file.details["corpus_fingerprint"] == small().details["corpus_fingerprint"]


def test_the_tokens_are_counted_once(monkeypatch):
    calls = []
    count = fastlm.engine.tokens.token_counts
    for module in ("api.run", "training.first_weights"):
        monkeypatch.setattr(
            f"fastlm.{module}.token_counts", lambda *given: (calls.append(given), count(*given))[1]
        )
    small()
    assert len(calls) == 1


@pytest.mark.skipif(NO_JIT, reason="takes minutes without compiled kernels")
def test_it_learns():
    lm = fastlm.train(texts=[TEXT], valid=0, context=6, embed=8, hidden=(32,), epochs=30, batch=32)
    assert lm.perplexity(TEXT) < 2.5
    assert lm.generate("line 12 says ", length=20, greedy=True).startswith("line 12 says that ")


# ---------------------------------------------------------------------------- validation


def test_a_fraction_is_held_out_from_the_end():
    lm = small(valid=0.25, counts="none")
    assert lm.result.best is not None
    assert lm.details["valid_loss"] == lm.result.best.loss
    assert "0.25" in lm.corpus_description


def test_a_file_to_validate_on(tmp_path):
    (tmp_path / "valid.txt").write_text("line 7 says that", encoding="utf-8")
    lm = small(valid=tmp_path / "valid.txt", counts="none")
    assert lm.result.best.loss == pytest.approx(
        lm.evaluate("line 7 says that").nats_per_token, rel=1e-6
    )


def test_a_short_text_is_not_split_by_default():
    lm = fastlm.train(texts=["too short to hold out a part"], **SMALL)
    assert lm.result.best is None
    assert "too short" in lm.corpus_description


def test_a_long_text_is_split_by_default():
    assert fastlm.train(texts=[TEXT * 20], **SMALL).result.best is not None


def test_too_little_to_validate_on(tmp_path):
    """Without a boundary token the first positions cannot be predicted."""
    (tmp_path / "valid.txt").write_text("cat", encoding="utf-8")
    plain = build_tokenizer("word", [TEXT], boundary=False)
    with pytest.raises(CorpusError, match="the validation text has 1 tokens, but a context of 5"):
        small(valid=tmp_path / "valid.txt", context=5, tokenizer=plain)
    assert small(valid=tmp_path / "valid.txt", context=5).result.best is not None


def test_where_nobody_asked_for_validation_there_is_none_of_too_few_tokens():
    texts = [" ".join(letter * 300 for letter in "abcdefghij" * 10)]
    settings = {"texts": texts, "context": 64, "steps": 2}
    starts = []

    class Listener(Callback):
        def on_start(self, start):
            starts.append(start)

    plain = build_tokenizer("word", texts, boundary=False)
    lm = small(**settings, tokenizer=plain, valid=None, callbacks=[Listener()])
    assert lm.result.best is None
    assert (starts[0].train_tokens, starts[0].valid_tokens) == (100, 0)
    assert "no validation: the text is too short" in starts[0].reasons[-1]
    lm = small(**settings, tokenizer="word", valid=None)
    assert lm.result.best is not None  # the boundary token makes every position predictable
    with pytest.raises(CorpusError, match="hold out more or none"):
        small(**settings, tokenizer=plain, valid=0.05)


@pytest.mark.parametrize("ends", [1, 3000])
def test_a_text_that_ends_in_line_ends_is_trained_on(ends):
    lm = small(texts=["the cat sat on a mat " * 700 + "\n" * ends], valid=None, steps=2)
    assert lm.result.step == 2


def test_a_text_shorter_than_the_context():
    lm = small(texts=["abcdefg abcdefg"], context=500, valid=0, steps=3)
    assert lm.result.step == 3
    lm.train_more(["gfedcba"], steps=2)


@pytest.mark.parametrize("fraction", [1.0, 1.5, -0.1, float("nan")])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(FastlmError, match=str(fraction)):
        small(valid=fraction)


# ---------------------------------------------------------------------------- settings


@pytest.mark.parametrize("kind", ["char", "word", "whitespace", "byte"])
def test_tokenizers(kind):
    lm = small(tokenizer=kind)
    assert lm.tokenizer.kind == kind
    assert lm.config.vocab == lm.tokenizer.vocab_size
    assert lm.config.boundary == lm.tokenizer.boundary_id


def test_a_tokenizer_of_ones_own():
    tokenizer = CharTokenizer.tiny()
    lm = small(tokenizer=tokenizer)
    assert lm.tokenizer is tokenizer
    assert small(tokenizer=ByteTokenizer()).tokenizer.kind == "byte"


def test_the_size_of_the_vocabulary():
    full = small(tokenizer="word")
    assert small(tokenizer="word", max_vocab=20).config.vocab <= 20
    assert small(tokenizer="word", min_count=2).config.vocab < full.config.vocab


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
def test_documents(documents):
    lm = small(documents=documents)
    assert lm.documents == documents


def test_none_stands_for_the_default():
    lm = fastlm.train(texts=[TEXT], valid=0, **SMALL | {"dropout": None, "lr": None})
    assert (lm.training.dropout, lm.training.lr) == (0.0, None)


def test_callbacks_are_told():
    said = []

    class Listener(Callback):
        def on_start(self, start):
            said.append(start.total_steps)

        def on_end(self, result):
            said.append(result.reason)

    small(callbacks=[Listener()])
    assert said == [5, "finished"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": 3}, "unknown setting 'widths'; see help"),
        ({"vocab_size": 30}, "unknown setting 'vocab_size'"),
        ({"boundary": 3}, "unknown setting 'boundary'"),
        ({"context": 0}, "context is 0"),
        ({"hidden": (-1,)}, "hidden is -1"),
        ({"dropout": 1.0}, r"dropout is 1\.0"),
        ({"epochs": 1}, "epochs and steps are both given"),
        ({"preset": "huge"}, "preset is 'huge'"),
        ({"tokenizer": "morse"}, "morse"),
        ({"documents": "chapters"}, "chapters"),
        ({"corpus": "somewhere.txt"}, "corpus and texts are both given"),
    ],
)
def test_bad_settings_are_one_clear_line(settings, message):
    with pytest.raises(FastlmError, match=message) as caught:
        small(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "message"),
    [([], "no text|empty|no "), ([""], "empty|no ")],
)
def test_bad_corpora_are_one_clear_line(texts, message):
    with pytest.raises((CorpusError, ConfigError), match=message) as caught:
        small(texts=texts)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CorpusError, match=r"nothing\.txt"):
        fastlm.train(tmp_path / "nothing.txt", **SMALL)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, with JIT off
@pytest.mark.filterwarnings("ignore::fastlm.errors.TrainingWarning")
def test_training_that_diverges():
    with pytest.raises(TrainingError, match=r"learning rate 1e\+08; start again with a smaller"):
        small(lr=1e8, steps=60)


# ---------------------------------------------------------------------------- stopping, going on


class Stop(Callback):
    def __init__(self, step):
        self.step = step

    def on_progress(self, progress):
        if progress.step >= self.step:
            raise KeyboardInterrupt


def stopped(path, step=2, **settings):
    """A run that died after the checkpoint of this step."""
    with pytest.raises(KeyboardInterrupt):
        small(
            checkpoint=path,
            checkpoint_every="1 step",
            callbacks=[Stop(step + 1)],
            steps=8,
            **settings,
        )


def test_a_run_that_died_goes_on(tmp_path):
    path = tmp_path / "c.safetensors"
    stopped(path, dropout=0.2, valid=0.2)
    lm = fastlm.train(texts=[TEXT], checkpoint=path, resume=True)
    whole = small(dropout=0.2, valid=0.2, steps=8)
    assert lm.params.tobytes() == whole.params.tobytes()
    assert lm.result.step == 8
    assert lm.details["history"][0]["valid_loss"] == whole.details["history"][0]["valid_loss"]


def test_a_corpus_of_files_is_found_again(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    stopped(path, texts=None, corpus="corpus.txt", tokenizer="word", documents="lines", valid=0.1)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    trainer = fastlm.Trainer.resume(path)
    assert trainer.fit().step == 8
    with pytest.warns(TrainingWarning, match="nothing is left to train"):
        lm = fastlm.train(checkpoint=path, resume=True)
    assert (lm.tokenizer.kind, lm.documents) == ("word", "lines")
    assert lm.params.tobytes() == trainer.params.tobytes()


def test_a_corpus_named_again_is_read_as_before(tmp_path):
    """What is not given stays: the encoding, the field, what is done about bad lines."""
    lines = "".join(f'{{"body": "café {number}"}}\n' for number in range(40)) + "oops\n"
    path = tmp_path / "a.txt"
    path.write_text(lines, encoding="latin-1")
    reading = {"encoding": "latin-1", "field": "body", "skip_bad": True}
    settings = {"checkpoint": tmp_path / "c.safetensors", "hidden": (8,)}
    whole = fastlm.train(path, **reading, **settings, steps=40, restart=True)
    fastlm.train(path, **reading, **settings, steps=20, overwrite=True)
    renamed = path.rename(tmp_path / "b.txt")
    more = fastlm.train(renamed, **settings, steps=40, resume=True)
    assert more.result.step == whole.result.step == 40
    assert more.details["corpus"].startswith("b.txt (310 bytes); 1 line was left out, too short")


def test_texts_have_to_be_given_again(tmp_path):
    path = tmp_path / "c.safetensors"
    stopped(path)
    for resume in (fastlm.Trainer.resume, lambda path: fastlm.train(checkpoint=path, resume=True)):
        with pytest.raises(ConfigError, match=r"does not say where its corpus text is \(texts"):
            resume(path)


def test_a_run_that_can_go_on_is_not_overwritten(tmp_path):
    path = tmp_path / "c.safetensors"
    stopped(path)
    with pytest.raises(ConfigError, match="restart=True"):
        small(checkpoint=path)
    assert small(checkpoint=path, restart=True).result.checkpoint == str(path)
    small(checkpoint=path)  # a run that has ended may be


def test_from_a_model(tmp_path):
    first = small(tokenizer="word", steps=20)
    first.save(tmp_path / "m.safetensors")
    for init in (first, tmp_path / "m.safetensors"):
        lm = fastlm.train(texts=["line 3 is a line"], init=init, steps=1, batch=2, lr=1e-9, valid=0)
        assert lm.tokenizer == first.tokenizer
        assert lm.config == first.config
        assert abs(lm.params - first.params).max() < 1e-6
    # The weights that were given stay what they are.
    before = first.params.copy()
    fastlm.train(texts=[TEXT], init=first, steps=3, batch=8, valid=0)
    assert first.params.tobytes() == before.tobytes()


def test_the_words_for_first_weights_are_no_files():
    assert small(init="scaled").params.tobytes() == small().params.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resume": True}, "give checkpoint$"),
        ({"init_momentum": True}, "without init"),
        ({"checkpoint": "c.safetensors", "keep": -1}, "keep is -1"),
        ({"checkpoint": "c.safetensors", "checkpoint_every": "x"}, "checkpoint_every is 'x'"),
        ({"checkpoint": "c.safetensors", "resume": True}, "no checkpoint c.safetensors"),
    ],
)
def test_bad_arguments_for_checkpoints(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FastlmError, match=message):
        small(**arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::fastlm.errors.TrainingWarning")
def test_training_that_diverges_late_keeps_the_good_model(monkeypatch):
    monkeypatch.setattr("fastlm.training.divergence._SNAPSHOT_EXAMPLES", 16)
    run = fastlm.engine.training.TrainingEngine.run

    def poisoned(engine, rates):
        losses = run(engine, rates)
        if engine.step >= 3:
            engine.state.params[0] = float("nan")
        return losses

    monkeypatch.setattr(fastlm.engine.training.TrainingEngine, "run", poisoned)
    with pytest.raises(TrainingError) as caught:
        small()
    assert caught.value.model.details["step"] == 2
    assert caught.value.model.details["reason"] == "diverged"
    assert len(caught.value.model.details["rollbacks"]) == 3


def test_numbers_of_numpy_are_numbers(tmp_path):
    settings = {"texts": [TEXT], "context": 3, "embed": 4, "hidden": (8,), "steps": 4, "batch": 8}
    expected = fastlm.train(valid=0.25, threads=1, seed=3, **settings)
    numpys = {name: np.asarray(value)[()] for name, value in settings.items() if name != "texts"}
    model = fastlm.train(
        texts=[TEXT], valid=np.float32(0.25), seed=np.int64(3), threads=np.int8(1),
        min_count=np.int64(1), keep=np.int64(0), **numpys,
    )  # fmt: skip
    np.testing.assert_array_equal(model.params, expected.params)
    model.save(tmp_path / "model")  # all settings are types that JSON has
    model.train_more([TEXT], valid=np.float64(0.25), epochs=np.int64(1), lr=np.float32(0.5))
    assert model.result.best is not None


def test_a_model_holds_neither_paths_nor_keys_of_its_corpus(tmp_path):
    """Today: "no field 'text' (it has 'patient_name', 'ssn')", and where the files lay."""
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    records = [json.dumps({"text": line}) for line in LINES]
    records.insert(3, json.dumps({"patient_name": "x", "ssn": 1}))
    (folder / "a.jsonl").write_text("\n".join(records))
    (folder / "b.txt").write_text(TEXT)
    (folder / "c.txt").write_text(" ")
    (folder / "d.bin").write_bytes(bytes(9))
    model = fastlm.train(folder, skip_bad=True, context=2, embed=2, hidden=(), steps=2)
    assert "; 1 line was left out; 1 file is not text and was left out" in model.details["corpus"]
    path = tmp_path / "model"
    for write in (model.save, lambda path: fastlm.api.export.export(model, path, "safetensors")):
        write(path)
        content = path.read_bytes()
        assert not [word for word in (b"secret", b"patient", b"ssn") if word in content]


def test_beside_texts_the_validation_is_text(tmp_path, monkeypatch):
    """A str beside texts is text, unless it names a file."""
    monkeypatch.chdir(tmp_path)
    held_out = "\n".join(LINES[:40])
    (tmp_path / "valid.txt").write_text(held_out)
    settings = {"texts": [TEXT], "context": 2, "embed": 2, "hidden": (), "steps": 3}
    losses = {
        fastlm.train(valid=valid, **settings).details["valid_loss"]
        for valid in (
            held_out, [held_out], iter([held_out]), tmp_path / "valid.txt",
            [tmp_path / "valid.txt"], "valid.txt", ["valid.txt"],
        )
    }  # fmt: skip
    assert len(losses) == 1
    losses.add(fastlm.train(valid_texts=held_out, **settings).details["valid_loss"])
    losses.add(fastlm.train(valid_texts=[held_out], **settings).details["valid_loss"])
    assert len(losses) == 1
    with pytest.raises(CorpusError, match="names of its columns"):
        fastlm.train(valid={"text": [held_out]}, **settings)
    with pytest.raises(CorpusError, match="expected text, got the name of a file"):
        fastlm.train(valid_texts="valid.txt", **settings)
    with pytest.raises(ConfigError, match="valid and valid_texts are both given"):
        fastlm.train(valid=0.1, valid_texts=held_out, **settings)
    with pytest.raises(CorpusError, match="names of its columns"):
        fastlm.train(texts={"text": [TEXT]})


def test_a_run_with_validation_text_is_resumed_with_it(tmp_path):
    held_out = "\n".join(LINES[:40])
    path = tmp_path / "run.checkpoint"
    settings = {"texts": [TEXT], "context": 2, "embed": 2, "hidden": (), "steps": 3}
    fastlm.train(valid=held_out, checkpoint=path, **settings)
    with pytest.raises(ConfigError, match="does not say where its valid text is"):
        fastlm.train(texts=[TEXT], steps=4, checkpoint=path, resume=True)
    again = fastlm.train(texts=[TEXT], valid=held_out, steps=4, checkpoint=path, resume=True)
    assert again.details["step"] == 4
    (tmp_path / "valid.txt").write_text(held_out)
    fastlm.train(valid=tmp_path / "valid.txt", checkpoint=path, overwrite=True, **settings)
    again = fastlm.train(texts=[TEXT], steps=4, checkpoint=path, resume=True)
    assert again.details["step"] == 4


NAMES = ["anna", "ben", "carla", "dora", "emil", "fritz", "gerda", "hans"] * 8


@pytest.mark.parametrize(
    ("kind", "documents"), [("byte", "lines"), ("bpe", "lines"), ("byte", "file")]
)
def test_what_never_occurred_is_never_written(tmp_path, kind, documents):
    """Today U+FFFD, NUL, ESC and line ends inside samples: ids of count 0 get half a count."""
    if kind == "bpe":
        pytest.importorskip("tokenizers")
    corpus = tmp_path / "names.txt"
    corpus.write_text("\n".join(NAMES))
    settings = {"context": 2, "embed": 4, "hidden": (), "steps": 5, "batch": 16, "valid": 0}
    path = tmp_path / "run.checkpoint"
    model = fastlm.train(corpus, tokenizer=kind, documents=documents, checkpoint=path, **settings)
    model.save(tmp_path / "model")
    allowed = set("".join(NAMES)) | ({"\n"} if documents == "file" else set())
    for lm in (model, fastlm.load(tmp_path / "model"), fastlm.load(path), copy.copy(model)):
        samples = lm.sample(400, length=8, seed=1)
        assert set("".join(samples)) <= allowed
        assert all(samples)
    model.train_more(["zoe"])
    assert "z" in "".join(model.sample(400, length=8, seed=1))
    resumed = fastlm.train(checkpoint=path, resume=True, steps=8)
    assert set("".join(resumed.sample(200, length=8, seed=1))) <= allowed
    started = fastlm.train(texts=["xyz"] * 9, documents=documents, init=resumed, steps=3)
    assert set("".join(started.sample(400, length=8, seed=1))) > {"x", "y", "z", "a"}


def test_records_of_a_file_end(tmp_path):
    path = tmp_path / "names.jsonl"
    path.write_text("".join(f'{{"text": "{name}"}}\n' for name in NAMES), encoding="utf-8")
    settings = {"context": 2, "embed": 8, "hidden": (16,), "epochs": 30, "valid": 0, "seed": 1}
    lm = fastlm.train(path, **settings)
    assert lm.documents == "file"
    assert all(0 < len(sample) < 60 for sample in lm.sample(50, length=100, seed=1))
    fastlm.prepare(path, tmp_path / "names.tokens")
    assert fastlm.train(tmp_path / "names.tokens", **settings).seen.ends
    for number in range(2):
        (tmp_path / f"{number}.txt").write_text("\n".join(NAMES), encoding="utf-8")
    files = [tmp_path / "0.txt", tmp_path / "1.txt"]
    assert not fastlm.train(files, **settings).seen.ends  # a file is a book, as before
    assert not fastlm.train(files, **settings | {"valid": 0.3}).seen.ends


def test_short_texts_in_memory_end(tmp_path):
    """Today ``<end>`` is trained, and ``generate`` never chooses it."""
    settings = {"context": 2, "embed": 8, "hidden": (16,), "epochs": 30, "valid": 0, "seed": 1}
    model = fastlm.train(texts=NAMES, **settings)
    model.save(tmp_path / "model")
    for lm in (model, fastlm.load(tmp_path / "model")):
        samples = lm.sample(50, length=100, seed=1)
        assert all(0 < len(sample) < 60 for sample in samples)
        assert len(lm.generate(length=100, seed=1, stop_at_end=False)) == 100
    one = fastlm.train(texts=["\n".join(NAMES)], **settings)
    assert len(one.generate(length=100, seed=1)) == 100  # a single text is like a file
    assert set(one.metadata()) == {
        "kind", "model", "training", "tokenizer", "documents", "details"
    } | ({"seen"} if one.seen.unseen_ids else set())  # fmt: skip
