"""Two runs compared by line."""

from __future__ import annotations

import time
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.logs.analysis.line_diff import DiffKind, LinePair, diff_lines
from flow_core.logs.analysis.masking import mask
from flow_core.logs.analysis.text_line import TextLine


@each(
    ("line", "masked"),
    [
        ("2026-01-02 03:04:05,123 - INFO - step 12/100 loss=0.5123", "<time> - INFO - step <n>/<n> loss=<n>"),
        ("Jan  2 03:04:05 gpu4 x[12]: ok", "<time> gpu<n> x[<n>]: ok"),
        ("I0102 03:04:05.123456 12 server.cc:12] x", "I<n> <time> <n> server.cc:<n>] x"),
        ("pid 4242 at 0x7f00deadbeef from 10.0.0.1:4242", "pid <n> at <address> from <address>"),
        ("run 3f2504e0-4f89-11d3-9a0c-0305e82c3301 of 5f3a9c1", "run <id> of <id>"),
        ("wrote /tmp/tmpab12/x.bin, then /data/x.bin", "wrote <path>, then /data/x.bin"),
        ("took 1.23s (1.23s/it, 980 ms, 3 min 2 s), 71.3 GiB", "took <n> (<n>, <n>, <n> <n>), <n>"),
        (" 10%|███▎  | 1/10 [00:01<00:09,  1.00it/s]", "<n>%|<bar> | <n>/<n> [<time><<time>, <n>]"),
        ("lr -1.5e-03  tokens 1,234,567", "lr <n> tokens <n>"),
        ("loss is nan", "loss is nan"),
        ("deadbeef and decade are words", "deadbeef and decade are words"),
        ("", ""),
    ],
)
def test_what_differs_between_runs_is_masked(line: str, masked: str) -> None:
    assert mask(line) == masked


def compare(left: list[str], right: list[str]) -> list[str]:
    pairs = diff_lines(to_lines(left), to_lines(right))
    signs = {DiffKind.SAME: "=", DiffKind.CHANGED: "~", DiffKind.ONLY_LEFT: "<", DiffKind.ONLY_RIGHT: ">"}
    return [f"{signs[pair.kind]} {(pair.left or pair.right or TextLine(0, '')).text}" for pair in pairs]


def to_lines(texts: list[str]) -> list[TextLine]:
    return [TextLine(number, text) for number, text in enumerate(texts)]


def test_lines_that_differ_only_in_numbers_are_the_same() -> None:
    assert compare(["step 1 loss 2.31", "done in 3 s"], ["step 1 loss 2.29", "done in 4 ms"]) == [
        "= step 1 loss 2.31",
        "= done in 3 s",
    ]


def test_the_logs_are_aligned_again_after_a_difference() -> None:
    left = ["start", "use flash attention", "loss 1", "loss 2", "save the model", "end"]
    right = ["start", "use eager attention", "loss 1", "loss 2", "loss 3", "warning: slow", "save the model", "end"]
    assert compare(left, right) == [
        "= start",
        "~ use flash attention",
        "= loss 1",
        "= loss 2",
        "> loss 3",
        "> warning: slow",
        "= save the model",
        "= end",
    ]


def test_lines_that_are_missing_at_the_end_are_on_one_side_only() -> None:
    assert compare(["a", "b", "c"], ["a"]) == ["= a", "< b", "< c"]
    assert compare([], ["a"]) == ["> a"]
    assert compare([], []) == []


def test_a_difference_in_repeated_lines_is_bridged() -> None:
    left = ["step"] * 50 + ["other left thing"] + ["ping", "pong", "ding"] * 40
    right = ["step"] * 50 + ["quite different text", "and more"] + ["ping", "pong", "ding"] * 40
    assert compare(left, right)[50:54] == ["< other left thing", "> quite different text", "> and more", "= ping"]
    assert set(compare(left, right)[53:]) == {"= ping", "= pong", "= ding"}


@given(
    st.lists(st.sampled_from(["step", "loss", "a b c", "a b d", "x y", "eval", ""]), max_size=60),
    st.lists(st.sampled_from(["step", "loss", "a b c", "a b d", "x y", "eval", ""]), max_size=60),
)
def test_every_line_is_in_exactly_one_pair_and_in_order(left: list[str], right: list[str]) -> None:
    pairs = list(diff_lines(to_lines(left), to_lines(right)))
    assert [pair.left for pair in pairs if pair.left] == to_lines(left)
    assert [pair.right for pair in pairs if pair.right] == to_lines(right)
    assert all(is_consistent(pair) for pair in pairs)


def is_consistent(pair: LinePair) -> bool:
    if pair.left is None or pair.right is None:
        return pair.kind is (DiffKind.ONLY_RIGHT if pair.left is None else DiffKind.ONLY_LEFT)
    is_same = mask(pair.left.text) == mask(pair.right.text)
    return pair.kind is (DiffKind.SAME if is_same else DiffKind.CHANGED)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60))
def test_a_log_is_the_same_as_itself(texts: list[str]) -> None:
    assert all(pair.kind is DiffKind.SAME for pair in diff_lines(to_lines(texts), to_lines(texts)))


def test_only_a_window_of_each_log_is_read_ahead() -> None:
    read = count()
    left = (TextLine(next(read), f"{'ab' * (number % 7)} left") for number in range(10**9))
    right = (TextLine(number, f"{'cd' * (number % 7)} right") for number in range(10**9))
    next(diff_lines(left, right))
    assert next(read) <= 8192


def test_the_time_is_linear_where_nothing_is_equal() -> None:
    def measure(size: int) -> float:
        left = [TextLine(number, f"left {'xyz'[number % 3]} {'abc'[number % 2]}") for number in range(size)]
        right = [TextLine(number, f"quite other {'uvw'[number % 3]}") for number in range(size)]
        start = time.process_time()
        assert sum(1 for _ in diff_lines(left, right)) == 2 * size
        return time.process_time() - start

    measure(1000)
    assert measure(8000) < 8 * max(measure(2000), 0.01)
