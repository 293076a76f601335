"""Writes the sentence that sums up the cause of a failed run."""

from __future__ import annotations

import re

LONGEST_SUMMARY = 200
_XIDS = {
    13: "graphics exception, often an illegal access of the program",
    31: "memory page fault, often an illegal access of the program",
    48: "double-bit ECC error",
    61: "internal microcontroller halt",
    62: "internal microcontroller halt",
    63: "ECC page retirement or row remapping",
    64: "ECC page retirement or row remapping failed",
    74: "NVLink error",
    79: "GPU has fallen off the bus",
    92: "high rate of single-bit ECC errors",
    94: "contained ECC error",
    95: "uncontained ECC error",
    109: "context switch timeout",
    119: "GSP timeout",
    120: "GSP error",
    149: "NVLink error",
}
_ALLOCATION = re.compile(r"[Tt]ried to allocate ([\d.]+ ?\w+)")
_XID = re.compile(r"Xid \(([^)]*)\): (\d{1,4})")
_NCCL_WORK = re.compile(r"SeqNum=(\d+), OpType=(\w+)")
_NCCL_TIME = re.compile(r"ran for (\d+) milliseconds")
_ASSERTION = re.compile(r"Assert\w*")


def quote(line: str, limit: int = LONGEST_SUMMARY) -> str:
    """Returns the line itself, shortened."""
    line = line.strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def describe_allocation(line: str) -> str:
    size = _ALLOCATION.search(line)
    return f"CUDA ran out of memory: it could not allocate {size[1]}." if size else quote(line)


def describe_xid(line: str) -> str:
    found = _XID.search(line)
    if found is None:
        return quote(line)
    meaning = f" ({_XIDS[int(found[2])]})" if int(found[2]) in _XIDS else ""
    return f"The driver of GPU {found[1]} reported Xid {found[2]}{meaning}."


def describe_timeout(line: str) -> str:
    work, ran = _NCCL_WORK.search(line), _NCCL_TIME.search(line)
    what = f"NCCL {work[2]} number {work[1]}" if work else "An NCCL collective"
    after = f" after {int(ran[1]) // 1000:,} s" if ran else ""
    return f"{what} timed out{after}: not every rank took part."


def describe_assertion(line: str) -> str:
    """Leaves out the place in the code before the assertion, which may be long."""
    found = _ASSERTION.search(line)
    return quote(line[found.start() :] if found else line)


def join_chain(first: str, last: str) -> str:
    """Returns the first exception of a chain and the last one."""
    half = LONGEST_SUMMARY // 2
    return f"{quote(first.partition('; then ')[0], half)}; then {quote(last, half)}"
