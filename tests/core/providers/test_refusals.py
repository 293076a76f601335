"""Whatever a machine says that it refuses, the answer is one error that a terminal can show."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from flow_core.agent.refusals import Refused
from flow_core.errors import FlowError, ProviderError
from flow_core.providers.refusals import error_of, reservations, submits, volumes

CODES = sorted({**volumes.SENTENCES, **reservations.SENTENCES, **submits.SENTENCES})
ANYTHING = ["\x1b[2J\u202e", "x" * 100_000, "", 7, 1e300, None, True, [], [[1]], ["a\u202e"], {}, {"a": 1}]


@pytest.mark.parametrize("value", ANYTHING, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("code", CODES)
def test_details_may_be_anything(code: str, value: Any) -> None:
    refused = Refused(code)
    refused.details = defaultdict(lambda: value)
    error = error_of(refused, "'gpu1'")
    assert isinstance(error, FlowError)
    assert str(error).isprintable()
    assert len(str(error)) < 20_000


@pytest.mark.parametrize("code", CODES)
def test_details_may_be_missing(code: str) -> None:
    assert isinstance(error_of(Refused(code)), FlowError)


def test_of_what_is_new_the_sentence_says_to_update() -> None:
    assert isinstance(error_of(Refused("unheard_of")), ProviderError)
    assert "update flow" in str(error_of(Refused("unheard_of"), "'gpu1'"))
