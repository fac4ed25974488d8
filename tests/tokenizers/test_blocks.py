"""A stream in blocks gives what the whole text gives."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import config

from fastlm.errors import CorpusError, TokenizerError
from fastlm.text.documents import split_documents
from fastlm.tokenizers import Tokenizer, build_tokenizer
from fastlm.tokenizers.blocks import block_encoder
from fastlm.tokenizers.build import build_tokenizer_from_counts
from fastlm.tokenizers.counting import symbol_counter
from fastlm.tokenizers.safe_cut import safe_cut

from .samples import SAMPLES, STREAM_TEXTS

SETTINGS = [
    ("char", {}),
    ("char", {"lowercase": True}),
    ("word", {}),
    ("word", {"lowercase": True}),
    ("word", {"pattern": "mini"}),
    ("word", {"pattern": "mini", "lowercase": True}),
    ("whitespace", {}),
    ("whitespace", {"lowercase": True}),
    ("byte", {}),
]

some_setting = st.sampled_from(SETTINGS)
some_documents = st.sampled_from(["file", "lines", "paragraphs"])
block_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)

SAMPLE_LINES = "\n".join(SAMPLES.values()).replace("\r", "")
EVERYTHING = " a b\n\n" + SAMPLE_LINES + "\nΟΔΟΣ ΌΔΟΣ. İSTANBUL Σ\n \u00a0\nÉÑ ñ"


@pytest.fixture(params=["python", "kernels"], autouse=True)
def road(request, monkeypatch):
    """Every test takes both roads; without JIT the kernels run as Python too."""
    pays = request.param == "kernels"
    for name in ("compiled_pays", "compiled_pays_beside_numpy"):
        monkeypatch.setattr(f"fastlm.tokenizers.backend.{name}", lambda *of: pays)


def cut_blocks(source: Tokenizer | str, documents: str, text: str, sizes: list[int]) -> list[bytes]:
    """Read a stream in pieces of these sizes, over and over, and cut it where it may be cut."""
    data = text.encode()
    blocks: list[bytes] = []
    carried = b""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        turn += 1
        carried += data[at : at + size]
        at += size
        cut = safe_cut(source, documents, carried, final=at >= len(data))
        if cut:
            blocks.append(carried[:cut])
            carried = carried[cut:]
    assert carried == b""
    assert b"".join(blocks) == data
    return blocks


def expected_ids(tokenizer: Tokenizer, documents: str, text: str) -> list[int]:
    if documents == "file":
        return tokenizer.encode(text).tolist()
    return tokenizer.encode_documents(split_documents(text, documents)).tolist()


@given(STREAM_TEXTS, some_setting, some_documents, block_sizes, st.integers(1, 3))
@settings(
    deadline=None,
    max_examples=30 if config.DISABLE_JIT else 300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_blocks_and_workers_give_the_whole(text, setting, documents, sizes, workers) -> None:
    kind, options = setting
    whole = list(split_documents(text, documents))
    expected = build_tokenizer(kind, [*whole, "two words a"], **options)
    tokenizer = expected
    if kind != "byte":
        counters = [symbol_counter(kind, documents=documents, **options) for _ in range(workers)]
        for number, block in enumerate(cut_blocks(kind, documents, text, sizes)):
            counters[number % workers].add(block)
        counters[0].add(b"two words a\n\n" if documents != "file" else b"two words a")
        for counter in counters[1:]:
            counters[0].merge(counter)
        tokenizer = build_tokenizer_from_counts(kind, counters[0].counts(), **options)
        assert tokenizer == expected
    encoders = [block_encoder(tokenizer, documents) for _ in range(workers)]
    ids = [
        encoders[number % workers].encode(block)
        for number, block in enumerate(cut_blocks(tokenizer, documents, text, sizes))
    ]
    assert {part.dtype for part in ids} <= {tokenizer.dtype}
    assert [i for part in ids for i in part.tolist()] == expected_ids(tokenizer, documents, text)


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
@pytest.mark.parametrize(("kind", "options"), SETTINGS)
def test_cut_at_every_safe_place(kind: str, options: dict, documents: str) -> None:
    tokenizer = build_tokenizer(kind, [EVERYTHING], **options)
    data = EVERYTHING.encode()
    encoder = block_encoder(tokenizer, documents)
    whole = expected_ids(tokenizer, documents, EVERYTHING)
    assert encoder.encode(data).tolist() == whole
    cuts = {
        safe_cut(source, documents, data[:size], final=False)
        for source in (tokenizer, kind)
        for size in range(1, len(data))
    }
    assert len(cuts) > 1
    for cut in sorted(cuts)[:: 40 if config.DISABLE_JIT else 1]:
        halves = encoder.encode(data[:cut]).tolist() + encoder.encode(data[cut:]).tolist()
        assert halves == whole, data[:cut]


def test_documents_end_inside_blocks() -> None:
    tokenizer = build_tokenizer("char", ["ab c"])
    ids = block_encoder(tokenizer, "lines").encode(b"a\n \n\nb c\n")
    assert [tokenizer.token(i) for i in ids] == ["a", "<end>", "b", " ", "c", "<end>"]
    ids = block_encoder(tokenizer, "paragraphs").encode(b"\n \na\nb\n \t\n\nc")
    assert [tokenizer.token(i) for i in ids] == ["a", "<unk>", "b", "<end>", "c", "<end>"]
    ids = block_encoder(tokenizer, "file").encode(b"a")
    assert [tokenizer.token(i) for i in ids] == ["a"]


def test_bad_settings() -> None:
    with pytest.raises(TokenizerError, match="not for byte; build it without counts"):
        symbol_counter("byte")
    with pytest.raises(TokenizerError, match="got 'byte'; use build_tokenizer"):
        build_tokenizer_from_counts("byte", {})
    with pytest.raises(TokenizerError, match="one of unicode, mini, got 'maxi'"):
        symbol_counter("word", pattern="maxi")
    with pytest.raises(TokenizerError, match="pattern 'mini' is for the word tokenizer"):
        build_tokenizer_from_counts("char", {"a": 1, "b": 1}, pattern="mini")
    for make in (
        lambda: symbol_counter("word", documents="pages"),
        lambda: block_encoder(build_tokenizer("byte"), "pages"),
        lambda: safe_cut("word", "pages", b"a", final=False),
    ):
        with pytest.raises(CorpusError, match="documents is 'pages'"):
            make()
