"""Calls of the agent on one machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flow_core.agent.layout import OVER_SSH
from flow_core.agent.refusals import Refused
from flow_core.config import state_dir
from flow_core.errors import FlowError, Unreachable
from flow_core.providers.hosts.machines import Machine
from flow_core.providers.over_agent.refusals import error_of

if TYPE_CHECKING:
    from flow_core.providers.hosts.agent_connection import AgentLink
    from flow_core.providers.over_ssh.host_pool import HostPool
    from flow_core.ssh.host import SshHost

ANSWER_S = 30.0


class AgentClient:
    """A machine of the settings, and the agent there. `context` is what users call the context."""

    def __init__(self, machine: Machine, pool: HostPool, context: str = "") -> None:
        self.machine = machine
        self._pool = pool
        self._context = context

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def region(self) -> str:
        return self.machine.region or self.machine.name

    @property
    def greeting(self) -> Mapping[str, Any]:
        """The first message of its agent; empty before it has answered once."""
        return self._link.greeting

    @property
    def identity(self) -> tuple[str, str]:
        """The same for one machine by two names: which it is, and where the tasks of its user are."""
        return str(self.greeting.get("machine", "")), str(self.greeting.get("root", ""))

    @property
    def user(self) -> str:
        """The name of our user there; "" before its agent has answered once."""
        return str(self.greeting.get("user", ""))

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

    async def call(self, call: str, timeout_s: float = ANSWER_S, /, **arguments: Any) -> Any:
        """Raises what `SshHost` does, ProviderError, Unreachable, and what the agent's refusal means."""
        try:
            return await self._link.call(call, arguments, timeout_s)
        except Refused as refused:
            raise self.error_of(refused) from None

    async def call_raw(self, call: str, timeout_s: float = ANSWER_S, /, **arguments: Any) -> Any:
        """As `call`, but raises Refused as it is."""
        return await self._link.call(call, arguments, timeout_s)

    def error_of(self, refused: Refused) -> FlowError:
        """People know their context by its name here, not by that of the folder there. It may also be about another."""
        if refused.details.get("context") == OVER_SSH:
            refused.details = {**refused.details, "context": self._context}
        return error_of(refused, repr(self.name))

    async def close(self) -> None:
        if (link := vars(self).get("_link")) is not None:
            await link.close()

    @cached_property
    def _link(self) -> AgentLink:
        from flow_core.providers.hosts.agent_connection import AgentLink
        from flow_core.providers.hosts.found_python import FoundPython  # deferred: reading a config needs neither

        machine = self.machine
        address = " ".join(str(part) for part in (machine.name, machine.hostname, machine.user, machine.port))
        found = FoundPython(machine.python, state_dir().absolute() / "hosts" / "python", address)
        return AgentLink(self.name, self.ssh, found)


async def call_all(
    hosts: Sequence[AgentClient],
    call: str,
    arguments: Callable[[AgentClient], Mapping[str, Any]] = lambda agent: {},
    *,
    patience_s: float = ANSWER_S,
) -> tuple[dict[AgentClient, Any], dict[AgentClient, FlowError]]:
    """The answers of those that answer, and the errors of the others. Once one has answered, waits for the others no
    longer than `patience_s`."""
    asking = {agent: asyncio.create_task(_call(agent, call, arguments(agent))) for agent in hosts}
    try:
        if asking:
            await asyncio.wait(asking.values(), timeout=patience_s)
        while not any(_has_answered(one) for one in asking.values()) and not all(one.done() for one in asking.values()):
            await asyncio.wait([one for one in asking.values() if not one.done()], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in asking.values():
            one.cancel()
        await asyncio.gather(*asking.values(), return_exceptions=True)
    late = f"did not answer within {patience_s:g} s"
    answers: dict[AgentClient, Any] = {}
    silent: dict[AgentClient, FlowError] = {}
    for agent, one in asking.items():
        result = Unreachable(f"{agent.name!r} {late}") if one.cancelled() else one.result()
        if isinstance(result, FlowError):
            silent[agent] = result
        else:
            answers[agent] = result
    return answers, silent


async def _call(agent: AgentClient, call: str, arguments: Mapping[str, Any]) -> Any:
    try:
        return await agent.call(call, **arguments)
    except FlowError as error:
        return error


def _has_answered(asked: asyncio.Task[Any]) -> bool:
    return asked.done() and not asked.cancelled() and not isinstance(asked.result(), FlowError)
