"""One machine, asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flow_core.errors import FlowError, ProviderError
from flow_core.providers.hosts.answers import Answer, read_answer, refused
from flow_core.providers.hosts.machines import Machine
from flow_core.providers.hosts.program import question, resident, version

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.hosts import HostPool
    from flow_core.ssh.host import SshHost

ANSWER_S = 30.0


class FarHost:
    """Every question is one command, which ends with its answer."""

    def __init__(self, machine: Machine, pool: HostPool) -> None:
        self.machine = machine
        self._pool = pool

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def region(self) -> str:
        return self.machine.region or self.machine.name

    async def ssh(self) -> SshHost:
        """Raises ConfigError, Unreachable."""
        found = await self._pool.find(self.machine.name)
        return self._pool.of(self.machine.settle(found.settings))

    async def ask(self, call: str, *words: str, timeout_s: float = ANSWER_S) -> Answer:
        """Raises what `SshHost` does, and the refusals of `answers.refused`."""
        answer = await self._ask(call, words, timeout_s)
        if answer.refusal == ("agent",):
            await self._ask("install_agent", (version(), resident()), timeout_s)
            answer = await self._ask(call, words, timeout_s)
        if answer.refusal:
            raise refused(self.name, answer.refusal)
        return answer

    async def _ask(self, call: str, words: tuple[str, ...], timeout_s: float) -> Answer:
        host = await self.ssh()
        data = question(call, *words)
        ended = await host.run("exec /bin/sh", timeout_s=timeout_s, stdin=data)
        if ended.is_cut:
            raise ProviderError(f"{self.name!r} answered with more than anybody could read")
        return read_answer(ended.stdout, self.name, ended.stderr)


async def ask_all(
    hosts: Sequence[FarHost], call: str, *words: str, timeout_s: float = ANSWER_S
) -> tuple[dict[FarHost, Answer], dict[FarHost, FlowError]]:
    """What those say that answer, and why the others don't; no longer than the slowest may take."""

    async def ask(far: FarHost) -> Answer | FlowError:
        try:
            return await far.ask(call, *words, timeout_s=timeout_s)
        except FlowError as error:
            return error

    pairs = list(zip(hosts, await asyncio.gather(*map(ask, hosts)), strict=True))
    answers = {far: answer for far, answer in pairs if isinstance(answer, Answer)}
    return answers, {far: answer for far, answer in pairs if isinstance(answer, FlowError)}
