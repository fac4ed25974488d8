"""How many threads by default: the variable, affinity and control groups."""

from __future__ import annotations

import os

import pytest

from fastlm.errors import ConfigError
from fastlm.system import resources as threads
from fastlm.system.resources import available_processors, thread_count

# ---------------------------------------------------------------------------- how many


def test_an_argument_overrides_the_variable(monkeypatch):
    monkeypatch.setenv("FASTLM_THREADS", "3")
    assert thread_count(2) == 2
    assert thread_count() == 3
    assert thread_count(None) == 3


@pytest.mark.parametrize(("value", "count"), [("1", 1), (" 5 ", 5), ("016", 16)])
def test_the_variable(monkeypatch, value, count):
    monkeypatch.setenv("FASTLM_THREADS", value)
    assert thread_count() == count


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1e1", "²", "0x2", "2,3"])
def test_a_bad_variable(monkeypatch, value):
    monkeypatch.setenv("FASTLM_THREADS", value)
    with pytest.raises(ConfigError) as caught:
        thread_count()
    assert str(caught.value) == (
        f"FASTLM_THREADS is {value!r}; set it to a whole number of at least 1"
    )


@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_the_variable_what_is_available(monkeypatch, value):
    monkeypatch.delenv("FASTLM_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("FASTLM_THREADS", value)
    monkeypatch.setattr(threads, "available_processors", lambda: 7)
    assert thread_count() == 7


@pytest.mark.parametrize(
    ("processors", "quota", "expected"),
    [
        (4, None, 4),
        (4, 2.0, 2),
        (4, 1.5, 2),
        (4, 0.1, 1),
        (4, 8.0, 4),
        (1, None, 1),
    ],
)
def test_affinity_and_quota_are_both_kept(monkeypatch, processors, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)), raising=False)
    monkeypatch.setattr(threads, "_cgroup_quota", lambda *paths: quota)
    assert available_processors() == expected


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_systems_without_affinity(monkeypatch, count, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    monkeypatch.setattr(threads, "_cgroup_quota", lambda *paths: None)
    assert available_processors() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_the_affinity_of_this_very_process():
    old = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(old)})
        assert available_processors() == 1
    finally:
        os.sched_setaffinity(0, old)


# ---------------------------------------------------------------------------- control groups


def quota_of(folder, membership, files):
    """The quota read from a fake /proc/self/cgroup and a fake /sys/fs/cgroup."""
    root = folder / "cgroup"
    root.mkdir()
    (folder / "membership").write_text(membership)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return threads._cgroup_quota(folder / "membership", root)


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/pod/job\n", {"pod/job/cpu.max": "300000 100000"}, 3.0),
        # The smallest of the group and its parents.
        (
            "0::/pod/job\n",
            {
                "pod/job/cpu.max": "max 100000",
                "pod/cpu.max": "50000 100000",
                "cpu.max": "400000 100000",
            },
            0.5,
        ),
        ("0::/../..\n", {"cpu.max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "nonsense\n"}, None),
        ("0::/\n", {"cpu.max": ""}, None),
        ("0::/\n", {"cpu.max": "100000 0\n"}, None),
    ],
)
def test_cgroup_version_2(tmp_path, membership, files, expected):
    assert quota_of(tmp_path, membership, files) == expected


@pytest.mark.parametrize(
    ("membership", "quota", "period", "expected"),
    [
        ("3:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n", "250000", "100000", 2.5),
        ("3:cpuacct,cpu:/docker/abc\n", "250000", "100000", 2.5),
        ("3:cpu:/docker/abc\n", "-1", "100000", None),
        ("3:cpuset:/docker/abc\n", "250000", "100000", None),
        ("3:cpu:/docker/abc\n", "250000", "0", None),
    ],
)
@pytest.mark.parametrize("place", ["cpu/docker/abc", "cpu"])
def test_cgroup_version_1(tmp_path, membership, quota, period, expected, place):
    """A container often sees its own group as the root."""
    files = {f"{place}/cpu.cfs_quota_us": quota, f"{place}/cpu.cfs_period_us": period}
    assert quota_of(tmp_path, membership, files) == expected


def test_a_control_group_that_cannot_be_read(tmp_path):
    assert threads._cgroup_quota(tmp_path / "nothing", tmp_path) is None
    (tmp_path / "binary").write_bytes(b"0::/\xff\n")
    assert threads._cgroup_quota(tmp_path / "binary", tmp_path) is None
