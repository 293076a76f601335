"""The kinds of causes of a failed run, and what a line of its log says about them."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple


class CauseKind(StrEnum):
    """Why a run failed."""

    CUDA_OUT_OF_MEMORY = "CUDA out of memory"
    HOST_OUT_OF_MEMORY = "out of memory"
    XID = "GPU error"
    CUDA_ERROR = "CUDA error"
    SEGMENTATION_FAULT = "segmentation fault"
    SHARED_MEMORY = "out of shared memory"
    DISK_FULL = "disk full"
    MISSING_MODULE = "missing module"
    MISSING_FILE = "missing file"
    PERMISSION = "permission denied"
    ASSERTION = "assertion"
    EXCEPTION = "exception"
    KILLED = "killed"
    NCCL_TIMEOUT = "NCCL timeout"
    NCCL_ERROR = "NCCL error"
    TIME_LIMIT = "time limit"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    CONNECTION_LOST = "connection lost"
    INTERRUPTED = "interrupted"
    ERROR_LINE = "error"


class Likelihood(IntEnum):
    """How likely it is that a failure began with this. Less is likelier."""

    CAUSE = 0
    SYMPTOM = 1
    """Something else may have led to it, without a message of its own."""
    CONSEQUENCE = 2
    """Processes print this when another one has failed."""
    ERROR_LINE = 3


class Finding(NamedTuple):
    """What a line says. `summary` is one sentence without the rank."""

    kind: CauseKind
    likelihood: Likelihood
    summary: str
