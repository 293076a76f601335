"""Classifies a line: a cause of a failure, a mere consequence of a failure elsewhere, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from flow_core.logs.analysis.cause_kinds import CauseKind, Finding, Likelihood
from flow_core.logs.analysis.cause_sentences import (
    describe_allocation,
    describe_assertion,
    describe_timeout,
    describe_xid,
    quote,
)

_LONGEST_LINE = 2000
_TABLE: tuple[tuple[CauseKind, Likelihood, str, str | Callable[[str], str]], ...] = (
    (
        CauseKind.INTERRUPTED,
        Likelihood.CONSEQUENCE,
        r"KeyboardInterrupt|SIGTERM|SignalException|[Rr]eceived signal 15",
        quote,
    ),
    (
        CauseKind.CONNECTION_LOST,
        Likelihood.CONSEQUENCE,
        r"remote process exited|ncclRemoteError|[Cc]onnection (?:was )?(?:reset|refused|closed|aborted)|Broken pipe"
        r"|BrokenPipeError|ECONNRESET|EngineDeadError|Engine core initialization failed|DistNetworkError|DistStoreError"
        r"|recvValue failed|NCCL communicator was aborted|RayActorError|ActorDiedError|WorkerCrashedError"
        r"|Engine process failed to start|engine is (?:already )?dead",
        quote,
    ),
    (
        CauseKind.EXCEPTION,
        Likelihood.CONSEQUENCE,
        r"ChildFailedError|non-zero exit status|caused by previous Xid|ProcessRaisedException|ProcessExitedException",
        quote,
    ),
    (
        CauseKind.CUDA_OUT_OF_MEMORY,
        Likelihood.CAUSE,
        r"(?:CUDA|HIP|XPU) out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation"
        r"|RESOURCE_EXHAUSTED: Out of memory|No available memory for the cache blocks",
        describe_allocation,
    ),
    (
        CauseKind.HOST_OUT_OF_MEMORY,
        Likelihood.CAUSE,
        r"oom[-_]kill|out of memory: Killed|Out of memory: Kill|OOM ?Killed|is killed by signal: Killed|std::bad_alloc"
        r"|(?:\b|Array)MemoryError\b|DefaultCPUAllocator: |Cannot allocate memory|node running low on memory"
        r"|killed due to memory pressure|srun: error: .*: Out Of Memory$",
        "The machine or the memory limit of the task ran out of memory.",
    ),
    (CauseKind.XID, Likelihood.CONSEQUENCE, r"NVRM: Xid \([^)]*\): 4[35],", describe_xid),  # follow a failure or an end
    (CauseKind.XID, Likelihood.CAUSE, r"NVRM: Xid \(", describe_xid),
    (
        CauseKind.SHARED_MEMORY,
        Likelihood.CAUSE,
        r"out of shared memory|is killed by signal: Bus error|No space left on device.{0,80}/dev/shm"
        r"|/dev/shm.{0,80}No space left on device",
        "The shared memory (/dev/shm) is full.",
    ),
    (CauseKind.DISK_FULL, Likelihood.CAUSE, r"No space left on device|[Qq]uota exceeded|\[Errno (?:28|122)\]", quote),
    (
        CauseKind.MISSING_MODULE,
        Likelihood.CAUSE,
        r"ModuleNotFoundError|No module named |cannot open shared object file|command not found$|ImportError: ",
        quote,
    ),
    (CauseKind.MISSING_FILE, Likelihood.CAUSE, r"FileNotFoundError|No such file or directory", quote),
    (
        CauseKind.PERMISSION,
        Likelihood.CAUSE,
        r"PermissionError|Permission denied|GatedRepoError|\b40[13] Client Error",
        quote,
    ),
    (
        CauseKind.CUDA_ERROR,
        Likelihood.CAUSE,
        r"CUDA (?:driver )?error: |cuDNN error|CUBLAS_STATUS_|CUDNN_STATUS_|uncorrectable ECC error",
        quote,
    ),
    (CauseKind.ASSERTION, Likelihood.CAUSE, r"AssertionError|Assertion .{1,200} failed", describe_assertion),
    (
        CauseKind.SEGMENTATION_FAULT,
        Likelihood.CAUSE,
        r"Segmentation fault|SIGSEGV|\bsegfault at |Segfault encountered",
        "The process crashed with a segmentation fault.",
    ),
    (
        CauseKind.NCCL_TIMEOUT,
        Likelihood.SYMPTOM,
        r"Watchdog caught collective operation timeout",
        describe_timeout,
    ),
    (CauseKind.NCCL_ERROR, Likelihood.SYMPTOM, r"DistBackendError|NCCL error in", quote),
    (CauseKind.TIME_LIMIT, Likelihood.SYMPTOM, r"DUE TO TIME LIMIT", "The time limit of the job ended it."),
    (CauseKind.PREEMPTED, Likelihood.SYMPTOM, r"DUE TO PREEMPTION", "The scheduler preempted the job."),
    (CauseKind.CANCELLED, Likelihood.SYMPTOM, r"\bJOB \d+ .*CANCELLED AT", "The job was cancelled."),
    (
        CauseKind.KILLED,
        Likelihood.SYMPTOM,
        r"^Killed$|line \d+: +\d+ Killed\b|return code = -9$",
        "The process was killed (SIGKILL), often because the machine ran out of memory.",
    ),
    (CauseKind.ABORTED, Likelihood.SYMPTOM, r"Bus error|Illegal instruction|\bAborted\b|terminate called ", quote),
)


class CausePattern(NamedTuple):
    """What a line says if it matches: a fixed sentence, or one that is made of the line."""

    kind: CauseKind
    likelihood: Likelihood
    pattern: re.Pattern[str]
    sentence: str | Callable[[str], str]


PATTERNS = tuple(
    CausePattern(kind, likelihood, re.compile(regex), sentence) for kind, likelihood, regex, sentence in _TABLE
)
"""The first that matches decides."""
_HINTS = (
    *("rror", "xception", "of memory", "shared memory", "memory pressure", "low on memory", "kill", "Kill"),
    *("SIGTERM", "SIGSEGV", "onnection", "CONN", "roken pipe", "ailed", "bad_alloc", "PUAlloc", "ot allocate"),
    *("STATUS_", "Xid", "not found", " left on", "uota", "No ", "not open", "enied", "[Errno", " fault"),
    *("egfault", "atchdog", "CANCELLED", "bort", "Illegal", "terminate", "nterrupt", "signal 15", "exited"),
    *("exit status", "code = -9", "Bus ", "dead", "DUE TO", "Traceback", "RROR", "FATAL", "CRIT", "atal: "),
    *("anic", "exitcode", "Root Cause"),
)
"""One of these is in every line that says something. To look for all of them is far faster than the patterns are."""


def is_conspicuous(line: str) -> bool:
    """Whether a line may say something about a failure. Takes about 1 us."""
    return any(map(line.__contains__, _HINTS))


def classify(line: str) -> Finding | None:
    """Returns what a line without its prefix says, or None. Reads only the first 2,000 characters."""
    line = line[:_LONGEST_LINE]
    if not is_conspicuous(line):
        return None
    for kind, likelihood, pattern, sentence in PATTERNS:
        if pattern.search(line):
            return Finding(kind, likelihood, sentence if isinstance(sentence, str) else sentence(line))
    return None


def classify_exception(line: str) -> Finding:
    """Returns what the last line of a traceback says."""
    return classify(line) or Finding(CauseKind.EXCEPTION, Likelihood.CAUSE, quote(line))
