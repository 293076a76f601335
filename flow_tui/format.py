"""Formats models as the words on the screen. No side effects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from flow_core.filters.task_words import get_run_time_s
from flow_core.models.task import TaskRecord, TaskStatus

if TYPE_CHECKING:
    from flow_core.models.instance import AvailableInstance

GLYPHS = {
    TaskStatus.PENDING: "◌",
    TaskStatus.RUNNING: "●",
    TaskStatus.PAUSED: "◫",
    TaskStatus.PREEMPTING: "▲",
    TaskStatus.COMPLETED: "✔",
    TaskStatus.FAILED: "✖",
    TaskStatus.CANCELLED: "○",
}


def state(task: TaskRecord) -> str:
    """Formats the state as a glyph and a word, so that colour is never the only sign."""
    return f"{GLYPHS[task.status]} {task.status.value}"


def duration(seconds: float | None) -> str:
    """Formats a duration with at most two units: "4s", "3m10s", "2h05m", "3d4h"; "-" for None."""
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600}h"


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """Formats how long ago a moment was. A moment in the future counts as now."""
    return "-" if moment is None else duration(((now or datetime.now(UTC)) - moment).total_seconds())


def ran_for(task: TaskRecord, now: datetime | None = None) -> str:
    """Formats how long the task has run, or ran."""
    return duration(get_run_time_s(task, now))


def time_limit(task: TaskRecord) -> str:
    """Formats the longest run time of a task, or else the one that was requested; "" if there is none."""
    hours = task.config.get("max_run_time_hours")
    requested_s = hours * 3600 if isinstance(hours, int | float) else None
    limit_s = requested_s if task.time_limit_s is None else task.time_limit_s
    return "" if limit_s is None else duration(limit_s)


def attempt(task: TaskRecord) -> str:
    """Formats the attempt, counted from 1: "2 of 4" if the task has retries; else "2", and "" for the first one."""
    retries = task.config.get("retries")
    more = retries.get("max_retries") if isinstance(retries, Mapping) else retries
    if isinstance(more, int) and more > 0:
        return f"{task.attempt + 1} of {more + 1}"
    return str(task.attempt + 1) if task.attempt else ""


def size(size_gb: int) -> str:
    """Formats a size in gigabytes, or in terabytes from 1,024 GB on: "100 GB", "2.0 TB"."""
    return f"{size_gb / 1024:.1f} TB" if size_gb >= 1024 else f"{size_gb} GB"


def short_size(size_gb: int) -> str:
    """Formats a size for a narrow column: "100G", "2.0T"."""
    return size(size_gb).replace(" ", "").removesuffix("B")


def disk_size(count: int) -> str:
    """Formats a number of bytes in decimal units: "512 B", "4.1 kB", "12.3 MB"."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{count} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def price(usd_per_hour: Decimal | float | None) -> str:
    return "-" if usd_per_hour is None else f"{usd_per_hour:.2f}"


def hourly(usd: Decimal | float) -> str:
    """Formats USD per hour: "$1,234.50/h"."""
    return f"${usd:,.2f}/h"


def sums(usd: Decimal, instances: int) -> str:
    """Formats the hourly cost of `instances` instances: per instance and in total."""
    return f"{hourly(usd)} per instance, {hourly(usd * instances)} total" if instances != 1 else hourly(usd)


def gpu_price(instance: AvailableInstance) -> str:
    """Formats the price per GPU, in USD per hour; "-" without GPUs or without a price."""
    return price(instance.price_per_hour / instance.gpu_count or None) if instance.gpu_count else "-"


def free_of(instance: AvailableInstance) -> str:
    """Formats the number of free GPUs: "1 of 4"; "-" if the provider reports none, also for a type without GPUs."""
    if instance.free_gpus is None:
        return "-"
    return str(instance.free_gpus) if instance.total_gpus is None else f"{instance.free_gpus} of {instance.total_gpus}"
