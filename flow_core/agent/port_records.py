"""The records of reserved ports: the task that each port of this machine belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import MalformedRecord, read_known


def release_ports(task: TaskFolder, ports: Iterable[int]) -> None:
    """Releases the ports that are reserved for this task. Calling it again is safe."""
    for port in ports:
        if read_port_record(task.root, port)[0].get("task") == task.name_in_records:
            make_record_path(task.root, port).unlink(missing_ok=True)


def read_port_record(root: Path, port: int) -> tuple[dict[str, Any], str]:
    """Returns the known fields of the reservation of a port, and a sentence if there may be more; otherwise ""."""
    try:
        data, problem = read_known(make_record_path(root, port))
        return data or {}, problem
    except MalformedRecord as error:
        return {}, str(error)


def make_record_path(root: Path, port: int) -> Path:
    return root / "ports" / f"{port}.json"
