"""Times, durations and amounts in the messages about jobs."""

from __future__ import annotations

from datetime import datetime

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def format_moment(moment: datetime, now: datetime) -> str:
    """Formats a time in the zone of this machine: "14:20" today, "Thu 14:20" within six days, or "12 Mar 14:20"."""
    local = moment.astimezone()
    days = (local.date() - now.astimezone().date()).days
    if days == 0:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if 0 < days < 7 else f"{local.day} {local:%b %H:%M}"


def format_duration(seconds: int) -> str:
    """Formats a duration with at most two units, such as "2 h", "90 s" or "1 d 12 h"."""
    if 60 < seconds < 120:
        return f"{seconds} s"
    parts = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def format_memory(memory_mb: int) -> str:
    """Formats an amount of memory as Slurm counts it: "512 MB", "4 GB", "1.5 GB"."""
    return f"{memory_mb} MB" if memory_mb < 1024 else f"{memory_mb / 1024:.1f}".removesuffix(".0") + " GB"
