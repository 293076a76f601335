"""From a task whose turn has come to its running main processes. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flow_core.agent.capacity import strangers
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.supervisor.keeper import Keeper
from flow_core.agent.supervisor.launch import Launch, LaunchError
from flow_core.agent.supervisor.ledger import Ledger
from flow_core.agent.supervisor.mounting import Mounting
from flow_core.agent.supervisor.ranks import OF_EVERY_TASK, ON_A_TERMINAL, environment, share

if TYPE_CHECKING:
    from flow_core.agent.containers.contained import Contained
    from flow_core.agent.supervisor.gathering import Gathering


class Starter:
    """Starts the ranks of one task, in order; once for each attempt."""

    def __init__(self, ledger: Ledger, mounting: Mounting, contained: Contained | None = None) -> None:
        self._ledger = ledger
        self._mounting = mounting
        self._contained = contained
        self._gathering: Gathering | None = None
        if ledger.ranks > 1:
            from flow_core.agent.supervisor.gathering import (
                Gathering,  # deferred: a submit would wait for `socket`
            )

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
                keeper.add(self._launch(rank, locks)._replace(outlet=keeper.outlet).start())
            except LaunchError as error:
                raise self._of_rank(error, rank) from error
        state.children = keeper.identities
        state.status, state.message = "running", self._mounting.notice
        self._ledger.write()

    def _launch(self, rank: int, locks: GpuLocks) -> Launch:
        mine = share(self._ledger.state.gpus, rank, self._ledger.ranks)
        env = {**self._environment(rank, mine), **self._mounting.environment()}
        launch = (
            self._outside(env, locks) if self._contained is None else self._inside(self._contained, rank, env, mine)
        )
        return launch._replace(restore=None if self._gathering is None else self._gathering.restore_limits)

    def _outside(self, env: dict[str, str], locks: GpuLocks) -> Launch:
        task = self._ledger.task
        return Launch(
            argv=self._ledger.spec.argv,
            env={**os.environ, **env, "FLOW_TASK_DIR": str(task.path), "FLOW_TASK_MARK": self._ledger.spec.mark},
            working_dir=self._ledger.state.working_dir,
            mounts=self._mounting.mounts(),
            staging=self._mounting.staging,
            inherited_fds=locks.fds,
        )

    def _inside(self, contained: Contained, rank: int, env: dict[str, str], gpus: Sequence[str]) -> Launch:
        """In a container: of the machine's GPUs it sees only those it is given, so it needs no list of them."""
        if not self._ledger.spec.gpus.real:
            gpus = ()
        elif gpus:
            env = {name: value for name, value in env.items() if name != "CUDA_VISIBLE_DEVICES"}
        return contained.launch(rank, env, self._mounting.binds(), gpus)

    def _environment(self, rank: int, mine: Sequence[str]) -> dict[str, str]:
        """What is this task's own."""
        spec, gpus, state = self._ledger.spec, self._ledger.spec.gpus, self._ledger.state
        told = environment(spec, rank, len(mine), state.master_port)
        env = {**OF_EVERY_TASK, **(ON_A_TERMINAL if spec.tty else {}), **told, **spec.env}
        env.update(FLOW_TASK_ID=self._ledger.task.task_id, FLOW_TASK_NAME=spec.name)
        if mine:
            env[strangers.VARIABLE] = strangers.said_by(self._ledger.task, mine)
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus.visible[gpu_id] for gpu_id in mine)
        elif gpus.hide:
            env["CUDA_VISIBLE_DEVICES"] = ""
        return env

    def _of_rank(self, error: LaunchError, rank: int) -> LaunchError:
        if self._ledger.ranks == 1:
            return error
        return LaunchError(f"rank {rank}: {error}", error.exit_code)
