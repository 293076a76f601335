"""The order of writes to two pipes."""

from __future__ import annotations

import pytest

from flow_core.agent.supervisor.output import order_packets

OUT, ERR = 3, 5

BIG = b"x" * 4096


@pytest.mark.parametrize(
    ("written", "out", "err", "kept"),
    [
        ([OUT, ERR, OUT], [b"1", b"3"], [b"2"], b"123"),
        ([OUT, OUT, ERR, OUT], [b"1", b"2", b"4"], [b"3"], b"1234"),
        ([], [b"1"], [b"2"], b"12"),
        ([ERR], [b"2"], [b"1"], b"12"),
        ([OUT, ERR, OUT], [b"3"], [b"2"], b"23"),  # the first write was read before it was told of
        ([OUT, ERR, OUT], [BIG, BIG, b"1", b"3"], [b"2"], BIG + BIG + b"123"),
        ([OUT, ERR, OUT], [BIG, b"3"], [b"2"], BIG + b"23"),
        ([OUT, ERR, OUT], [], [b"2"], b"2"),
    ],
)
def test_packets_are_put_in_the_order_that_is_told(written, out, err, kept):
    assert b"".join(data for _, data in order_packets(written, {OUT: out, ERR: err})) == kept
