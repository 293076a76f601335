"""What the submit form tells of a request before it is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flow_core.models.scheduling import ScriptSummary, StartEstimate
from flow_tui.dialogs.submit.request_review import describe_estimate, describe_script

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)  # 21:00 in Tokyo


@pytest.mark.usefixtures("in_tokyo")
@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (StartEstimate(NOW), "would start now"),
        (StartEstimate(NOW - timedelta(days=2)), "would start now"),
        (StartEstimate(NOW + timedelta(minutes=20)), "would start about 21:20"),
        (StartEstimate(NOW + timedelta(hours=4)), "would start about 2026-03-02 01:00"),
        (StartEstimate(NOW, ("node-1",), "gpu"), "would start now in gpu on node-1"),
        (StartEstimate(NOW, tuple("abcdef")), "would start now on a, b, c, d and 2 more"),
    ],
)
def test_a_start_is_told_in_the_time_of_whoever_reads(estimate: StartEstimate, words: str) -> None:
    assert describe_estimate(estimate, NOW) == words


def test_a_script_is_told_with_its_problems_below() -> None:
    summary = ScriptSummary((("nodes", "2"), ("time", "4h")), ("gres: no node has 9 GPUs",))
    assert describe_script(summary) == "this script requests   nodes: 2   time: 4h\ngres: no node has 9 GPUs"
    assert describe_script(ScriptSummary(())) == "this script requests nothing"
