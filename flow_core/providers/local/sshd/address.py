"""The user name of a task over SSH, and the command that enters it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.ids import TASK_ID
from flow_core.providers.local.sshd.server_files import SshFolder, find_running_server
from flow_core.ssh.quoting import build_identity_option, quote_option

if TYPE_CHECKING:
    from flow_core.agent.task_report import TaskReport
    from flow_core.models.task import TaskRecord

HOST = "127.0.0.1"
HOST_ALIAS = "flow-local"
_USER = rf"({TASK_ID})(?:\+(0|[1-9][0-9]{{0,5}}))?"


def format_user_name(task_id: str, node: int = 0) -> str:
    """Returns the user name of a node of a task: the task's id, with "+1" for node 1."""
    return f"{task_id}+{node}" if node else task_id


def parse_user_name(user: str) -> tuple[str, int] | None:
    """Parses such a user name; None for any other name."""
    match = re.fullmatch(_USER, user)
    return None if match is None else (match[1], int(match[2] or 0))


def build_ssh_command(folder: SshFolder, port: int, user: str) -> str:
    """Returns the `ssh` command, ready to paste, with flow's key and flow's host key as the only accepted one.

    Raises ConfigError for a state directory whose name can't be passed to ssh.
    """
    options = [
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={quote_option(folder.known_hosts)}",
        f"HostKeyAlias={HOST_ALIAS}",
        "StrictHostKeyChecking=yes",
    ]
    flags = [word for option in options for word in ("-o", option)]
    return shlex.join(["ssh", *build_identity_option(folder.client_key), *flags, "-p", str(port), f"{user}@{HOST}"])


def find_ssh_port(tasks: Iterable[TaskReport], root: Path) -> int | None:
    """Returns the port of the server; None if none runs, or if none of the tasks does. Does blocking I/O."""
    if not any(task.is_running for task in tasks):
        return None
    server = find_running_server(SshFolder.of(root))
    return None if server is None else server.port


def add_ssh_address(record: TaskRecord, port: int | None) -> TaskRecord:
    """Adds the server's address to the record of a running task. `port` is None if no server runs."""
    if port is None:
        return record
    return replace(record, ssh_host=HOST, ssh_port=port, ssh_user=format_user_name(record.task_id))
