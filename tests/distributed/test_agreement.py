"""What fails on one rank fails on all."""

from __future__ import annotations

import pytest

from fastlm.distributed.agreement import check_versions, is_agreed, led, on_all
from fastlm.errors import ConfigError, CorpusError, FastlmError
from tests.distributed.threads import on_ranks


def outcome(call):
    try:
        return call()
    except FastlmError as error:
        return type(error), str(error), is_agreed(error)


def test_led_work_is_done_once():
    called = []

    def work(communicator):
        return led(communicator, lambda: called.append(communicator.rank) or 7, lambda n: n + 1)

    assert on_ranks(3, work) == [7, 8, 8]
    assert called == [0]


def test_what_rank_0_raises_all_raise():
    def fail():
        raise CorpusError("no text")

    results = on_ranks(2, lambda communicator: outcome(lambda: led(communicator, fail)))
    assert results == [(CorpusError, "no text", True)] * 2


def test_what_another_rank_raises_all_raise_with_its_number():
    def work(communicator):
        def own():
            if communicator.rank == 1:
                raise CorpusError("no text")
            return communicator.rank

        return outcome(lambda: on_all(communicator, own))

    assert on_ranks(3, work) == [(CorpusError, "rank 1: no text", True)] * 3


def test_without_an_error_each_has_its_own():
    assert on_ranks(2, lambda each: on_all(each, lambda: each.rank)) == [0, 1]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            ("0.3", "k", "zen3"),
            "rank 1 has fastlm 0.3, rank 0 0.2; install the same version on all",
        ),
        (("0.2", "l", "zen3"), "rank 1 has kernels of l, rank 0 k; install the same versions of "),
        (("0.2", "k", "zen4"), "rank 1 has a processor of type zen4, rank 0 zen3; start all ranks"),
    ],
)
def test_other_versions(own, said):
    def work(communicator):
        mine = own if communicator.rank else ("0.2", "k", "zen3")
        return outcome(lambda: check_versions(communicator, mine))

    for kind, text, everywhere in on_ranks(2, work):
        assert kind is ConfigError
        assert everywhere
        assert text.startswith(said)
        assert len(text) < 200


def test_this_version_agrees_with_itself():
    assert on_ranks(2, check_versions) == [None, None]
