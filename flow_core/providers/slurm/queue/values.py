"""Parses the values that squeue, sacct and scontrol print. A value that can't be read counts as unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from flow_core.logs.escape import escape_controls

_NONE = frozenset({"", "(null)", "N/A", "n/a", "None", "NONE", "Unknown", "None assigned", "INVALID"})
_DURATION = re.compile(r"(?:(\d{1,6})-)?(\d{1,6})(?::(\d{1,2}))?(?::(\d{1,2}))?(?:\.\d+)?")
_MEMORY = re.compile(r"(\d{1,12}(?:\.\d+)?)([KMGTP]?)[A-Za-z]*")
_MB = {"K": 1 / 1024, "M": 1, "": 1, "G": 1024, "T": 1024**2, "P": 1024**3}
_NUMBER_DIGITS = 18
_OOM_SIGNAL = 125
_SIGNALS_MAX = 64
_TEXT_CHARACTERS = 4096


def clean(text: str) -> str:
    """Returns a printed text; "" for the words by which Slurm prints that there is none."""
    return "" if text in _NONE else text[:_TEXT_CHARACTERS]


@lru_cache(maxsize=4096)
def clean_label(text: str) -> str:
    """Returns a text for one line of the screen: only printable characters, at most 256."""
    label = escape_controls(clean(text)[:256])
    if label.isprintable():
        return label
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in label)


def parse_number(text: str) -> int | None:
    """Parses a decimal number."""
    return int(text) if text.isdecimal() and len(text) <= _NUMBER_DIGITS else None


@lru_cache(maxsize=8192)
def parse_time(text: str) -> datetime | None:
    """Parses a time as printed with TZ=UTC0, such as 2026-03-01T14:20:00."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return moment if 1971 <= moment.year <= 9000 else None  # near the ends of the calendar, conversions fail


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> int | None:
    """Parses days-hours:minutes:seconds, hours:minutes:seconds or minutes:seconds. Returns seconds."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    days, *clock = found.groups()
    parts = [int(part) for part in clock if part is not None]
    if days is None and len(parts) < 3:
        parts.insert(0, 0)  # without days, the first of two numbers is minutes
    hours, minutes, seconds = [*parts, 0, 0][:3]
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


@lru_cache(maxsize=1024)
def parse_memory_mb(text: str) -> int | None:
    """Parses an amount of memory such as 512M, 1.50G or 4Gn. Returns MiB; None for 0, which means all of a node."""
    found = _MEMORY.fullmatch(text)
    if found is None:
        return None
    return round(float(found[1]) * _MB[found[2]]) or None


@dataclass(frozen=True, slots=True)
class Resources:
    """The trackable resources of a job, in total. `gpu_type` is the site's name."""

    gpu_count: int = 0
    gpu_type: str | None = None
    memory_mb: int | None = None
    cpu_count: int | None = None


@lru_cache(maxsize=4096)
def parse_tres(text: str) -> Resources:
    """Parses a list such as cpu=8,mem=16G,gres/gpu:a100=4, or the requests gres:gpu:a100:4 and gres/gpu:4."""
    untyped = 0
    typed: dict[str, int] = {}
    memory_mb = cpu_count = None
    for part in text.split(","):
        name, _, amount = part.partition("=")
        if name == "mem":
            memory_mb = parse_memory_mb(amount)
        elif name == "cpu":
            cpu_count = parse_number(amount)
        elif (gpu := _parse_gpu(part)) is not None:
            gpu_type, count = gpu
            if gpu_type:
                typed[gpu_type] = typed.get(gpu_type, 0) + count
            else:
                untyped += count
    return Resources(max(untyped, sum(typed.values())), next(iter(typed), None), memory_mb, cpu_count)


def _parse_gpu(part: str) -> tuple[str, int] | None:
    """Parses one request or amount of GPUs: (type or "", count); None for any other resource."""
    words = part.strip().removeprefix("gres:").removeprefix("gres/").split("(", 1)[0].replace("=", ":").split(":")
    if words[0] != "gpu":
        return None
    count = parse_number(words[-1]) if len(words) > 1 else None
    names = words[1:] if count is None else words[1:-1]
    return clean_label(names[0]) if names else "", min(1 if count is None else count, 1_000_000)


def parse_exit(text: str) -> tuple[int | None, int]:
    """Parses the EXIT:SIGNAL of sacct and scontrol. Returns (exit code, signal); (None, 0) if it can't be read."""
    code, _, signal = text.partition(":")
    number = parse_number(code)
    return (None, 0) if number is None else (number, _check_signal(parse_number(signal) or 0))


def split_wait_status(text: str) -> tuple[int | None, int]:
    """Splits the wait status that squeue prints: 768 is exit code 3, and 15 is signal 15. Also takes EXIT:SIGNAL."""
    if ":" in text:
        return parse_exit(text)
    number = parse_number(text)
    return (None, 0) if number is None else (number >> 8 & 0xFF, _check_signal(number & 0x7F))


def _check_signal(number: int) -> int:
    """Returns the signal; 0 for the number by which Slurm marks a job without memory, which is no signal."""
    return 0 if number == _OOM_SIGNAL or number > _SIGNALS_MAX else number
