"""Resources that several ranks of one supervisor need. Never loaded for a single rank."""

from __future__ import annotations

import resource
import socket

from flow_core.agent.supervisor.rank_environment import HEAD

_FILES_PER_RANK, _OWN_FILES = 6, 64


class RankResources:
    """The file limit and the ports of several ranks under one supervisor."""

    def __init__(self, ranks: int) -> None:
        self._limits = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = ranks * _FILES_PER_RANK + _OWN_FILES
        if resource.RLIM_INFINITY != soft < needed:
            new_soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (new_soft, hard))

    def restore_limits(self) -> None:
        """Restores the limits in a rank's own process: the raised limit is for the supervisor only."""
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)

    def find_free_port(self) -> int:
        """Returns a port for the rendezvous of the ranks that no process uses now."""
        with socket.socket() as probe:
            probe.bind((HEAD, 0))
            port: int = probe.getsockname()[1]
            return port
