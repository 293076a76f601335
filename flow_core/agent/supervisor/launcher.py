"""From a task whose turn has come to its running main processes. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flow_core.agent.capacity import orphan_gpus
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.supervisor.attempt import RunningAttempt
from flow_core.agent.supervisor.launch import LaunchError, ProcessLaunch
from flow_core.agent.supervisor.mounting import TaskMounts
from flow_core.agent.supervisor.ranks import (
    DEFAULT_ENVIRONMENT,
    TERMINAL_ENVIRONMENT,
    rank_environment,
    select_rank_gpus,
)
from flow_core.agent.supervisor.task_state import TaskStateWriter

if TYPE_CHECKING:
    from flow_core.agent.containers.container_task import ContainerTask
    from flow_core.agent.supervisor.rlimits import RankResources


class RankLauncher:
    """Starts the ranks of one task, in order; once for each attempt."""

    def __init__(self, ledger: TaskStateWriter, mounting: TaskMounts, contained: ContainerTask | None = None) -> None:
        self._ledger = ledger
        self._mounting = mounting
        self._contained = contained
        self._gathering: RankResources | None = None
        if ledger.ranks > 1:
            from flow_core.agent.supervisor.rlimits import RankResources

            self._gathering = RankResources(ledger.ranks)

    def start(self, keeper: RunningAttempt, locks: GpuLocks) -> None:
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
                keeper.add(self._launch(rank, locks)._replace(open_channel=keeper.open_channel).start())
            except LaunchError as error:
                raise self._of_rank(error, rank) from error
        state.children = keeper.identities
        state.status, state.message = "running", self._mounting.notice
        self._ledger.write()

    def _launch(self, rank: int, locks: GpuLocks) -> ProcessLaunch:
        mine = select_rank_gpus(self._ledger.state.gpus, rank, self._ledger.ranks)
        env = {**self._environment(rank, mine), **self._mounting.environment()}
        launch = (
            self._outside(env, locks) if self._contained is None else self._inside(self._contained, rank, env, mine)
        )
        return launch._replace(restore=None if self._gathering is None else self._gathering.restore_limits)

    def _outside(self, env: dict[str, str], locks: GpuLocks) -> ProcessLaunch:
        task = self._ledger.task
        return ProcessLaunch(
            argv=self._ledger.spec.argv,
            env={**os.environ, **env, "FLOW_TASK_DIR": str(task.path), "FLOW_TASK_MARK": self._ledger.spec.mark},
            working_dir=self._ledger.state.working_dir,
            mounts=self._mounting.mounts(),
            staging=self._mounting.staging,
            inherited_fds=locks.fds,
        )

    def _inside(self, contained: ContainerTask, rank: int, env: dict[str, str], gpus: Sequence[str]) -> ProcessLaunch:
        """In a container: of the machine's GPUs it sees only those it is given, so it needs no list of them."""
        if not self._ledger.spec.gpus.real:
            gpus = ()
        elif gpus:
            env = {name: value for name, value in env.items() if name != "CUDA_VISIBLE_DEVICES"}
        return contained.launch(rank, env, self._mounting.binds(), gpus)

    def _environment(self, rank: int, mine: Sequence[str]) -> dict[str, str]:
        """What is this task's own."""
        spec, gpus, state = self._ledger.spec, self._ledger.spec.gpus, self._ledger.state
        told = rank_environment(spec, rank, len(mine), state.master_port)
        env = {**DEFAULT_ENVIRONMENT, **(TERMINAL_ENVIRONMENT if spec.tty else {}), **told, **spec.env}
        env.update(FLOW_TASK_ID=self._ledger.task.task_id, FLOW_TASK_NAME=spec.name)
        if mine:
            env[orphan_gpus.VARIABLE] = orphan_gpus.orphan_mark(self._ledger.task, mine)
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus.visible[gpu_id] for gpu_id in mine)
        elif gpus.hide:
            env["CUDA_VISIBLE_DEVICES"] = ""
        return env

    def _of_rank(self, error: LaunchError, rank: int) -> LaunchError:
        if self._ledger.ranks == 1:
            return error
        return LaunchError(f"rank {rank}: {error}", error.exit_code)
