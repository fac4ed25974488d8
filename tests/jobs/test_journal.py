"""The journal: its state comes back for the same job only."""

from __future__ import annotations

import pytest

from fastlm.errors import ConfigError
from fastlm.jobs.journal import Journal, Position, State

JOB = {"models": {"": "abc"}, "shard": (1, 2), "limits": {}}


def test_a_state_comes_back(tmp_path):
    journal = Journal(str(tmp_path / "out.jsonl"), JOB)
    assert journal.load() is None
    state = State(Position(1, 20, 3), [17, 2], {"seconds": 1.5}, {"": {}}, ended=True)
    journal.save(state)
    assert journal.path.name == "out.jsonl.journal"
    assert Journal(str(tmp_path / "out.jsonl"), dict(JOB)).load() == state
    journal.remove()
    journal.remove()
    assert journal.load() is None


def test_that_of_another_job_is_refused(tmp_path):
    output = str(tmp_path / "folder/")
    Journal(output, JOB).save(State())
    for change, told in (
        ({"models": {"": "xyz"}}, "its models is {'': 'abc'}"),
        ({"by": "lang"}, "by"),
    ):
        with pytest.raises(ConfigError, match=told):
            Journal(output, JOB | change).load()


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", '{"fastlm_journal": 2}', '{"fastlm_journal": 1}'),
        '{"fastlm_journal": 1, "job": {}, "state": {"x": 1}}',
    ],
)
def test_damage(tmp_path, text):
    journal = Journal(str(tmp_path / "out"), {})
    journal.path.write_text(text)
    with pytest.raises(ConfigError, match=r"out\.journal is .*; start over without --resume"):
        journal.load()
    journal.path.unlink()
    journal.path.mkdir()
    with pytest.raises(ConfigError, match="cannot read"):
        journal.load()
    with pytest.raises(ConfigError, match="cannot write the journal"):
        journal.save(State())
