"""What the texts of options stand for, and where a model may be written."""

from __future__ import annotations

import os

import pytest

from fastlm.cli.options import (
    check_output,
    parse_int_list,
    parse_interval,
    parse_minutes,
    parse_valid,
    shell_path,
)
from fastlm.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "widths"),
    [
        ("256,128", (256, 128)),
        ("64", (64,)),
        (" 8 , 4 ", (8, 4)),
        ("none", ()),
        ("None", ()),
        ("-1", (-1,)),
    ],
)
def test_parse_int_list(text, widths):
    assert parse_int_list("hidden", text, "256,128") == widths


@pytest.mark.parametrize("text", ["", "256,", "a", "1.5", "256 128"])
def test_hidden_that_is_no_list_of_widths(text):
    with pytest.raises(ConfigError, match=r"256,128, or none"):
        parse_int_list("hidden", text, "256,128")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1.5", 1.5), ("90s", 1.5), (" 5 min ", 5), ("1h", 60), ("1h30m", 90), (".5 hours", 30),
        ("1H 30s", 60.5), ("0", 0), ("-1", -1), ("1e3", 1000),
    ],
)  # fmt: skip
def test_parse_minutes(text, minutes):
    assert parse_minutes(text) == pytest.approx(minutes)


@pytest.mark.parametrize("text", ["", "soon", "1x", "h", "1h 30", "1:30", "5 steps", "x" * 999])
def test_what_is_no_time(text):
    with pytest.raises(ConfigError, match=r"--minutes is .*90s, 5m, 1h$") as caught:
        parse_minutes(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1", (1, None)), (".5", (0.5, None)), ("2 epochs", (2, None)),
        ("20 steps", (None, 20)), ("1 step", (None, 1)),
    ],
)  # fmt: skip
def test_parse_interval(text, interval):
    assert parse_interval("--sample-every", text) == interval


@pytest.mark.parametrize("text", ["", "0", "0 steps", "1.5 steps", "5m", "often", "-1"])
def test_what_is_no_interval(text):
    with pytest.raises(ConfigError, match=r"--sample-every is .*; give epochs, such as 0.5, or"):
        parse_interval("--sample-every", text)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("0.1", 0.1),
        (".2", 0.2),
        ("1.5", 1.5),
        ("-0.1", -0.1),
        ("5e-2", 0.05),
        ("valid.txt", "valid.txt"),
        ("./0.1", "./0.1"),
        ("2024.txt", "2024.txt"),
        ("nan", "nan"),
        ("infinity", "infinity"),
        ("", ""),
        ("-", "-"),
    ],
)
def test_parse_valid(text, source):
    assert parse_valid(text) == source


def test_new_empty_and_older_models_may_be_written(tmp_path, model):
    check_output(tmp_path / "new.safetensors")
    (tmp_path / "empty").touch()
    check_output(tmp_path / "empty")
    check_output(model)


def test_what_is_no_model_is_not_overwritten(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this took me a year to write.")
    with pytest.raises(ConfigError, match="not overwritten"):
        check_output(path)
    assert path.read_text().startswith("Dear reader")


def test_a_damaged_model_is_not_overwritten(model):
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="not overwritten"):
        check_output(model)


def test_a_folder_is_no_output(tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        check_output(tmp_path)


def test_the_folder_of_the_output_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match=r"no such folder.*create it"):
        check_output(tmp_path / "absent" / "model.safetensors")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_device_is_no_output():
    from pathlib import Path

    with pytest.raises(ConfigError, match="not a regular file"):
        check_output(Path(os.devnull))


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="permissions do not bind this user",
)
def test_a_folder_without_permission(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="no permission"):
        check_output(folder / "model.safetensors")


@pytest.mark.skipif(os.name == "nt", reason="quotes of POSIX")
def test_a_file_is_no_option():
    assert shell_path("-m.safetensors") == "./-m.safetensors"
    assert shell_path("-a b") == "'./-a b'"
    assert shell_path("a/-b") == "a/-b"
