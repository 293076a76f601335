"""From a task whose turn has come to its running main processes. Standard library only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_core.providers.local.keeper import Keeper
from flow_core.providers.local.launch import Launch, LaunchError
from flow_core.providers.local.leases import GpuLocks
from flow_core.providers.local.ledger import Ledger
from flow_core.providers.local.mounting import Mounting
from flow_core.providers.local.ranks import environment, share

if TYPE_CHECKING:
    from flow_core.providers.local.gathering import Gathering

_PIPES_BYTES, _PIPE_BYTES = 1 << 20, 1 << 16  # what one user may have of it is limited


class Starter:
    """Starts the ranks of one task, in order; once for each attempt."""

    def __init__(self, ledger: Ledger, mounting: Mounting) -> None:
        self._ledger = ledger
        self._mounting = mounting
        self._gathering: Gathering | None = None
        if ledger.ranks > 1:
            from flow_core.providers.local.gathering import Gathering  # deferred: a submit would wait for `socket`

            self._gathering = Gathering(ledger.ranks)

    def start(self, keeper: Keeper, locks: GpuLocks) -> None:
        """Returns once every rank runs and the record says so.

        Raises LaunchError; the keeper then has the ranks that were started before.
        """
        state = self._ledger.state
        self._mounting.take()
        state.started_at = state.started_at or self._ledger.clock.now()
        if self._gathering is not None:
            state.master_port = self._gathering.free_port()
        for rank in range(self._ledger.ranks):
            try:
                keeper.add(self._launch(rank, locks).start())
            except LaunchError as error:
                raise self._of_rank(error, rank) from error
        state.children = keeper.identities
        state.status, state.message = "running", self._mounting.notice
        self._ledger.write()

    def _launch(self, rank: int, locks: GpuLocks) -> Launch:
        return Launch(
            argv=self._ledger.spec["argv"],
            env={**self._environment(rank), **self._mounting.environment()},
            working_dir=self._ledger.state.working_dir,
            mounts=self._mounting.mounts(),
            staging=self._mounting.staging,
            inherited_fds=locks.fds,
            pipe_bytes=max(_PIPES_BYTES // self._ledger.ranks, _PIPE_BYTES),
            restore=None if self._gathering is None else self._gathering.restore_limits,
        )

    def _environment(self, rank: int) -> dict[str, str]:
        spec, task, gpus, state = self._ledger.spec, self._ledger.task, self._ledger.spec["gpus"], self._ledger.state
        mine = share(state.gpus, rank, self._ledger.ranks)
        env = {**os.environ, **environment(spec, rank, len(mine), state.master_port), **spec["env"]}
        env.update(FLOW_TASK_ID=task.task_id, FLOW_TASK_NAME=spec["name"])
        env.update(FLOW_TASK_DIR=str(task.path), FLOW_TASK_MARK=spec["mark"])
        if mine:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus["visible"][gpu_id] for gpu_id in mine)
        elif gpus["hide"]:
            env["CUDA_VISIBLE_DEVICES"] = ""
        return env

    def _of_rank(self, error: LaunchError, rank: int) -> LaunchError:
        if self._ledger.ranks == 1:
            return error
        return LaunchError(f"rank {rank}: {error}", error.exit_code)
