"""Mutated tokenizer files: ``python -m tests.robustness.tokenizer_fuzz COUNT SEED FOLDER``.

They are those of the tokenizers library, with each of its models and many of its components, and
our own. Each is read, encodes and decodes, and is read again from its JSON form. It is good or
refused with one of our errors, in a line, in less than 2 s, and within 1 GB of memory more than the
program has to start with. Anything else ends the program.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import random
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from fastlm.errors import TokenizerError
from fastlm.tokenizers import build_tokenizer, tokenizer_from_dict
from tests.robustness.checkpoint_fuzz import VALUES, change_somewhere

MOST_SECONDS = 2.0
MORE_MEMORY = 1 << 30
MOST_MEMORY = 20  # times the size of the file
FREE_MEMORY = 64 << 20  # of a process; what is freed is not given back at once
TEXT = "the cat's 12 hats a=b a=b a=b a=b a=b, (x) é 猫 \u0301 \U0001f600 " + "a" * 50 + "\n"

COMPONENTS = {
    "normalizer": (
        {"type": "NFKC"},
        {"type": "Lowercase"},
        {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 300},
        {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "b"},
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "StripAccents"}]},
    ),
    "pre_tokenizer": (
        {"type": "Whitespace"},
        {"type": "BertPreTokenizer"},
        {"type": "FixedLength", "length": 0},
        {"type": "FixedLength", "length": 3},
        {"type": "CharDelimiterSplit", "delimiter": "a"},
        {"type": "Digits", "individual_digits": True},
        {"type": "Punctuation", "behavior": "Isolated"},
        {"type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated"},
        {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    ),
    "decoder": (
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        {"type": "WordPiece", "prefix": "##", "cleanup": True},
        {"type": "Fuse"},
        {"type": "ByteFallback"},
        {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
        {"type": "Strip", "content": "a", "start": 1, "stop": 1},
    ),
    "post_processor": (
        {"type": "BertProcessing", "sep": ["a", 0], "cls": ["b", 1]},
        {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}},
    ),
}


def make_forms():
    """Return sound forms: of the library, by model, and our own, by kind."""
    own = [build_tokenizer(kind, [TEXT * 3]) for kind in ("char", "word", "whitespace", "byte")]
    forms = [tokenizer.to_dict() for tokenizer in own]
    if not importlib.util.find_spec("tokenizers"):
        return forms
    trained = build_tokenizer("bpe", [TEXT * 20], max_vocab=300)
    forms.append(trained.to_dict())
    library = trained.to_dict()["tokenizer"]
    letters = [*"abcdefghijklmnopqrstuvwxyz '", "the", "##e", "<unk>"]
    ids = {letter: number for number, letter in enumerate(letters)}
    models = (
        library["model"],
        {"type": "WordLevel", "vocab": ids, "unk_token": "<unk>"},
        {"type": "WordPiece", "vocab": ids, "unk_token": "<unk>", "max_input_chars_per_word": 100,
         "continuing_subword_prefix": "##"},
        {"type": "Unigram", "vocab": [[letter, -float(n)] for n, letter in enumerate(letters)],
         "unk_id": 0, "byte_fallback": False},
    )  # fmt: skip
    return forms + [{**library, "added_tokens": [], "model": model} for model in models]


def mutant_of(form, rng):
    """Return the text of a file: a form with other values, components, or letters."""
    form = copy.deepcopy(form)
    inner = form.get("tokenizer", form) if isinstance(form.get("tokenizer"), dict) else form
    if "model" in inner and rng.random() < 0.5:
        for key in rng.sample(list(COMPONENTS), rng.choice((1, 1, 2))):
            inner[key] = copy.deepcopy(rng.choice(COMPONENTS[key]))
    what = rng.random()
    if what < 0.6:
        for _ in range(rng.choice((1, 1, 1, 3))):
            change_somewhere(inner, rng)
    elif what < 0.75 and "model" in inner:
        model = inner["model"]
        key = rng.choice(("vocab", "merges", "unk_token", "unk_id", "continuing_subword_prefix"))
        if isinstance(model.get(key), dict) and model[key]:
            model[key][rng.choice(list(model[key]))] = rng.choice(VALUES)
        elif isinstance(model.get(key), list) and model[key]:
            model[key][rng.randrange(len(model[key]))] = rng.choice((*VALUES, ["a", 1e308]))
        else:
            model[key] = rng.choice(VALUES)
    elif what < 0.8 and "symbols" in inner:
        inner["symbols"] += [rng.choice(("", "a b", "\ud800", "x" * 10_000, "<unk>", 7, None))]
    text = json.dumps(form)
    if what > 0.9:
        at = rng.randrange(len(text))
        text = (
            text[:at] + rng.choice(("", "9" * 5000, "[" * 5000, "\\", '"', "\x1b")) + text[at + 1 :]
        )
    return text


def outcome(path, kind):
    """Return what becomes of a file: "refused", or what it can be used for."""
    started, before = time.process_time(), peak_memory()
    said = []
    try:
        tokenizer = build_tokenizer(kind, vocab_file=path)
        said.append("read")
        assert tokenizer_from_dict(tokenizer.to_dict()).fingerprint() == tokenizer.fingerprint()
        ids = tokenizer.encode(TEXT)
        assert ids.size == 0 or int(ids.max()) < tokenizer.vocab_size
        said.append("encoded")
        tokenizer.decode(ids)
        tokenizer.decode(np.arange(tokenizer.vocab_size))
        said.append("decoded")
    except TokenizerError as error:
        if "\n" in str(error) or not str(error).isprintable():
            raise AssertionError(repr(error)) from error
    seconds = time.process_time() - started
    if seconds > MOST_SECONDS:
        raise AssertionError(f"{seconds:.1f} s")
    more = peak_memory() - before
    if more > MOST_MEMORY * path.stat().st_size + FREE_MEMORY:
        raise AssertionError(f"{more:,} bytes for a file of {path.stat().st_size:,}")
    return " ".join(said) or "refused"


def peak_memory():
    """Return the most bytes that this process has had, 0 where the platform does not say."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def limit_memory():
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_MEMORY,) * 2)


def main(count, seed, folder):
    warnings.simplefilter("ignore")
    forms = make_forms()
    path = folder / "t.json"
    for form in forms:
        path.write_text(json.dumps(form))
        found = outcome(path, form.get("kind", "bpe"))
        assert found == "read encoded decoded", (found, form)
    limit_memory()
    rng = random.Random(seed)
    seen = Counter()
    for number in range(count):
        form = rng.choice(forms)
        path.write_text(mutant_of(form, rng))
        try:
            seen[outcome(path, form.get("kind", "bpe"))] += 1
        except BaseException:
            print(f"mutant {number} of seed {seed}", file=sys.stderr)
            raise
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
