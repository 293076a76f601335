"""Tracebacks and dumps that can be folded."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from testbed import failed_runs
from testbed.log_folds import find_folds
from testbed.tables import each

from flow_core.logs.analysis.fold_grammar import FoldKind
from flow_core.logs.analysis.folds import LOOK_AROUND, Fold, FoldFinder
from flow_core.logs.analysis.text_line import TextLine

TRACEBACK, STACK_DUMP, NCCL_DUMP = FoldKind.TRACEBACK, FoldKind.STACK_DUMP, FoldKind.NCCL_DUMP
MOST_FOLDED = 5000


def to_lines(text: str) -> list[TextLine]:
    return [TextLine(number, line) for number, line in enumerate(text.splitlines())]


def span(kind: FoldKind, first: int, last: int, summary: int) -> Fold:
    return Fold(kind, tuple(range(first, last + 1)), summary)


@each(
    ("text", "folds"),
    [
        (
            failed_runs.TORCHRUN_RANK_2_DIES,
            [span(TRACEBACK, 3, 11, 11), span(TRACEBACK, 12, 20, 17), span(TRACEBACK, 24, 31, 31)],
        ),
        (failed_runs.TORCHRUN_SIGKILL, [span(TRACEBACK, 2, 5, 5), span(TRACEBACK, 8, 11, 11)]),
        (failed_runs.NCCL_WATCHDOG, [span(NCCL_DUMP, 1, 13, 1)]),
        (
            failed_runs.VLLM_ENGINE_DIES,
            [span(TRACEBACK, 3, 7, 7), span(TRACEBACK, 9, 12, 12), span(TRACEBACK, 13, 16, 16)],
        ),
        (failed_runs.TRAINER_OUT_OF_MEMORY, [span(TRACEBACK, 1, 7, 7)]),
        (failed_runs.CHAINED_EXCEPTIONS, [span(TRACEBACK, 0, 18, 18)]),
        (failed_runs.MIXED_RANKS, [Fold(TRACEBACK, (0, 1, 2, 3, 4, 6, 7, 8), 8)]),
        (failed_runs.PREFIXED_INTERLEAVED, [Fold(TRACEBACK, (0, 2, 5, 7), 7), Fold(TRACEBACK, (1, 3, 4, 6), 6)]),
        (failed_runs.CUDA_ASSERT, [span(TRACEBACK, 1, 11, 4)]),
        (failed_runs.SEGMENTATION_FAULT, [span(STACK_DUMP, 1, 7, 1)]),
        (failed_runs.JAVA_TRACE, [span(FoldKind.JAVA_TRACE, 1, 6, 4)]),
        (failed_runs.GO_TRACE, [span(FoldKind.GO_TRACE, 0, 7, 0)]),
        (failed_runs.RICH_TRACEBACK, [span(TRACEBACK, 0, 5, 5)]),
        (failed_runs.EXCEPTION_GROUP, [span(TRACEBACK, 0, 8, 7)]),
        (failed_runs.SGLANG_SCHEDULER_DIES, [span(TRACEBACK, 1, 4, 4)]),
        (failed_runs.RAY_TASK_FAILS, [span(TRACEBACK, 2, 8, 8)]),
        (failed_runs.SPAWNED_PROCESS_FAILS, [span(TRACEBACK, 0, 3, 3), span(TRACEBACK, 6, 9, 9)]),
        (failed_runs.DEEPSPEED_KILLED, []),
        ("panic: out of ideas\nstep 2\n", []),
        ("Traceback (most recent call last):\nValueError: 1\n", []),
        ("print('Traceback (most recent call last): x')\n  a\n  b\n", []),
    ],
)
def test_the_lines_of_a_dump_form_a_fold_with_a_summary(text: str, folds: list[Fold]) -> None:
    assert find_folds(to_lines(text)) == folds


def test_the_lines_of_a_message_belong_to_the_traceback() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/app/config.py", line 3, in load\n'
        "pydantic_core.ValidationError: 1 validation error for Config\n"
        "  Input should be a valid integer\n"
        "step 1\n"
    )
    assert find_folds(to_lines(text)) == [span(TRACEBACK, 0, 3, 2)]


def test_a_traceback_without_an_end_does_not_take_the_rest_of_the_log() -> None:
    header = ["Traceback (most recent call last):", '  File "/app/a.py", line 1, in f', "    g()"]
    lines = [TextLine(number, line) for number, line in enumerate(header + ["12 steps done"] * 200)]
    assert find_folds(lines) == [span(TRACEBACK, 0, 2, 0)]
    lines += [TextLine(number, "ValueError: late") for number in (1000, 1001)]
    assert find_folds(lines) == [span(TRACEBACK, 0, 2, 0)]


def test_a_process_that_writes_nothing_for_long_has_ended_its_dump() -> None:
    first = [
        TextLine(0, "[rank1]: Traceback (most recent call last):"),
        TextLine(1, '[rank1]:   File "a", line 1, in f'),
    ]
    first.append(TextLine(2, "[rank1]:     g()"))
    others = [TextLine(3 + number, "step") for number in range(LOOK_AROUND + 1)]
    late = TextLine(9999, "[rank1]: ValueError: x")
    assert find_folds([*first, *others[:-2], late])[0].offsets == (0, 1, 2, 9999)
    assert find_folds([*first, *others, late])[0].offsets == (0, 1, 2)


def test_a_finder_takes_line_by_line_and_reports_each_fold_once() -> None:
    lines = to_lines(failed_runs.TORCHRUN_RANK_2_DIES)
    finder = FoldFinder()
    reported = [(line.offset, fold.offsets[0]) for line in lines for fold in finder.feed(line)]
    assert reported == [(32, 24)]
    assert sorted(fold.offsets[0] for fold in finder.finish()) == [3, 12]
    assert finder.finish() == []


def test_the_memory_of_a_finder_is_bounded() -> None:
    finder = FoldFinder()
    body = ("Traceback (most recent call last):", '  File "a", line 1, in f', "    g()")
    texts = [f"(worker{number} pid={number}) {line}" for number in range(1000) for line in body]
    ended = [fold for number, text in enumerate(texts) for fold in finder.feed(TextLine(number, text))]
    assert (len(ended), len(finder.finish())) == (1000 - 64, 64)
    frames = [TextLine(number, f"frame #{number}: f") for number in range(3 * MOST_FOLDED)]
    assert all(len(fold.offsets) <= MOST_FOLDED for fold in find_folds(frames))


PIECES = [line for name, text in vars(failed_runs).items() if name.isupper() for line in text.splitlines()]


@given(st.lists(st.sampled_from([*PIECES, "", "step 1", "    "]) | st.text(max_size=40), max_size=60))
def test_any_lines_have_folds_of_ordered_lines_and_no_line_is_in_two(texts: list[str]) -> None:
    folds = find_folds(TextLine(number, text) for number, text in enumerate(texts))
    offsets = [offset for fold in folds for offset in fold.offsets]
    assert len(offsets) == len(set(offsets))
    for fold in folds:
        assert list(fold.offsets) == sorted(fold.offsets)
        assert len(fold.offsets) >= 3
        assert fold.summary in fold.offsets


def test_hostile_lines_take_no_time() -> None:
    hostile = ["[" * 50_000, "frame #" * 10_000, "a." * 50_000, " " * 100_000, "f(" * 30_000, "[rank1]: " * 10_000]
    start = time.thread_time()
    find_folds(TextLine(number, text) for number, text in enumerate(hostile * 3))
    find_folds(TextLine(n, text) for n, text in enumerate(["Traceback (most recent call last):", *hostile * 3]))
    assert time.thread_time() - start < 0.5
