"""What a machine's agent reports of its tasks, read and made into records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flow_core.agent.ids import is_task_id
from flow_core.agent.record_fields import LAST_TIMESTAMP, Fields
from flow_core.agent.task_report import TaskReport
from flow_core.errors import printable
from flow_core.models.task import TaskRecord
from flow_core.providers.over_agent.task_conversion import record_of
from flow_core.ssh.settings import HostSettings


def read_reports(said: Iterable[Any]) -> dict[str, TaskReport]:
    """Every task of an answer by its id. One that can't be read in full counts as broken; without an id it is none."""
    found: dict[str, TaskReport] = {}
    for one in said:
        task_id = one.get("task_id") if isinstance(one, dict) else None
        if isinstance(task_id, str) and is_task_id(task_id):
            found[task_id] = _read(task_id, one)
    return found


def _read(task_id: str, said: dict[str, Any]) -> TaskReport:
    try:
        return TaskReport.parse(said)
    except ValueError as error:
        message = f"its record is broken: {printable(str(error))}"
        return TaskReport(task_id, task_id, "failed", message=message, is_broken=True)


def read_changes(said: Any) -> tuple[int, bool, dict[str, TaskReport], tuple[str, ...]]:
    """The number of the look, whether it tells of all tasks, those that it tells of, and the ids of those that are
    gone. Raises ValueError."""
    fields = Fields(said)
    reports = read_reports(fields.tables("tasks"))
    return fields.whole("look", least=1), fields.flag("is_all"), reports, fields.texts("gone")


def earlier_in(said: Any) -> str:
    """What is to be done about the tasks that an earlier program left there; "" where there are none.

    Raises ValueError.
    """
    earlier = Fields(Fields(said).table("earlier"))
    count, folder = earlier.whole("count", 0), earlier.text("folder", "")
    if not count:
        return ""
    return (
        f"an earlier flow left {count} task{'' if count == 1 else 's'} in {printable(folder)}, which this one can't"
        " read; cancel them with that one, or remove the folder once none of them runs"
    )


def host_record(report: TaskReport, context: str, machine: str, region: str, reached: HostSettings) -> TaskRecord:
    """`machine` is what it is called here, and `reached` how it is reached."""
    record = record_of(_by_our_clock(report), context, region)
    about = {"host": machine, "rank": report.part, "pid": None, **record.provider_metadata}
    if report.is_broken:
        return replace(record, instances=(machine,), provider_metadata=about)
    return replace(
        record,
        num_instances=max(report.ranks, report.parts),
        endpoints=_endpoints(record.endpoints, reached.hostname),
        instances=(machine,),
        processes=tuple(replace(process, host=machine) for process in record.processes),
        ssh_host=reached.hostname,
        ssh_port=reached.port,
        ssh_user=reached.user,
        provider_metadata=about,
    )


def _by_our_clock(report: TaskReport) -> TaskReport:
    """Times of the machine's clock by the clock of whoever submitted the task."""
    if report.submitted_at is None or report.created_at is None:
        return report
    ahead = report.created_at - report.submitted_at
    return report._replace(
        created_at=report.submitted_at,
        started_at=_moment(report.started_at, ahead, report.submitted_at),
        completed_at=_moment(report.completed_at, ahead, report.submitted_at),
    )


def _moment(there: float | None, ahead: float, not_before: float) -> float | None:
    return None if there is None else min(max(there - ahead, not_before), LAST_TIMESTAMP)


def _endpoints(endpoints: Mapping[str, str], address: str) -> dict[str, str]:
    host = f"[{address}]" if ":" in address else address
    return {port: f"http://{host}:{port}" for port in endpoints}
