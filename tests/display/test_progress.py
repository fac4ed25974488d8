"""What is shown of a run: values, widths, how often, and that a lost console is no error."""

from __future__ import annotations

import io
import math
import re
import sys

import pytest

from fastlm.callbacks import Notice, Preparing, Progress, Result, Start, Validation
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.display import compiling
from fastlm.display.progress import (
    ConsoleProgress,
    QuietNotices,
    ScoreProgress,
    _epochs,
    _rate,
    _steps,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def shown(stream: io.StringIO) -> list[str]:
    """The lines that stay on a terminal to which all of a stream was written."""
    rows, row = [""], 0
    for text in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", stream.getvalue()):
        if text == "\n":
            row += 1
            rows += [""] * (row == len(rows))
        elif text.endswith("A") and text.startswith("\x1b"):
            row -= int(text[2:-1])
        elif text == "\x1b[2K":
            rows[row] = ""
        elif not text.startswith(("\x1b", "\r")):
            rows[row] += text
    return [row.rstrip() for row in rows if row]


def start(**changes) -> Start:
    facts = {
        "model": ModelConfig(vocab=97),
        "training": TrainingConfig(),
        "parameters": 95_432,
        "train_tokens": 441_203,
        "valid_tokens": 23_221,
        "total_steps": 1000,
        "threads": 2,
        "compiling": False,
    }
    return Start(**(facts | changes))


def progress(step: int, **changes) -> Progress:
    facts = {
        "step": step,
        "total_steps": 1000,
        "epoch": step / 125,
        "total_epochs": 8.0,
        "fraction": step / 1000,
        "loss": 2.5,
        "lr": 4.0,
        "tokens_per_second": 123_400.0,
        "elapsed": step / 10,
        "remaining": (1000 - step) / 10,
    }
    return Progress(**(facts | changes))


def validation(step: int, loss: float = 2.0, train_loss: float = 1.75) -> Validation:
    return Validation(step, step / 125, step / 10, loss, math.exp(loss), train_loss, True)


def result(reason: str = "finished") -> Result:
    return Result(reason, 1000, 8.0, 100.0, 256_000, 104_000.0, 1.5, None)


def plain(**options) -> tuple[ConsoleProgress, io.StringIO, Clock]:
    stream, clock = io.StringIO(), Clock()
    return ConsoleProgress(stream=stream, clock=clock, **options), stream, clock


def test_header_names_the_facts():
    display, stream, _ = plain()
    assert stream.getvalue() == ""
    display.on_start(start(tokenizer="char", corpus="a.txt"))
    text = stream.getvalue()
    for fact in ("a.txt", "441,203", "23,221", "97 characters", "95,432 parameters", "2 threads"):
        assert fact in text
    assert "1,000 steps" in text
    assert "compiling" not in text


def test_compiling_is_announced_before_the_first_step(monkeypatch):
    monkeypatch.setitem(compiling._state, "announced", False)
    display, stream, _ = plain()
    display.on_start(start(compiling=True))
    assert "compiling" in stream.getvalue()
    assert "5 to 20 s" in stream.getvalue()


def test_a_run_bounded_by_time_has_no_number_of_steps():
    display, stream, _ = plain()
    display.on_start(start(total_steps=None, training=TrainingConfig(minutes=1.5), valid_tokens=0))
    assert "1.5 minutes" in stream.getvalue()
    assert "(or" not in stream.getvalue()
    both = TrainingConfig(minutes=1.5, steps=500)
    display.on_start(start(total_steps=500, training=both, valid_tokens=0))
    assert "for 1.5 minutes (or 500 steps), batch" in stream.getvalue()
    assert "validation" not in stream.getvalue()


def test_plain_lines_keep_their_interval():
    display, stream, clock = plain(interval=5.0)
    display.on_start(start())
    before = len(stream.getvalue().splitlines())
    for k in range(1, 101):  # 20 seconds
        clock.now += 0.2
        display.on_progress(progress(10 * k))
    lines = stream.getvalue().splitlines()[before:]
    assert len(lines) == 1 + 4  # the names of the columns first
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_a_plain_line_has_the_mean_loss_since_the_line_before():
    display, stream, clock = plain(interval=5.0)
    display.on_start(start())
    display.on_progress(progress(100, loss=4.0))
    clock.now += 6
    display.on_progress(progress(400, loss=2.0))
    assert "2.5000" in stream.getvalue().splitlines()[-1]  # (100 * 4 + 300 * 2) / 400
    display.on_progress(progress(500, loss=1.0))
    clock.now += 6
    display.on_progress(progress(600, loss=2.0))
    assert "1.5000" in stream.getvalue().splitlines()[-1]


@pytest.mark.parametrize(
    ("tokenizer", "unit", "value"),
    [
        ("char", "bits/char", "2.885"),
        ("byte", "bits/byte", "2.885"),
        ("word", "perplexity", "7.39"),
        ("", "perplexity", "7.39"),
    ],
)
def test_each_validation_has_a_line_in_the_unit_of_the_tokenizer(tokenizer, unit, value):
    display, stream, _ = plain()
    display.on_start(start(tokenizer=tokenizer))
    display.on_progress(progress(500))
    display.on_validation(validation(500))
    names, line = stream.getvalue().splitlines()[-2:]
    assert unit in names
    assert line.split() == [
        "500/1,000", "4.0/8", "1.7500", "2.0000", value, "4.0000", "123k", "0:50", "0:50",
    ]  # fmt: skip


def test_the_end_shows_the_last_step_and_the_reason():
    display, stream, _ = plain()
    display.on_start(start())
    display.on_progress(progress(1000))
    display.on_end(result("interrupted"))
    last, end = stream.getvalue().splitlines()[-2:]
    assert "1,000/1,000" in last
    assert end.startswith("interrupted")
    assert "104k tokens/s" in end
    assert "1:40" in end


def test_the_last_step_is_not_shown_twice():
    display, stream, _ = plain()
    display.on_start(start())
    display.on_progress(progress(1000))
    display.on_validation(validation(1000))
    display.on_end(result())
    assert stream.getvalue().count("1,000/1,000") == 1


def test_terminal_redraws_and_gives_the_cursor_back(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ConsoleProgress(stream=stream) as display:
        display.on_start(start())
        display.on_progress(progress(10))
        display.on_progress(progress(20))
        assert "\x1b[?25l" in stream.getvalue()
        display.on_validation(validation(20))
        display.on_end(result())
    text = stream.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "10/1,000" in text
    assert "20/1,000" in text


def test_terminal_is_restored_when_training_fails(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    def fail() -> None:
        with ConsoleProgress(stream=stream) as display:
            display.on_start(start())
            display.on_progress(progress(10))
            raise RuntimeError("diverged")

    with pytest.raises(RuntimeError, match="diverged"):
        fail()
    assert "\x1b[?25h" in stream.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    display = ConsoleProgress(stream=stream, interval=0.0)
    display.on_start(start())
    display.on_progress(progress(10))
    display.on_end(result())
    assert "10/1,000" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_what_it_waits_for_goes_away_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ConsoleProgress(stream=stream) as display:
        display.wait_for("reading a.txt")
        assert "reading a.txt ..." in stream.getvalue()
    assert shown(stream) == []


def test_what_it_waits_for_is_not_said_elsewhere():
    display, stream, _ = plain()
    display.wait_for("reading a.txt")
    display.close()
    assert stream.getvalue() == ""


def test_no_color_is_kept(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with ConsoleProgress(stream=stream) as display:
        display.on_start(start())
        display.on_progress(progress(500))
    assert not re.search(r"\x1b\[(3|4|9|10)\d", stream.getvalue())


def test_a_lost_stream_does_not_end_the_training():
    display = ConsoleProgress(stream=Closed(), interval=0.0)
    display.on_start(start())
    display.on_progress(progress(10))
    display.on_validation(validation(10))
    display.on_end(result())


@pytest.mark.parametrize(
    "worst",
    [
        progress(999, tokens_per_second=1.16e6, remaining=math.nan, loss=math.nan, lr=1.234e-5),
        progress(
            123_456_789,
            total_steps=987_654_321,
            epoch=12_345.6,
            total_epochs=99_999.0,
            loss=23.456789,
            lr=1234.5,
            elapsed=359_999.0,
            remaining=359_999.0,
            tokens_per_second=999_999.0,
        ),
        progress(11_998, total_steps=11_999, epoch=99.94, total_epochs=99.99, remaining=9.0),
        progress(1, epoch=0.0001, total_epochs=0.5),
    ],
)
def test_lines_fit_79_columns_and_stay_in_their_columns(worst):
    display, stream, _ = plain(interval=0.0)
    display.on_progress(worst)
    display.on_validation(validation(worst.step, loss=20.0, train_loss=11.5))
    names, *lines = stream.getvalue().splitlines()
    assert len(names) <= 79
    for line in lines:
        assert len(line) == len(names)


@pytest.mark.parametrize("width", [40, 60, 79, 80, 200])
def test_a_narrow_terminal_has_fewer_columns_and_no_broken_line(monkeypatch, width):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    with ConsoleProgress(stream=stream) as display:
        display.on_start(start(tokenizer="char", corpus="a.txt", reasons=("words " * 30,)))
        display.on_progress(progress(500))
        display.on_validation(validation(500))
        display.on_progress(progress(600))
        display.on_end(result())
    lines = shown(stream)
    assert max(map(len, lines)) <= width
    (head,) = [line for line in lines if "step/total" in line]
    assert ("lr" in head) == (width >= 80)
    assert ("bits/char" in head) == (width > 54)
    assert "valid" in head
    assert "left" in head
    row = lines[lines.index(head) + 1]
    assert len(row) == len(head)
    # What wraps goes on beside its label, at words.
    for line in lines[lines.index(head) - 1 :: -1]:
        assert line[:12].strip() in ("corpus", "tokens", "vocabulary", "settings", "model",
                                     "training", "")  # fmt: skip
        assert line[12] != " "


def test_a_run_without_validation_ends_with_its_last_loss():
    display, stream, _ = plain()
    display.on_start(start())
    display.on_progress(progress(500, loss=4.0))
    display.on_progress(progress(1000, loss=2.0))
    display.on_end(result())
    assert "1.5000" in stream.getvalue().splitlines()[-2]


@pytest.mark.parametrize("valid_tokens", [0, 99])
def test_a_preset_has_the_lines_of_its_founding_system(valid_tokens):
    shows, stream, _ = plain()
    training = TrainingConfig(batch=1, lr=0.05, momentum=0.0, epochs=20, init="tiny")
    shows.on_start(start(training=training, valid_tokens=valid_tokens))
    head = len(stream.getvalue())
    for epoch in range(1, 21):
        shows.on_progress(
            progress(epoch * 5, epoch=float(epoch), total_epochs=20.0, loss=1 / epoch)
        )
    shows.on_end(result())
    lines = stream.getvalue()[head:].splitlines()
    assert lines[0] == "Epoch 10/20, Average Loss: 0.1000"
    assert lines[1] == "Epoch 20/20, Average Loss: 0.0500"
    # With validation there is the table, too.
    assert len(lines) == (5 if valid_tokens else 3)
    assert lines[-1].startswith("finished")


def test_a_preset_that_ends_before_its_tenth_epoch_shows_its_loss():
    shows, stream, _ = plain()
    training = TrainingConfig(batch=1, epochs=3, init="mini")
    shows.on_start(start(training=training, valid_tokens=0))
    shows.on_progress(progress(5, epoch=1.0, total_epochs=3.0, loss=2.5))
    shows.on_end(result())
    assert "1.5000" in stream.getvalue()


def test_a_validation_before_any_progress():
    display, stream, _ = plain()
    display.on_validation(validation(10))
    assert stream.getvalue().splitlines()[-1].split()[-3:] == ["-", "0:01", "-"]


def test_numbers_agree_with_their_nouns():
    display, stream, _ = plain()
    one = TrainingConfig(minutes=1, batch=1)
    display.on_start(start(total_steps=1, threads=1, training=one))
    display.on_end(Result("finished", 1, 1.0, 1.0, 1, 1.0, 1.0, None))
    assert "for 1 minute (or 1 step), batch 1, 1 thread\n" in stream.getvalue()
    assert "after 1 step (1 epoch) in" in stream.getvalue()


# ---------------------------------------------------------------------------- preparing


def test_a_line_for_each_long_phase():
    display, stream, _ = plain()
    display.on_prepare(Preparing("reading", 10, 100, 0.5))
    display.on_prepare(Preparing("reading", 100, 100, 0.6, True))
    display.on_prepare(Preparing("counting", 90_000_000, 90_000_000, 2.0, True))
    display.on_prepare(Preparing("encoding", 3_000_000_000, None, 1000.0, True, ("2 lines",)))
    assert stream.getvalue() == (
        "counting    90.0 MB in 0:02, 45 MB/s\n"
        "encoding    3.0 GB in 16:40, 3.0 MB/s\n"
        "left out    2 lines\n"
    )


def test_a_phase_is_redrawn_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ConsoleProgress(stream=stream) as display:
        display.on_prepare(Preparing("encoding", 25_000_000, 100_000_000, 1.0))
        first, bar = shown(stream)
        assert first == "encoding    100.0 MB, 25 MB/s, 0:03 left"
        assert bar.endswith(" 25%")
        display.on_prepare(Preparing("reading", 25_000_000, None, 1.0))
        assert shown(stream) == ["reading     25.0 MB, 25 MB/s"]
        display.on_prepare(Preparing("reading", 25_000_000, 25_000_000, 0.1, True))
        assert shown(stream) == []


# ---------------------------------------------------------------------------- scoring, quiet


def test_scoring_shows_its_counts_after_a_second(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("sys.stdout", io.StringIO())
    clock = Clock()
    with ScoreProgress(clock) as display:
        display.add(1, 1, 1_000_000)
        assert sys.stderr.getvalue() == ""
        clock.now += 2
        display.add(1000, 200, 5_000_000)
        assert shown(sys.stderr) == ["1,001 records, 201 written, 5.0 MB, 2.5 MB/s"]
        clock.now += 2
    assert shown(sys.stderr) == ["1,001 records, 201 written, 5.0 MB, 1.2 MB/s"]


def test_scores_that_go_to_a_file_leave_the_terminal_to_the_counts(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("sys.stdout", Terminal())
    clock = Clock()
    with ScoreProgress(clock, on_stdout=False) as display:
        clock.now += 2
        display.add(5, 3, 1000)
    assert shown(sys.stderr) == ["5 records, 3 written, 1.0 kB, 0.0 MB/s"]


@pytest.mark.parametrize(("out", "err"), [(Terminal, Terminal), (io.StringIO, io.StringIO)])
def test_scores_on_a_terminal_and_a_pipe_have_no_progress(monkeypatch, out, err):
    monkeypatch.setattr("sys.stderr", err())
    monkeypatch.setattr("sys.stdout", out())
    clock = Clock()
    with ScoreProgress(clock) as display:
        clock.now += 9
        display.add(1, 1, 1)
    assert sys.stderr.getvalue() == ""


def test_scoring_that_fails_restores_the_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("sys.stdout", io.StringIO())
    clock = Clock()

    def fail():
        with ScoreProgress(clock) as display:
            clock.now += 9
            display.add(1, 1, 1)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert shown(sys.stderr) == []
    assert "\x1b[?25h" in sys.stderr.getvalue()


def test_quiet_runs_warn_still(capsys):
    QuietNotices().on_notice(Notice("rollback", "back to step 2"))
    QuietNotices().on_notice(Notice("finished", "nothing is left"))
    assert capsys.readouterr().err == "warning: back to step 2\n"


def test_rates_steps_and_epochs():
    assert [_rate(x) for x in (4.0, 0.05, 12.3456, 1234.5, 1e-5, 0.0, math.nan)] == [
        "4.0000", "0.0500", "12.345", "1234.5", "1e-05", "0.0000", "-",
    ]  # fmt: skip
    assert _steps(5, 99_999) == "5/99,999"
    assert _steps(5_000, 150_000) == "5.00k/150k"
    assert _epochs(0.25, 0.5) == "0.25"
    assert _epochs(3.04, 8.0) == "3.0/8"
    assert _epochs(12.0, 150.0) == "12/150"
    assert _epochs(1234.0, 1500.0) == "1.23k"


def test_a_run_that_goes_on_says_where():
    stream = io.StringIO()
    display = ConsoleProgress(stream=stream)
    display.on_start(start(step=1200, elapsed=61.0))
    display.on_progress(progress(1210, loss=1.0))
    display.on_progress(progress(1220, loss=3.0))
    display.on_validation(validation(1220))
    assert "resuming    at step 1,200, after 1:01" in stream.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_notice_is_a_line(terminal):
    stream = (Terminal if terminal else io.StringIO)()
    display = ConsoleProgress(stream=stream)
    display.on_start(start())
    display.on_progress(progress(500))
    display.on_notice(Notice("rollback", "the loss is nan: back to step 200"))
    display.on_progress(progress(210))
    display.close()
    assert "rollback    the loss is nan: back to step 200" in stream.getvalue()
