"""Pure: models -> the words on screen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

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
    """A glyph and the word, so that colour is never the only sign."""
    return f"{GLYPHS[task.status]} {task.status.value}"


def duration(seconds: float | None) -> str:
    """Two units at most: 4s, 3m10s, 2h05m, 3d4h."""
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
    """How long ago; a clock that was set back counts as now."""
    return "-" if moment is None else duration(((now or datetime.now(UTC)) - moment).total_seconds())


def ran_for(task: TaskRecord, now: datetime | None = None) -> str:
    """How long the task has run, or ran."""
    if task.started_at is None:
        return "-"
    return duration(((task.completed_at or now or datetime.now(UTC)) - task.started_at).total_seconds())


def gpus(task: TaskRecord) -> str:
    """2xA100, or - for a task without one."""
    return f"{task.gpu_count}x{(task.gpu_type or 'gpu').upper()}" if task.gpu_count else "-"


def attempt(task: TaskRecord) -> str:
    """From 1: "2 of 4" where retries were asked for, "2" after another one, "" for the only one."""
    retries = task.config.get("retries")
    more = retries.get("max_retries") if isinstance(retries, Mapping) else retries
    if isinstance(more, int) and more > 0:
        return f"{task.attempt + 1} of {more + 1}"
    return str(task.attempt + 1) if task.attempt else ""


def note(task: TaskRecord) -> str:
    """What there is to say beyond the status: why it waits, how it ended."""
    if task.message:
        return task.message.removeprefix(f"{task.status.value}, ")
    return f"exit {task.exit_code}" if task.exit_code else ""


def size(size_gb: int) -> str:
    """Gigabytes, from 1,024 on terabytes."""
    return f"{size_gb / 1024:.1f}T" if size_gb >= 1024 else f"{size_gb}G"


def disk_size(count: int) -> str:
    """Bytes, in steps of a thousand: 512 B, 4.1 kB, 12.3 MB."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{count} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def price(usd_per_hour: Decimal | float | None) -> str:
    return "-" if usd_per_hour is None else f"{usd_per_hour:.2f}"


def hourly(usd: Decimal | float) -> str:
    """$1,234.50/h."""
    return f"${usd:,.2f}/h"


def sums(usd: Decimal, instances: int) -> str:
    """What so many instances cost an hour, each and in all."""
    return f"{hourly(usd)} each, {hourly(usd * instances)} in all" if instances != 1 else hourly(usd)


def gpu_price(instance: AvailableInstance) -> str:
    """USD per hour and GPU."""
    return price(instance.price_per_hour / instance.gpu_count) if instance.gpu_count else "-"


def free_of(instance: AvailableInstance) -> str:
    """How many GPUs are free: "1 of 4", or - where there are none or the provider doesn't say."""
    if instance.free_gpus is None:
        return "-"
    return str(instance.free_gpus) if instance.total_gpus is None else f"{instance.free_gpus} of {instance.total_gpus}"
