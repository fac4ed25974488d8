"""Reports of how far the preparation of text is."""

from __future__ import annotations

import pytest

from fastlm.callbacks import Callback, Preparing
from fastlm.data.progress import ProgressReporter


class Told(Callback):
    def __init__(self):
        self.reports: list[Preparing] = []

    def on_prepare(self, preparing):
        self.reports.append(preparing)


@pytest.fixture
def told() -> Told:
    return Told()


def test_ten_reports_a_second_at_most_and_one_at_the_end(told):
    now = [5.0]
    with ProgressReporter([told], clock=lambda: now[0]).phase("counting", 20) as progress:
        for _ in range(20):
            now[0] += 0.0625
            progress.advance(1)
        progress.notes = ["something"]
    assert [report.done for report in told.reports] == [*range(2, 21, 2), 20]
    first, last = told.reports[0], told.reports[-1]
    assert first == Preparing("counting", 2, 20, 0.125)
    assert last == Preparing("counting", 20, 20, 1.25, ended=True, notes=("something",))


def test_what_is_done_can_be_set(told):
    with ProgressReporter([told]).phase("reading", None) as progress:
        progress.set_done(5)
        progress.advance(2)
    (report,) = told.reports
    assert (report.done, report.total) == (7, None)


def test_a_phase_that_fails_is_not_reported_as_ended(told):
    with pytest.raises(ZeroDivisionError), ProgressReporter([told]).phase("reading", None):
        _ = 1 / 0
    assert told.reports == []
