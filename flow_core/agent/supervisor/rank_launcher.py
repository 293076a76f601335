"""Starts the main processes of a task that has its GPUs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flow_core.agent.capacity import orphan_gpus
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.supervisor.attempt import RunningAttempt
from flow_core.agent.supervisor.launch_error import LaunchError
from flow_core.agent.supervisor.process_launch import ProcessLaunch
from flow_core.agent.supervisor.rank_environment import (
    DEFAULT_ENVIRONMENT,
    TERMINAL_ENVIRONMENT,
    rank_environment,
    select_rank_gpus,
)
from flow_core.agent.supervisor.state_writer import TaskStateWriter
from flow_core.agent.supervisor.task_mounts import TaskMounts

if TYPE_CHECKING:
    from flow_core.agent.containers.container_task import ContainerTask
    from flow_core.agent.supervisor.rank_resources import RankResources


class RankLauncher:
    """The launcher of the ranks of one task: starts them in order, once per attempt."""

    def __init__(
        self, writer: TaskStateWriter, mounts: TaskMounts, container_task: ContainerTask | None = None
    ) -> None:
        self._writer = writer
        self._mounts = mounts
        self._container_task = container_task
        self._resources: RankResources | None = None
        if writer.ranks > 1:
            from flow_core.agent.supervisor.rank_resources import RankResources

            self._resources = RankResources(writer.ranks)

    def start(self, attempt: RunningAttempt, locks: GpuLocks) -> None:
        """Starts every rank; returns once all run and the record shows it.

        Raises LaunchError; the attempt then contains the ranks that were started before.
        """
        state = self._writer.state
        self._mounts.finalize()
        state.started_at = state.started_at or self._writer.clock.now()
        if self._resources is not None:
            state.master_port = self._resources.find_free_port()
        for rank in range(self._writer.ranks):
            try:
                attempt.add(self._launch(rank, locks)._replace(open_channel=attempt.open_channel).start())
            except LaunchError as error:
                raise self._add_rank(error, rank) from error
        state.children = attempt.identities
        state.status, state.message = "running", self._mounts.notice
        self._writer.write()

    def _launch(self, rank: int, locks: GpuLocks) -> ProcessLaunch:
        rank_gpus = select_rank_gpus(self._writer.state.gpus, rank, self._writer.ranks)
        env = {**self._environment(rank, rank_gpus), **self._mounts.build_environment()}
        launch = (
            self._process_launch(env, locks)
            if self._container_task is None
            else self._container_launch(self._container_task, rank, env, rank_gpus)
        )
        return launch._replace(restore=None if self._resources is None else self._resources.restore_limits)

    def _process_launch(self, env: dict[str, str], locks: GpuLocks) -> ProcessLaunch:
        task = self._writer.task
        return ProcessLaunch(
            argv=self._writer.spec.argv,
            env={**os.environ, **env, "FLOW_TASK_DIR": str(task.path), "FLOW_TASK_MARK": self._writer.spec.mark},
            working_dir=self._writer.state.working_dir,
            mounts=self._mounts.get_namespace_mounts(),
            staging=self._mounts.staging,
            inherited_fds=locks.fds,
        )

    def _container_launch(
        self, container_task: ContainerTask, rank: int, env: dict[str, str], gpus: Sequence[str]
    ) -> ProcessLaunch:
        """Returns the launch of a container. It sees only its own GPUs, so it needs no list of them."""
        if not self._writer.spec.gpus.real:
            gpus = ()
        elif gpus:
            env = {name: value for name, value in env.items() if name != "CUDA_VISIBLE_DEVICES"}
        return container_task.launch(rank, env, self._mounts.get_container_binds(), gpus)

    def _environment(self, rank: int, rank_gpus: Sequence[str]) -> dict[str, str]:
        """Returns the variables of this task and rank."""
        spec, gpus, state = self._writer.spec, self._writer.spec.gpus, self._writer.state
        rank_variables = rank_environment(spec, rank, len(rank_gpus), state.master_port)
        env = {**DEFAULT_ENVIRONMENT, **(TERMINAL_ENVIRONMENT if spec.tty else {}), **rank_variables, **spec.env}
        env.update(FLOW_TASK_ID=self._writer.task.task_id, FLOW_TASK_NAME=spec.name)
        if rank_gpus:
            env[orphan_gpus.VARIABLE] = orphan_gpus.make_orphan_mark(self._writer.task, rank_gpus)
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus.visible[gpu_id] for gpu_id in rank_gpus)
        elif gpus.hide:
            env["CUDA_VISIBLE_DEVICES"] = ""
        return env

    def _add_rank(self, error: LaunchError, rank: int) -> LaunchError:
        if self._writer.ranks == 1:
            return error
        return LaunchError(f"rank {rank}: {error}", error.exit_code)
