"""How a task is called over SSH, and the command that enters it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.ids import TASK_ID
from flow_core.providers.local.sshd.server_files import SshFolder, running_server
from flow_core.ssh.quoting import identity_words, quote_option

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord

HOST = "127.0.0.1"
HOST_ALIAS = "flow-local"
_USER = rf"({TASK_ID})(?:\+(0|[1-9][0-9]{{0,5}}))?"


def user_of(task_id: str, node: int = 0) -> str:
    """The user name that means a node of a task: its id, and "+1" for node 1."""
    return f"{task_id}+{node}" if node else task_id


def task_and_node(user: str) -> tuple[str, int] | None:
    """What such a user name means; None for any other."""
    found = re.fullmatch(_USER, user)
    return None if found is None else (found[1], int(found[2] or 0))


def ssh_command(folder: SshFolder, port: int, user: str) -> str:
    """The system's ssh, with our key and no trust in any host key but ours; to be typed as it stands.

    Raises ConfigError for a state directory whose name ssh can't be given.
    """
    options = [
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={quote_option(folder.known_hosts)}",
        f"HostKeyAlias={HOST_ALIAS}",
        "StrictHostKeyChecking=yes",
    ]
    flags = [word for option in options for word in ("-o", option)]
    return shlex.join(["ssh", *identity_words(folder.client_key), *flags, "-p", str(port), f"{user}@{HOST}"])


def with_ssh(records: Iterable[TaskRecord], root: Path) -> tuple[TaskRecord, ...]:
    """The records, those of running tasks with the server's address while one lives. Starts none. Blocking."""
    server = running_server(SshFolder.of(root))
    if server is None:
        return tuple(records)
    return tuple(
        replace(record, ssh_host=HOST, ssh_port=server.port, ssh_user=user_of(record.task_id))
        if record.is_running
        else record
        for record in records
    )
