"""The log of a run: one line for what a program's operator wants to know."""

from __future__ import annotations

import logging

from fastlm.callbacks import (
    Notice,
    Preparing,
    Progress,
    Result,
    Start,
    Validation,
    takes_notices,
)
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.display.log import LogProgress


def test_a_run_in_the_log(caplog):
    now = [0.0]
    log = LogProgress(clock=lambda: now[0])
    caplog.set_level(logging.INFO, "fastlm")
    log.on_prepare(Preparing("reading", 10, 10, 0.1, ended=True))
    log.on_prepare(Preparing("encoding", 10**7, 10**7, 2.0, ended=True, notes=("a.txt is empty",)))
    model = ModelConfig(vocab=30, context=4, embed=4, hidden=(8,))
    log.on_start(Start(model, TrainingConfig(), 1234, 5000, 100, 10, 2, False, corpus="a.txt"))
    for second in range(25):
        now[0] = second
        log.on_progress(Progress(second, 25, 0.1, 1.0, 0.5, 2.5, 0.1, 1e5, second, 3.0))
    log.on_validation(Validation(20, 1.0, 9.0, 2.0, 7.389, 2.5, True))
    log.on_notice(Notice("rollback", "a loss is nan"))
    log.on_end(Result("finished", 25, 1.0, 62.0, 6400, 1e5, 2.5, None))
    assert [record.getMessage() for record in caplog.records] == [
        "encoding: 10.0 MB in 0:02",
        "left out: a.txt is empty",
        "training 1,234 parameters on 5,000 tokens of a.txt",
        "step 10 of 25: loss 2.5000, 100k tokens/s, 0:03 left",
        "step 20 of 25: loss 2.5000, 100k tokens/s, 0:03 left",
        "step 20: validation: perplexity 7.39, loss 2.0000 nats per token",
        "rollback: a loss is nan",
        "finished after 25 steps in 1:02",
    ]
    assert {record.levelname for record in caplog.records} == {"INFO"}
    assert {record.name for record in caplog.records} == {"fastlm"}


def test_a_notice_that_is_logged_is_a_warning_all_the_same():
    assert not takes_notices(LogProgress())
