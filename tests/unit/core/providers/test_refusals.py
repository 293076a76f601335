"""Whatever a machine says that it refuses, the answer is one error that a terminal can show."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from testbed.tables import each

from flow_core.agent.refusals import Refused
from flow_core.errors import FlowError, ProviderError
from flow_core.providers.over_agent.refusals import calls, reservations, submits, tasks, to_error, volumes

TABLES = (calls, reservations, submits, tasks, volumes)
CODES = sorted({code for table in TABLES for code in table.SENTENCES})
TEXTS = ["\x1b[2J\u202e", "x" * 100_000, "", "\n\t"]
NUMBERS = [7, -1, 10**400, 1e300, float("inf"), float("nan"), True, None]
ANYTHING: list[Any] = [*TEXTS, *NUMBERS, [], [[1]], ["a\u202e"], {}, {"a": 1}]


@each("code", CODES)
def test_details_may_be_anything(code: str) -> None:
    for value in ANYTHING:
        refused = Refused(code)
        refused.details = defaultdict(lambda value=value: value)
        error = to_error(refused, "'gpu1'")
        assert isinstance(error, FlowError), value
        assert str(error).isprintable(), value
        assert len(str(error)) < 20_000, value


@each("code", CODES)
def test_details_may_be_missing(code: str) -> None:
    assert isinstance(to_error(Refused(code)), FlowError)


def test_an_unknown_refusal_says_to_update() -> None:
    assert isinstance(to_error(Refused("unheard_of")), ProviderError)
    assert "update flow" in str(to_error(Refused("unheard_of"), "'gpu1'"))


def test_the_sentence_names_the_machine() -> None:
    assert str(to_error(Refused("engine_gone", path="/bin/podman"), "'gpu1'")) == "/bin/podman is no longer on 'gpu1'"
