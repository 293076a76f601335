"""Converts an agent's report of a task to a TaskRecord."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flow_core.agent.task_report import TaskReport
from flow_core.agent.utc_time import to_utc_datetime
from flow_core.models.task import MainProcess, TaskRecord, TaskStatus, VolumeMount


def to_record(report: TaskReport, context: str, region: str) -> TaskRecord:
    """Converts the report of a task. `region` is the region of its machine."""
    status = TaskStatus(report.status)
    volumes = tuple(VolumeMount(*volume) for volume in report.volumes)
    if report.is_broken:
        return TaskRecord(context, report.task_id, report.name, status, message=report.message, volumes=volumes)
    return TaskRecord(
        context=context,
        task_id=report.task_id,
        name=report.name,
        status=status,
        command=report.command,
        created_at=_to_datetime(report.created_at),
        started_at=_to_datetime(report.started_at),
        completed_at=_to_datetime(report.completed_at),
        num_instances=report.ranks,
        instance_type=report.instance_type,
        gpu_type=report.gpu_type,
        gpu_count=report.gpu_count,
        region=region,
        exit_code=report.exit_code,
        message=report.message,
        owner=report.owner,
        attempt=report.attempt,
        volumes=volumes,
        endpoints=_make_endpoints(report) if report.is_running else {},
        processes=_convert_processes(report),
        config=report.config,
        provider_metadata=_collect_details(report),
    )


def _convert_processes(report: TaskReport) -> tuple[MainProcess, ...]:
    containers = (*report.containers, *("" for _ in report.pids))
    return tuple(
        MainProcess(pid, container=container, engine=report.engine or "" if container else "")
        for pid, container in zip(report.pids, containers, strict=False)
    )


def _collect_details(report: TaskReport) -> dict[str, Any]:
    """Collects the provider details; of a task with an image also the engine, and the containers while it runs."""
    container_fields = {} if report.engine is None else {"engine": report.engine, "containers": report.containers}
    return {
        "folder": report.folder,
        "working_dir": report.working_dir,
        "pid": report.pids[0] if report.pids else None,
        **({"pids": report.pids} if len(report.pids) > 1 else {}),
        "gpus": report.gpus,
        "reservation": report.reservation,
        **container_fields,
    }


def _make_endpoints(report: TaskReport) -> dict[str, str]:
    """Returns the address of each port of the task."""
    return {str(port): f"http://127.0.0.1:{port}" for port in report.ports}


def _to_datetime(seconds: float | None) -> datetime | None:
    return None if seconds is None else to_utc_datetime(seconds)
