"""The program that fetches a task's data, in a process of its own: what boto3 loads is no burden to the supervisor.

Arguments: the task's folder, and a descriptor that ends with whoever waits for us. It says on its standard
output what it is at ("say ..."), and last "fetched" or "failed ...".
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path

from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import read_json
from flow_core.agent.s3.copies import copies_among
from flow_core.agent.s3.report import FetchError, Report, amount

_SPARE_BYTES = 1 << 26  # for the records and logs of everybody on that disk


def main() -> None:
    """Never returns; transfers that still run end with the process."""
    folder, tie = sys.argv[1:3]
    threading.Thread(target=_end_with, args=(int(tie),), daemon=True).start()
    os.umask(0o022)  # the task's folder keeps strangers out; whoever a container runs as may read what is in it
    report = Report(sys.stdout.fileno())
    try:
        _fetch(TaskFolder(Path(folder)), report)
    except FetchError as error:
        report.end(f"failed {error}")
        os._exit(1)
    report.end("fetched")
    os._exit(0)


def _fetch(task: TaskFolder, report: Report) -> None:
    """Raises FetchError."""
    mounts = copies_among((read_json(task.mounts) or {}).get("mounts", []))
    addresses = " and ".join(mount["s3"] for mount in mounts)
    if importlib.util.find_spec("boto3") is None:
        raise FetchError(f"{addresses} can't be fetched: {sys.executable} has no boto3; pip install 'flow-tui[s3]'")
    from flow_core.agent.s3.copy import S3Copy, s3_client  # deferred: it needs boto3

    client = s3_client(addresses)
    copies = [S3Copy(client, mount["s3"], Path(mount["source"]), report) for mount in mounts]
    for copy in copies:
        copy.look()
    _check_room(task.copies, addresses, sum(copy.total_bytes for copy in copies))
    for copy in copies:
        copy.fetch()


def _check_room(folder: Path, addresses: str, wanted_bytes: int) -> None:
    """Raises FetchError."""
    found = os.statvfs(folder)
    free_bytes = found.f_bavail * found.f_frsize
    if wanted_bytes + _SPARE_BYTES > free_bytes:
        needed = f"it takes {amount(wanted_bytes)} and {amount(free_bytes)} are free in {folder}"
        raise FetchError(f"{addresses} can't be fetched: {needed}; make room, or mount less")


def _end_with(tie: int) -> None:
    os.read(tie, 1)
    os._exit(1)
