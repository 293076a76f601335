"""What a machine says about the end of its command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_core.providers.mithril.exit_status import parse_node_state


@given(st.text() | st.from_regex(r"(ATTEMPT|STARTED_AT|EXIT_CODE|EXITED_AT|REASON)=[^\n]*\n", fullmatch=True))
def test_any_text_of_a_machine_is_an_end_or_none(text: str) -> None:
    end = parse_node_state(text)
    assert 0 <= end.attempt <= 1000


@pytest.mark.parametrize("line", ["EXIT_CODE=\u00b2", "ATTEMPT=999999999", "STARTED_AT=9999-12-31T23:59:59-23:59"])
def test_an_impossible_number_or_time_from_a_machine_is_unknown(line: str) -> None:
    end = parse_node_state(line)
    assert (end.exit_code, end.started_at, end.attempt <= 1000) == (None, None, True)
