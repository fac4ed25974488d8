"""A tokenizer of each kind."""

from __future__ import annotations

import pytest

from fastlm.tokenizers import Tokenizer, build_tokenizer

from .samples import CORPUS, KINDS


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return build_tokenizer(request.param, CORPUS)
