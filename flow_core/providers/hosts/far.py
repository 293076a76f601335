"""One machine, asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flow_core.errors import FlowError, ProviderError, Unreachable
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
        machine, key = self.machine, self.machine.key_file
        found = await self._pool.find(
            machine.name,
            hostname=machine.hostname,
            user=machine.user,
            port=machine.port,
            login_timeout_s=machine.login_timeout_s,
        )
        if key is None:
            return found
        settings = replace(found.settings, identity_files=(key,))
        return self._pool.of(settings, login_timeout_s=machine.login_timeout_s)

    async def ask(self, call: str, *words: str, timeout_s: float = ANSWER_S) -> Answer:
        """Raises what `SshHost` does, and the refusals of `answers.refused`."""
        answer = await self._ask(call, words, timeout_s)
        if answer.refusal == ("agent",):
            await self._ask("install_agent", (version(), resident()), timeout_s)
            answer = await self._ask(call, words, timeout_s)
        if answer.refusal:
            raise refused(self.name, answer.refusal, answer.said)
        return answer

    async def _ask(self, call: str, words: tuple[str, ...], timeout_s: float) -> Answer:
        host = await self.ssh()
        data = question(call, *words)
        ended = await host.run("exec /bin/sh", timeout_s=timeout_s, stdin=data)
        if ended.is_cut:
            raise ProviderError(f"{self.name!r} sent an answer that is too long")
        return read_answer(ended.stdout, self.name, ended.stderr)


async def ask_all(
    hosts: Sequence[FarHost], call: str, *words: str, patience_s: float = ANSWER_S
) -> tuple[dict[FarHost, Answer], dict[FarHost, FlowError]]:
    """What those say that answer, and why the others don't. Once one has answered, none is waited for any longer
    than `patience_s`."""
    asking = {far: asyncio.create_task(_ask(far, call, words)) for far in hosts}
    try:
        if asking:
            await asyncio.wait(asking.values(), timeout=patience_s)
        while not any(_answer(one) for one in asking.values()) and not all(one.done() for one in asking.values()):
            await asyncio.wait([one for one in asking.values() if not one.done()], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in asking.values():
            one.cancel()
        await asyncio.gather(*asking.values(), return_exceptions=True)
    answers = {far: answer for far, one in asking.items() if (answer := _answer(one)) is not None}
    late = f"did not answer within {patience_s:g} s"
    silent = {far: _error(one) or Unreachable(f"{far.name!r} {late}") for far, one in asking.items()}
    return answers, {far: error for far, error in silent.items() if far not in answers}


async def _ask(far: FarHost, call: str, words: tuple[str, ...]) -> Answer | FlowError:
    try:
        return await far.ask(call, *words)
    except FlowError as error:
        return error


def _answer(asked: asyncio.Task[Answer | FlowError]) -> Answer | None:
    if not asked.done() or asked.cancelled():
        return None
    result = asked.result()
    return result if isinstance(result, Answer) else None


def _error(asked: asyncio.Task[Answer | FlowError]) -> FlowError | None:
    if not asked.done() or asked.cancelled():
        return None
    result = asked.result()
    return result if isinstance(result, FlowError) else None
