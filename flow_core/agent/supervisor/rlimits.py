"""What several ranks need of the machine they share. Standard library only; never loaded for a single rank."""

from __future__ import annotations

import resource
import socket

from flow_core.agent.supervisor.ranks import HEAD

_FILES_A_RANK, _FILES_OF_OURS = 6, 64


class RankResources:
    """So many ranks under one supervisor."""

    def __init__(self, ranks: int) -> None:
        self._limits = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = ranks * _FILES_A_RANK + _FILES_OF_OURS
        if resource.RLIM_INFINITY != soft < needed:
            wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def restore_limits(self) -> None:
        """For a rank's own process: the files that we allowed ourselves are not for the task."""
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)

    def free_port(self) -> int:
        """A port to meet at, which nobody uses now."""
        with socket.socket() as probe:
            probe.bind((HEAD, 0))
            port: int = probe.getsockname()[1]
            return port
