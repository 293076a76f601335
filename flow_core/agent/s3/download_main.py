"""The program that downloads a task's data. It is a separate process, so that the supervisor doesn't load boto3.

Its argument is the task's folder. It ends when its standard input ends, which happens when the supervisor ends. It
writes its progress to standard output as lines "progress ...", and at the end "fetched" or "failed ...".
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path

from flow_core.agent.layout import TaskFolder
from flow_core.agent.s3.errors import DownloadError
from flow_core.agent.s3.progress import DownloadProgress, format_bytes
from flow_core.agent.s3.staging import read_s3_mounts

_SPARE_BYTES = 1 << 26  # for the records and logs of all tasks on that disk


def main() -> None:
    """Downloads the data and exits; running transfers end with the process."""
    threading.Thread(target=_exit_with_stdin, daemon=True).start()
    os.umask(0o022)  # containers may read the files as any user; the mode of the task's folder protects them
    progress = DownloadProgress(sys.stdout.fileno())
    try:
        _download(TaskFolder(Path(sys.argv[1])), progress)
    except DownloadError as error:
        progress.end(f"failed {error}")
        os._exit(1)
    progress.end("fetched")
    os._exit(0)


def _download(task: TaskFolder, progress: DownloadProgress) -> None:
    """Downloads all data of the task. Raises DownloadError."""
    mounts = read_s3_mounts(task)
    addresses = " and ".join(mount["s3"] for mount in mounts)
    if importlib.util.find_spec("boto3") is None:
        raise DownloadError(f"{addresses} can't be fetched: {sys.executable} has no boto3; install boto3 for it")
    from flow_core.agent.s3.address_download import S3Download, create_s3_client  # lazy import: it needs boto3

    client = create_s3_client(addresses)
    downloads = [S3Download(client, mount["s3"], Path(mount["source"]), progress) for mount in mounts]
    for download in downloads:
        download.list_objects()
    _check_free_space(task.copies, addresses, sum(download.total_bytes for download in downloads))
    for download in downloads:
        download.download()


def _check_free_space(folder: Path, addresses: str, needed_bytes: int) -> None:
    """Raises DownloadError if the disk has too little room."""
    disk = os.statvfs(folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    if needed_bytes + _SPARE_BYTES > free_bytes:
        why = f"it takes {format_bytes(needed_bytes)} and {format_bytes(free_bytes)} are free in {folder}"
        raise DownloadError(f"{addresses} can't be fetched: {why}; make room, or mount less")


def _exit_with_stdin() -> None:
    os.read(0, 1)
    os._exit(1)
