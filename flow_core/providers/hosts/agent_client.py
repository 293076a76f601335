"""Calls of the agent on one machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from flow_core.agent.layout import OVER_SSH
from flow_core.agent.refusals import Refused
from flow_core.config import state_dir
from flow_core.errors import FlowError, Unreachable
from flow_core.providers.hosts.machine_settings import Machine
from flow_core.providers.over_agent.refusals import to_error

if TYPE_CHECKING:
    from flow_core.providers.hosts.agent_connection import AgentConnection
    from flow_core.providers.over_ssh.host_pool import HostPool
    from flow_core.ssh.host import SshHost

ANSWER_S = 30.0
_T = TypeVar("_T")


class AgentClient:
    """A machine of the settings and its agent. `context` is the user's name for the context."""

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
        """The first message of the agent; empty before its first response."""
        return self._connection.greeting

    @property
    def identity(self) -> tuple[str, str]:
        """The machine's id, and the folder of its user's tasks: the same for one machine with two names."""
        return str(self.greeting.get("machine", "")), str(self.greeting.get("root", ""))

    @property
    def user(self) -> str:
        """The name of flow's user there; "" before the agent's first response."""
        return str(self.greeting.get("user", ""))

    async def get_ssh_host(self) -> SshHost:
        """Returns the SSH host of the machine. Raises ConfigError, Unreachable."""
        machine, key = self.machine, self.machine.key_file
        host = await self._pool.find(
            machine.name,
            hostname=machine.hostname,
            user=machine.user,
            port=machine.port,
            login_timeout_s=machine.login_timeout_s,
        )
        if key is None:
            return host
        settings = replace(host.settings, identity_files=(key,))
        return self._pool.get_host(settings, login_timeout_s=machine.login_timeout_s)

    async def call(self, call: str, timeout_s: float = ANSWER_S, /, **arguments: Any) -> Any:
        """Calls the agent and returns its result.

        Raises the errors of `SshHost`, ProviderError, Unreachable, and the error for a refusal.
        """
        try:
            return await self._connection.call(call, arguments, timeout_s)
        except Refused as refused:
            raise self.convert_refusal(refused) from None

    async def call_raw(self, call: str, timeout_s: float = ANSWER_S, /, **arguments: Any) -> Any:
        """Calls the agent as `call` does, but raises Refused unchanged."""
        return await self._connection.call(call, arguments, timeout_s)

    def convert_refusal(self, refused: Refused) -> FlowError:
        """Converts a refusal to an error; replaces the agent's context name by the user's.

        A refusal may also be about another context, whose name stays.
        """
        if refused.details.get("context") == OVER_SSH:
            refused.details = {**refused.details, "context": self._context}
        return to_error(refused, repr(self.name))

    async def close(self) -> None:
        """Closes the connection to the agent. Calling it again is safe."""
        if (connection := vars(self).get("_connection")) is not None:
            await connection.close()

    @cached_property
    def _connection(self) -> AgentConnection:
        from flow_core.providers.hosts.agent_connection import AgentConnection
        from flow_core.providers.hosts.found_python import FoundPython  # lazy import: a config needs neither

        machine = self.machine
        address = " ".join(str(part) for part in (machine.name, machine.hostname, machine.user, machine.port))
        python = FoundPython(machine.python, state_dir().absolute() / "hosts" / "python", address)
        return AgentConnection(self.name, self.get_ssh_host, python)


async def call_all(
    hosts: Sequence[AgentClient],
    call: str,
    arguments: Callable[[AgentClient], Mapping[str, Any]] = lambda agent: {},
    *,
    wait_s: float = ANSWER_S,
) -> tuple[dict[AgentClient, Any], dict[AgentClient, FlowError]]:
    """Calls the agent of each machine. Returns the responses, and the errors of the machines that gave none.

    Waits up to `wait_s` for all machines. Waits longer only until a first machine has responded or all have failed.
    """
    calls = {agent: asyncio.create_task(_call_or_error(agent, call, arguments(agent))) for agent in hosts}
    try:
        if calls:
            await asyncio.wait(calls.values(), timeout=wait_s)
        while not any(_has_answered(task) for task in calls.values()) and not all(
            task.done() for task in calls.values()
        ):
            await asyncio.wait(
                [task for task in calls.values() if not task.done()], return_when=asyncio.FIRST_COMPLETED
            )
    finally:
        for task in calls.values():
            task.cancel()
        await asyncio.gather(*calls.values(), return_exceptions=True)
    late = f"did not answer within {wait_s:g} s"
    answers: dict[AgentClient, Any] = {}
    silent: dict[AgentClient, FlowError] = {}
    for agent, task in calls.items():
        result = Unreachable(f"{agent.name!r} {late}") if task.cancelled() else task.result()
        if isinstance(result, FlowError):
            silent[agent] = result
        else:
            answers[agent] = result
    return answers, silent


async def gather_all(steps: Iterable[Coroutine[None, None, _T]]) -> list[_T]:
    """Runs all steps to their end, even if one fails; then raises the first error."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _call_or_error(agent: AgentClient, call: str, arguments: Mapping[str, Any]) -> Any:
    try:
        return await agent.call(call, **arguments)
    except FlowError as error:
        return error


def _has_answered(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and not isinstance(task.result(), FlowError)
