"""What a training run shows: values, widths, how often, and that a lost console is no error."""

from __future__ import annotations

import io
import math
import re

import pytest

from fastlm.callbacks import Notice, Progress, Result, Start, Validation
from fastlm.cli.display import ConsoleProgress, _epochs, _rate, _steps
from fastlm.cli.figures import count_text, duration_text
from fastlm.config import ModelConfig, TrainingConfig


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
    display, stream, _ = plain(tokenizer="char", corpus="a.txt")
    assert stream.getvalue() == ""
    display.on_start(start())
    text = stream.getvalue()
    for fact in ("a.txt", "441,203", "23,221", "97 characters", "95,432 parameters", "2 threads"):
        assert fact in text
    assert "1,000 steps" in text
    assert "compiling" not in text


def test_compiling_is_announced_before_the_first_step():
    display, stream, _ = plain()
    display.on_start(start(compiling=True))
    assert "compiling" in stream.getvalue()
    assert "10 to 30 s" in stream.getvalue()


def test_a_run_bounded_by_time_has_no_number_of_steps():
    display, stream, _ = plain()
    display.on_start(start(total_steps=None, training=TrainingConfig(minutes=1.5), valid_tokens=0))
    assert "1.5 minutes" in stream.getvalue()
    assert "at most" not in stream.getvalue()
    both = TrainingConfig(minutes=1.5, steps=500)
    display.on_start(start(total_steps=500, training=both, valid_tokens=0))
    assert "1.5 minutes, at most 500 steps" in stream.getvalue()
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
        (None, "perplexity", "7.39"),
    ],
)
def test_each_validation_has_a_line_in_the_unit_of_the_tokenizer(tokenizer, unit, value):
    display, stream, _ = plain(tokenizer=tokenizer)
    display.on_start(start())
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
        assert stream.getvalue() == "reading a.txt ..."
    assert stream.getvalue() == "reading a.txt ...\r" + 17 * " " + "\r"


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


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (950, "950"), (9_990, "9.99k"), (12_345, "12.3k"), (105_321, "105k"),
        (1_160_000, "1.16M"), (46_500_000, "46.5M"), (2.5e9, "2.50G"), (math.inf, "-"),
        (999.7, "1.00k"), (9_996, "10.0k"), (99_960, "100k"), (999_600, "1.00M"),
    ],
)  # fmt: skip
def test_counts(number, text):
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"), (41.6, "0:42"), (59.7, "1:00"), (727, "12:07"), (3723, "1:02:03"),
        (35_999.9, "10h00m"), (93_780, "26h03m"), (1_051_200, "12d04h"),
        (math.nan, "-"), (math.inf, "-"),
    ],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration_text(seconds) == text


def test_rates_steps_and_epochs():
    assert [_rate(x) for x in (4.0, 0.05, 12.3456, 1234.5, 1e-5, 0.0)] == [
        "4.0000", "0.0500", "12.345", "1234.5", "1e-05", "0.0000",
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
