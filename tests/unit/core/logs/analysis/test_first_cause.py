"""The first real cause of a failed run, and not its consequences."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from testbed import failed_runs
from testbed.places import ROOT
from testbed.source_files import read_source
from testbed.tables import each

from flow_core.logs.analysis.cause_kinds import CauseKind
from flow_core.logs.analysis.cause_patterns import PATTERNS, is_conspicuous
from flow_core.logs.analysis.first_cause import FirstCause, find_first_cause
from flow_core.logs.analysis.plain_lines import read_lines
from flow_core.logs.analysis.text_line import TextLine

KILLED = "The process was killed (SIGKILL), often because the machine ran out of memory."
OUT_OF_MEMORY = "The machine or the memory limit of the task ran out of memory."


def to_lines(text: str, times: Iterator[int] | None = None) -> list[TextLine]:
    return [
        TextLine(number, line, None if times is None else float(next(times)))
        for number, line in enumerate(text.splitlines())
    ]


def find(text: str) -> FirstCause | None:
    return find_first_cause({0: to_lines(text)}).cause


@each(
    ("text", "cause"),
    [
        (
            failed_runs.TORCHRUN_RANK_2_DIES,
            FirstCause(CauseKind.EXCEPTION, 0, 2, 11, "ValueError: token 50300 is outside of the vocabulary", 3),
        ),
        (failed_runs.TORCHRUN_SIGKILL, FirstCause(CauseKind.KILLED, 0, 11, 22, KILLED)),
        (
            failed_runs.NCCL_WATCHDOG,
            FirstCause(
                CauseKind.NCCL_TIMEOUT,
                0,
                3,
                1,
                "NCCL ALLREDUCE number 1580 timed out after 600 s: not every rank took part.",
            ),
        ),
        (
            failed_runs.VLLM_ENGINE_DIES,
            FirstCause(
                CauseKind.CUDA_OUT_OF_MEMORY,
                0,
                0,
                7,
                "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`.",
                3,
            ),
        ),
        (
            failed_runs.TRAINER_OUT_OF_MEMORY,
            FirstCause(
                CauseKind.CUDA_OUT_OF_MEMORY, 0, 0, 7, "CUDA ran out of memory: it could not allocate 2.00 GiB.", 1
            ),
        ),
        (
            failed_runs.CHAINED_EXCEPTIONS,
            FirstCause(CauseKind.EXCEPTION, 0, 0, 4, "KeyError: 'llama'; then RuntimeError: cannot load the model", 0),
        ),
        (failed_runs.MIXED_RANKS, FirstCause(CauseKind.ASSERTION, 0, 0, 7, "AssertionError: shapes differ", 0)),
        (
            failed_runs.CUDA_ASSERT,
            FirstCause(CauseKind.ASSERTION, 0, 0, 0, "Assertion `srcIndex < srcSelectDimSize` failed.", 1),
        ),
        (
            failed_runs.SEGMENTATION_FAULT,
            FirstCause(CauseKind.SEGMENTATION_FAULT, 0, 0, 1, "The process crashed with a segmentation fault."),
        ),
        (failed_runs.DEEPSPEED_KILLED, FirstCause(CauseKind.KILLED, 0, 0, 2, KILLED)),
        (failed_runs.SLURM_OUT_OF_MEMORY, FirstCause(CauseKind.HOST_OUT_OF_MEMORY, 0, 0, 1, OUT_OF_MEMORY)),
        (failed_runs.EXCEPTION_GROUP, FirstCause(CauseKind.EXCEPTION, 0, 0, 7, "ValueError: no model", 0)),
        (
            failed_runs.GO_TRACE,
            FirstCause(CauseKind.ERROR_LINE, 0, 0, 0, "panic: runtime error: index out of range [3] with length 3"),
        ),
        (
            failed_runs.SGLANG_SCHEDULER_DIES,
            FirstCause(
                CauseKind.EXCEPTION,
                0,
                0,
                4,
                "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
                1,
            ),
        ),
        (
            failed_runs.RAY_TASK_FAILS,
            FirstCause(CauseKind.EXCEPTION, 0, 0, 8, "ValueError: batch size 4 is not divisible by 8", 2),
        ),
        (
            failed_runs.TEARDOWN_AFTER_FAILURE,
            FirstCause(CauseKind.MISSING_MODULE, 0, 0, 8, "ModuleNotFoundError: No module named 'flash_attn'", 5),
        ),
        (
            failed_runs.SPAWNED_PROCESS_FAILS,
            FirstCause(
                CauseKind.PERMISSION, 0, 0, 9, "PermissionError: [Errno 13] Permission denied: '/data/model.pt'", 6
            ),
        ),
        (
            failed_runs.JSON_SERVER_FAILS,
            FirstCause(
                CauseKind.CUDA_OUT_OF_MEMORY, 0, 0, 2, "CUDA ran out of memory: it could not allocate 2.00 GiB.", 2
            ),
        ),
        ("step 1\nstep 2\n", None),
        ("step 1\n0 errors\nno error\nINFO: Broken pipe of a client\n", None),
        ("", None),
    ],
)
def test_the_first_cause_of_a_run_is_found(text: str, cause: FirstCause | None) -> None:
    assert find(text) == cause


@each(
    ("line", "kind", "summary"),
    [
        (
            "kernel: NVRM: Xid (PCI:0000:cb:00): 79, pid=12, name=python, GPU has fallen off the bus.",
            CauseKind.XID,
            "The driver of GPU PCI:0000:cb:00 reported Xid 79 (GPU has fallen off the bus).",
        ),
        (
            "NVRM: Xid (PCI:0000:cb:00): 45, pid=12, name=python, Ch 00000001",
            CauseKind.XID,
            "The driver of GPU PCI:0000:cb:00 reported Xid 45.",
        ),
        ("Out of memory: Killed process 4242 (python) total-vm:1kB", CauseKind.HOST_OUT_OF_MEMORY, OUT_OF_MEMORY),
        ("Killed", CauseKind.KILLED, KILLED),
        ("run.sh: line 12:  4242 Killed                  python train.py", CauseKind.KILLED, KILLED),
        (
            "OSError: [Errno 28] No space left on device: '/data/ckpt.pt'",
            CauseKind.DISK_FULL,
            "OSError: [Errno 28] No space left on device: '/data/ckpt.pt'",
        ),
        (
            "RuntimeError: DataLoader worker (pid 12) is killed by signal: Bus error.",
            CauseKind.SHARED_MEMORY,
            "The shared memory (/dev/shm) is full.",
        ),
        (
            "RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed.",
            CauseKind.HOST_OUT_OF_MEMORY,
            OUT_OF_MEMORY,
        ),
        ("bash: torchrun: command not found", CauseKind.MISSING_MODULE, "bash: torchrun: command not found"),
        (
            "python: can't open file '/app/train.py': [Errno 2] No such file or directory",
            CauseKind.MISSING_FILE,
            "python: can't open file '/app/train.py': [Errno 2] No such file or directory",
        ),
        (
            "slurmstepd: error: *** JOB 12 ON gpu4 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***",
            CauseKind.TIME_LIMIT,
            "The time limit of the job ended it.",
        ),
        ('{"level":"error","msg":"nan loss","step":420}', CauseKind.ERROR_LINE, "nan loss"),
        ("ERROR: the config has no model", CauseKind.ERROR_LINE, "ERROR: the config has no model"),
        (
            "E0102 03:00:09.9 4000 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: -11)"
            " local_rank: 2 (pid: 4012) of binary: /usr/bin/python3",
            CauseKind.SEGMENTATION_FAULT,
            "The process crashed with a segmentation fault (SIGSEGV).",
        ),
    ],
)
def test_a_single_line_may_be_the_cause(line: str, kind: CauseKind, summary: str) -> None:
    cause = find(f"step 1\n{line}\nsrun: error: gpu4: task 0: Exited with exit code 1\n")
    assert cause is not None
    assert (cause.kind, cause.summary, cause.offset) == (kind, summary, 1)


@each(
    "line",
    [
        "[rank0]: torch.distributed.DistBackendError: NCCL error in: x.cpp:1, remote process exited or a network error",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
        "BrokenPipeError: [Errno 32] Broken pipe",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above).",
        "torch.distributed.elastic.multiprocessing.api.SignalException: Process 1 got signal: 15",
        "KeyboardInterrupt",
    ],
)
def test_a_consequence_is_no_cause_if_another_rank_has_one(line: str) -> None:
    rank = "[rank0]: " if line.startswith("[rank0]") else ""
    consequence = f"{rank}Traceback (most recent call last):\n{rank}  File 'a', line 1, in f\n{line}\n"
    real = "Traceback (most recent call last):\n  File 'a', line 1, in f\nZeroDivisionError: division by zero\n"
    times = count(100)
    logs = {0: to_lines(consequence, times), 1: to_lines(real, times)}
    cause = find_first_cause(logs).cause
    assert cause == FirstCause(CauseKind.EXCEPTION, 1, 1, 2, "ZeroDivisionError: division by zero", 0)
    alone = find_first_cause({0: to_lines(consequence)}).cause
    assert alone is not None
    assert alone.offset == 2


def test_the_earliest_failure_wins_and_without_times_the_lowest_rank() -> None:
    text = "Traceback (most recent call last):\n  File 'a', line 1, in f\nValueError: {}\n"
    early, late = to_lines(text.format("early"), count(10)), to_lines(text.format("late"), count(20))
    cause = find_first_cause({0: late, 1: early}).cause
    assert cause is not None
    assert (cause.log, cause.summary) == (1, "ValueError: early")
    untimed = find_first_cause({0: to_lines(text.format("zero")), 1: to_lines(text.format("one"))}).cause
    assert untimed is not None
    assert (untimed.log, untimed.summary) == (0, "ValueError: zero")


def test_an_error_that_the_program_survived_is_not_the_cause() -> None:
    handled = "Traceback (most recent call last):\n  File 'a', line 1, in f\nValueError: handled\n"
    fatal = "Traceback (most recent call last):\n  File 'a', line 2, in g\nRuntimeError: fatal\n"
    steps = "".join(f"step {number}\n" for number in range(400))
    cause = find(handled + steps + fatal)
    assert cause is not None
    assert cause.summary == "RuntimeError: fatal"
    survived = find(handled + steps)
    assert survived is not None
    assert survived.summary == "ValueError: handled"


def test_dumps_and_bars_after_an_error_are_not_taken_for_work() -> None:
    fatal = "Traceback (most recent call last):\n  File 'a', line 2, in g\nRuntimeError: fatal\n"
    dump = "frame #7: c10::Error::Error()\nnode1:1:2 [0] NCCL INFO channel\n 10%|#  | 1/10\n" * 500
    late = "Traceback (most recent call last):\n  File 'a', line 2, in g\nTypeError: late\n"
    cause = find(fatal + dump + late)
    assert cause is not None
    assert cause.summary == "RuntimeError: fatal"


def test_the_rank_that_torchrun_names_goes_before_an_earlier_one() -> None:
    other = (
        "[rank0]: Traceback (most recent call last):\n[rank0]:   File 'a', line 1, in f\n[rank0]: ValueError: mine\n"
    )
    cause = find(other + failed_runs.TORCHRUN_RANK_2_DIES)
    assert cause is not None
    assert (cause.rank, cause.summary) == (2, "ValueError: token 50300 is outside of the vocabulary")
    unprefixed = failed_runs.TORCHRUN_RANK_2_DIES.replace("[rank2]: ", "").replace("[rank0]: ", "")
    guessed = find(unprefixed)
    assert guessed is not None
    assert (guessed.rank, guessed.offset) == (2, 11)


def test_warnings_are_no_causes() -> None:
    assert find("WARNING: CUDA out of memory, trying a smaller batch\n[W socket.cpp:601] Connection refused\n") is None


def test_the_cause_is_found_in_what_torchrun_really_wrote() -> None:
    recording = ROOT / "tests" / "testbed" / "recordings" / "stored" / "torchrun-failure.out"
    raw = recording.read_bytes()
    cause = find_first_cause({0: read_lines(io.BytesIO(raw), datetime(2026, 12, 1, tzinfo=UTC))}).cause
    assert cause is not None
    assert (cause.kind, cause.rank, cause.summary) == (CauseKind.EXCEPTION, 1, "RuntimeError: loss is not finite")
    assert cause.traceback is not None
    assert raw[cause.traceback :].startswith(b"[rank1]: Traceback")
    assert raw[cause.offset :].startswith(b"[rank1]: RuntimeError")


def test_each_log_is_read_up_to_its_share_of_the_limit() -> None:
    read = count()
    endless = (TextLine(100 * next(read), "step") for _ in range(10**9))
    report = find_first_cause({0: endless, 1: to_lines("Killed\n")}, limit_bytes=2000)
    assert not report.is_complete
    assert next(read) <= 12
    assert report.cause is not None
    assert report.cause.log == 1
    assert find_first_cause({0: to_lines("Killed\n")}).is_complete
    assert find_first_cause({}).cause is None


def test_the_memory_is_bounded_when_everything_is_an_error() -> None:
    lines = (TextLine(number, f"ERROR: number {number}") for number in range(2000))
    report = find_first_cause({0: lines})
    assert report.cause is not None
    assert report.cause.summary == "ERROR: number 0"


@given(st.sampled_from(PATTERNS).flatmap(lambda one: st.from_regex(one.pattern)))
def test_every_line_that_matches_a_pattern_is_conspicuous(line: str) -> None:
    assert is_conspicuous(line)


def test_plain_lines_have_offsets_times_and_the_last_state_of_a_bar() -> None:
    raw = b"2026-01-02 03:04:05 start\r\n 10%|#\r 20%|##\n\x1b[31mred\x1b[0m \xff\n" + b"x" * 200_000 + b"\nlast"
    reference = datetime(2026, 1, 2, tzinfo=UTC)
    lines = list(read_lines(io.BytesIO(raw), reference))
    assert lines[0] == TextLine(0, "2026-01-02 03:04:05 start", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
    assert [line.text for line in lines[1:3]] == [" 20%|##", "red \ufffd"]
    assert len(lines[3].text) == 64 * 1024
    assert lines[4] == TextLine(raw.rindex(b"last"), "last")
    assert next(read_lines(io.BytesIO(raw), reference, start=27)).text == " 20%|##"


def test_the_search_imports_only_the_standard_library_and_the_analysis() -> None:
    """A child process loads it without the rest of the package."""
    folder = ROOT / "flow_core" / "logs" / "analysis"
    names = {"first_cause", "plain_lines"}
    checked: set[str] = set()
    while names - checked:
        name = (names - checked).pop()
        checked.add(name)
        for _, imported in read_source(folder / f"{name}.py").imports:
            if imported.startswith("flow_core"):
                assert imported.startswith("flow_core.logs.analysis."), (name, imported)
                names.add(imported.removeprefix("flow_core.logs.analysis.").partition(".")[0])
    assert len(checked) > 5


PIECES = [line for name, text in vars(failed_runs).items() if name.isupper() for line in text.splitlines()]


@given(st.dictionaries(st.integers(0, 3), st.lists(st.sampled_from([*PIECES, "", "step 1"]) | st.text(max_size=60))))
def test_any_logs_have_a_cause_at_one_of_their_lines_or_none(logs: dict[int, list[str]]) -> None:
    lines = {rank: [TextLine(number, text) for number, text in enumerate(texts)] for rank, texts in logs.items()}
    cause = find_first_cause(lines).cause
    if cause is not None:
        assert cause.offset < len(logs[cause.log])
        assert cause.traceback is None or cause.traceback < len(logs[cause.log])
        assert 0 < len(cause.summary) <= 210
