"""Collects the facts of a task as labelled texts in sections. Omits unknown facts. No side effects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flow_core.filters.task_words import describe_gpus
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.bid_prices import PRICES, format_margin, get_bid_prices
from flow_tui.keymap import Keymap
from flow_tui.panes.tasks.elements import collect_element_facts, format_exit_code
from flow_tui.redact import HIDDEN, redact

_LONGEST = 20_000
_SECRET_NAME = re.compile(r"key|token|secret|passw|passphrase|pwd$|credential|cookie|auth|dsn$", re.IGNORECASE)
# Fields with identifiers and paths: a machine's id in a folder, a digest in an image, a region, a GPU's UUID.
_IDENTIFIERS = frozenset({
    "folder", "working_dir", "path", "mount_path", "target", "code_root", "image", "region", "host", "hosts",
    "gpus", "containers", "engine", "instances", "instance_type", "instance_type_id", "instance_status", "bid_status",
    "volume_id", "reservation", "reservation_id", "name",
})  # fmt: skip
_OWN_SECTION = {
    "name", "unique_name", "command", "instance_type", "env", "volumes", "working_dir",
    "max_run_time_hours", "num_instances", "region", "provider_options", "image", "reservation_id", "data_mounts",
}  # fmt: skip


class FactRow(NamedTuple):
    """A fact. Its section and label together identify it."""

    section: str
    label: str
    value: str


def collect_facts(
    task: TaskRecord, keys: Keymap, now: datetime | None = None, *, cause: str = ""
) -> tuple[FactRow, ...]:
    """Collects the facts in the order in which they are shown. `cause` is that of its failure, as its logs tell it."""
    moment = now or datetime.now(UTC)
    cost = {"Cost": _cost_facts(task)}
    sections: dict[str, Iterator[tuple[str, str]]] = {
        "State": _state_facts(task, cause),
        "Elements": collect_element_facts(task) if task.elements else iter(()),
        "Bid": _bid_facts(task, keys),
        **(cost if task.bid is not None else {}),
        "Times": _time_facts(task, moment),
        "Task": _task_facts(task),
        "Endpoints": ((f"port {port}", address) for port, address in task.endpoints.items()),
        "Volumes": ((volume.name or volume.volume_id, volume.mount_path) for volume in task.volumes),
        "Mounts": _mount_facts(task.config.get("data_mounts")),
        "Environment": _environment_facts(task.config.get("env")),
        **cost,  # a section that is there already keeps its place, beside the bid
        "Provider details": _table_facts(
            {key: value for key, value in task.provider_metadata.items() if key not in PRICES}
        ),
    }
    return tuple(
        FactRow(section, label, _shorten(value)) for section, rows in sections.items() for label, value in rows if value
    )


def mask(name: str, value: str, *, is_field: bool = False) -> str:
    """Hides the value if its name denotes a secret; otherwise redacts it.

    `is_field` is for the program's own fields, some of which contain identifiers; users choose the other names.
    """
    if value and _SECRET_NAME.search(name):
        return HIDDEN
    return redact(value, guess=not (is_field and name in _IDENTIFIERS))


def _state_facts(task: TaskRecord, cause: str) -> Iterator[tuple[str, str]]:
    yield "state", format.state(task)
    if task.exit_code is not None:
        yield "exit code", format_exit_code(task.exit_code)
    yield "message", task.message
    yield "cause", cause
    yield "held", "yes: it waits until you release it" if task.is_held else ""
    yield "attempt", _format_attempt(task)


def _format_attempt(task: TaskRecord) -> str:
    """Formats the attempt. Without retries, a later attempt means that the command was started again."""
    attempt = format.attempt(task)
    return f"{attempt} (started again)" if attempt.isdecimal() else attempt


def _time_facts(task: TaskRecord, now: datetime) -> Iterator[tuple[str, str]]:
    yield "submitted", _format_time(task.created_at)
    yield "started", _format_time(task.started_at)
    yield "ended", _format_time(task.completed_at)
    if task.created_at and (task.started_at or not task.is_terminal):
        waited = (task.started_at or now) - task.created_at
        yield "time in queue", format.duration(waited.total_seconds())
    if task.started_at and (task.completed_at or not task.is_terminal):
        yield "run time", format.ran_for(task, now)
    yield "time limit", format.time_limit(task)


def _task_facts(task: TaskRecord) -> Iterator[tuple[str, str]]:
    yield "name", task.name
    yield "id", task.task_id
    yield "context", task.context
    yield "owner", task.owner
    yield "region", task.region
    yield "command", task.command
    yield "directory", str(task.config.get("working_dir") or "")
    yield "instance type", task.instance_type
    yield "GPUs", describe_gpus(task) if task.gpu_count else "none"
    if task.num_instances > 1:
        ranks = "ranks 0 and 1" if task.num_instances == 2 else f"ranks 0 to {task.num_instances - 1}"
        yield "instances", f"{task.num_instances} ({ranks})"
    yield "machines", ", ".join(task.instances)
    yield "image", mask("image", str(task.config.get("image") or ""), is_field=True)
    yield "reservation", str(task.config.get("reservation_id") or "")
    yield from _table_facts({key: value for key, value in task.config.items() if key not in _OWN_SECTION})


def _mount_facts(mounts: object) -> Iterator[tuple[str, str]]:
    """Yields the mounts by target. Data of a bucket is a copy: writes to it stay on the machine."""
    for mount in mounts if isinstance(mounts, list) else ():
        source = str(mount.get("source") or "")
        yield str(mount.get("target") or ""), redact(source) + (" (a copy)" if source.startswith("s3://") else "")


def _environment_facts(env: object) -> Iterator[tuple[str, str]]:
    if isinstance(env, Mapping):
        for name, value in env.items():
            yield str(name), mask(str(name), str(value)) or "(empty)"


def _bid_facts(task: TaskRecord, keys: Keymap) -> Iterator[tuple[str, str]]:
    """Yields the facts of the task's bid and its margin; none without a market."""
    bid = get_bid_prices(task)
    if bid.limit is None:
        return
    yield "status", task.bid.status if task.bid is not None else ""
    yield "price limit", format.sums(bid.limit, task.num_instances)
    if bid.market is not None:
        yield "market price", format.sums(bid.market, task.num_instances)
        yield "margin", format_margin(bid.limit, bid.market)
    billed = format.hourly(task.billed_usd_per_hour or 0)
    ended = f"; the command has ended: press {keys.written('tasks.cancel')} to end the machines"
    yield "current cost", billed + (ended if task.is_still_billed else "")


def _cost_facts(task: TaskRecord) -> Iterator[tuple[str, str]]:
    if task.price_usd_per_hour is None:
        yield "price", "unknown" if get_bid_prices(task).limit is not None else "none (this context bills nothing)"
        return
    yield "price", format.hourly(task.price_usd_per_hour) + (" per instance" if task.num_instances > 1 else "")
    if task.cost_usd is not None:
        yield "cost so far", f"${task.cost_usd:,.2f}"


def _table_facts(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the entries that aren't empty."""
    for name, value in table.items():
        if value not in (None, "", [], {}, ()):
            text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
            yield str(name), mask(str(name), text, is_field=True)


def _shorten(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n… and {len(text) - _LONGEST:,} more characters"


def _format_time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
