"""The output layer in blocks of columns: gradients against the oracle."""

from __future__ import annotations

import pytest

from fastlm.engine import tiling
from tests.oracle_runs import EXTRAS, check_gradient


@pytest.mark.parametrize("extra", [{}, *EXTRAS], ids=str)
@pytest.mark.parametrize("dropouts", [(0.0, 0.0), (0.7, 0.3)])
@pytest.mark.parametrize("columns", [1, 4, 10])
@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_gradient_where_logits_come_in_blocks(extra, dropouts, columns, hidden, monkeypatch):
    monkeypatch.setattr(tiling, "_MIN_LOGIT_COLUMNS", columns)
    monkeypatch.setattr(tiling, "_LOGIT_ELEMENTS", 0)
    check_gradient({"hidden": hidden, **extra}, dropouts, (40, None))
