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


def add_ssh_address(records: Iterable[TaskRecord], root: Path) -> tuple[TaskRecord, ...]:
    """Adds the server's address to the records of running tasks, if a server runs. Starts none. Does blocking I/O."""
    server = find_running_server(SshFolder.of(root))
    if server is None:
        return tuple(records)
    return tuple(
        replace(record, ssh_host=HOST, ssh_port=server.port, ssh_user=format_user_name(record.task_id))
        if record.is_running
        else record
        for record in records
    )
