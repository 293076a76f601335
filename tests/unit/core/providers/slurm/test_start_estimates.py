"""What sbatch prints of a start, as an estimate."""

from __future__ import annotations

from datetime import UTC, datetime

from testbed.tables import each

from flow_core.models.scheduling import StartEstimate
from flow_core.providers.slurm.scheduling import parse_start

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
START = "2026-11-30T09:14:02"


@each(
    ("text", "nodes", "region"),
    [
        (f"sbatch: Job 17 to start at {START} using 1 processors on nodes node1 in partition gpu\n", ("node1",), "gpu"),
        (f"Job 17 to start at {START} using 24 processors on node[1-3]", ("node1", "node2", "node3"), ""),
        (f"Welcome!\nsbatch: Job 17 to start at {START}\n", (), ""),
        (f"sbatch: Job 17 to start at {START} using 1 processors on nodes n\x07 in partition p\x1b", ("n␇",), "p␛"),
    ],
)
def test_the_start_and_its_place_are_read(text: str, nodes: tuple[str, ...], region: str) -> None:
    estimate = parse_start(text, NOW)
    assert estimate is not None
    assert estimate.starts_at == datetime(2026, 11, 30, 9, 14, 2, tzinfo=UTC)
    assert (estimate.nodes, estimate.region) == (nodes, region)


@each("text", ["", "sbatch: error", "Job 25 to start at 2367-03-04T01:03:43 using 3 processors on nodes node[1-3]"])
def test_a_start_that_nobody_knows_is_none(text: str) -> None:
    assert parse_start(text, NOW) is None


def test_an_estimate_has_what_was_printed() -> None:
    text = "Job 1 to start at 2026-11-30T09:14:02 using 1 processors on nodes a in partition b"
    assert parse_start(text, NOW) == StartEstimate(datetime(2026, 11, 30, 9, 14, 2, tzinfo=UTC), ("a",), "b")
