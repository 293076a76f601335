"""Parses the reports of a machine's agent about its tasks, and converts them to records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flow_core.agent.ids import is_task_id
from flow_core.agent.record_fields import LAST_TIMESTAMP, Fields
from flow_core.agent.task_report import TaskReport
from flow_core.errors import printable
from flow_core.models.task import TaskRecord
from flow_core.providers.over_agent.task_conversion import to_record
from flow_core.ssh.settings import HostSettings


def read_reports(rows: Iterable[Any]) -> dict[str, TaskReport]:
    """Parses the tasks of a response, by id. A task that can't be parsed is broken; rows without an id are dropped."""
    reports: dict[str, TaskReport] = {}
    for row in rows:
        task_id = row.get("task_id") if isinstance(row, dict) else None
        if isinstance(task_id, str) and is_task_id(task_id):
            reports[task_id] = _parse_report(task_id, row)
    return reports


def _parse_report(task_id: str, row: dict[str, Any]) -> TaskReport:
    try:
        return TaskReport.parse(row)
    except ValueError as error:
        message = f"its record is broken: {printable(str(error))}"
        return TaskReport(task_id, task_id, "failed", message=message, is_broken=True)


def read_changes(changes: Any) -> tuple[int, bool, dict[str, TaskReport], tuple[str, ...]]:
    """Parses a `changes` response. Raises ValueError.

    Returns the scan number, whether the list is complete, the reports, and the removed ids.
    """
    fields = Fields(changes)
    reports = read_reports(fields.tables("tasks"))
    return fields.whole("look", minimum=1), fields.flag("is_all"), reports, fields.texts("gone")


def parse_earlier_note(changes: Any) -> str:
    """Returns the advice about tasks that an earlier program left there; "" if there are none. Raises ValueError."""
    earlier = Fields(Fields(changes).table("earlier"))
    count, folder = earlier.whole("count", 0), earlier.text("folder", "")
    if not count:
        return ""
    return (
        f"an earlier flow left {count} task{'' if count == 1 else 's'} in {printable(folder)}, which this one can't"
        " read; cancel them with that one, or remove the folder once none of them runs"
    )


def to_host_record(report: TaskReport, context: str, machine: str, region: str, settings: HostSettings) -> TaskRecord:
    """Converts a report to a record. `machine` is the user's name for the machine, `settings` its SSH address."""
    record = to_record(_convert_times(report), context, region)
    details = {"host": machine, "rank": report.part, "pid": None, **record.provider_metadata}
    if report.is_broken:
        return replace(record, instances=(machine,), provider_metadata=details)
    return replace(
        record,
        num_instances=max(report.ranks, report.parts),
        endpoints=_make_endpoints(record.endpoints, settings.hostname),
        instances=(machine,),
        processes=tuple(replace(process, host=machine) for process in record.processes),
        ssh_host=settings.hostname,
        ssh_port=settings.port,
        ssh_user=settings.user,
        provider_metadata=details,
    )


def _convert_times(report: TaskReport) -> TaskReport:
    """Converts times of the machine's clock to the clock of the client that submitted the task."""
    if report.submitted_at is None or report.created_at is None:
        return report
    ahead = report.created_at - report.submitted_at
    return report._replace(
        created_at=report.submitted_at,
        started_at=_convert_time(report.started_at, ahead, report.submitted_at),
        completed_at=_convert_time(report.completed_at, ahead, report.submitted_at),
    )


def _convert_time(remote_time: float | None, ahead: float, not_before: float) -> float | None:
    return None if remote_time is None else min(max(remote_time - ahead, not_before), LAST_TIMESTAMP)


def _make_endpoints(endpoints: Mapping[str, str], address: str) -> dict[str, str]:
    host = f"[{address}]" if ":" in address else address
    return {port: f"http://{host}:{port}" for port in endpoints}
