"""One opened context: its provider, its gate, and its facets, or an error that names a missing facet."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from flow_core.argument_checks import check_optional_text
from flow_core.audit import Change, Gate
from flow_core.client.unsupported_arguments import refuse_published
from flow_core.config import Config, Context
from flow_core.config_file import load_config
from flow_core.errors import ConfigError, FlowError, Unsupported
from flow_core.providers import find_shared_platform, open_provider

if TYPE_CHECKING:
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.account import PlatformAccount
    from flow_core.providers.contract.provider import Provider

T = TypeVar("T")


class ContextClient:
    """The state that all resources of a client share.

    `context` is a name, or a Context; without one: `$FLOW_CONTEXT`, otherwise the config's default, otherwise `local`.
    `person` answers prompts for the user, such as for a passphrase. `published` are arguments of the published SDK: the
    refusal names the alternative. Raises ConfigError for a context that isn't configured.
    Opens nothing until the first call.
    """

    def __init__(
        self,
        context: Context | str | None = None,
        *,
        config: Config | None = None,
        gate: Gate | None = None,
        person: Prompter | None = None,
        **published: Any,
    ) -> None:
        if published:
            refuse_published(type(self).__name__, published)
        if config is not None and not isinstance(config, Config):
            raise ConfigError(f"config: must be a Config, not {type(config).__name__}", field="config")
        if not isinstance(context, Context):
            context = (config or load_config()).context(check_optional_text("context", context))
        self.context = context
        self.gate = gate or Gate()
        self._person = person
        self._open: Callable[[], Provider] = partial(open_provider, self.context, person)
        self._provider: Provider | None = None
        self._platform: PlatformAccount | None = None
        self._process = os.getpid()
        self._is_closed = False
        self._successor: Self | None = None

    @classmethod
    def share(cls, other: ContextClient) -> Self:
        """Returns a client over the provider that another client holds open; the first `close` of either closes it."""
        client = cls(other.context, gate=other.gate)
        client._open = lambda: other.provider
        return client

    def reopen(self) -> Self:
        """Returns another client of the same context, always the same one: handles of tasks outlive their client."""
        if self._successor is None:
            self._successor = type(self)(self.context, gate=self.gate, person=self._person)
        return self._successor

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def provider(self) -> Provider:
        """The provider itself, opened on first use. Raises FlowError once the client is closed.

        A forked child opens another provider: its parent's belongs to an event loop that doesn't run in the child.
        """
        self._refuse_closed()
        if self._provider is None:
            self._provider = self._open()
        return self._provider

    @property
    def platform(self) -> PlatformAccount | None:
        """The platform's account that the environment has credentials for, in every context; None without any.

        Raises ConfigError for credentials that can't be used, and FlowError once the client is closed.
        """
        self._refuse_closed()
        if self._platform is None and (platform := find_shared_platform()) is not None:
            self._platform = platform.open_from_environment()
        return self._platform

    async def close(self) -> None:
        """Closes the provider. Calling it again is safe. Tasks continue to run. Later calls raise FlowError."""
        self._is_closed = True
        self._drop_parents()
        (provider, self._provider), (platform, self._platform) = (self._provider, None), (self._platform, None)
        try:
            if provider is not None:
                await provider.close()
        finally:
            if platform is not None:
                await platform.close()

    def get_facet(self, facet: T | None, noun: str) -> T:
        """Returns the facet. Raises Unsupported if the provider lacks it."""
        if facet is None:
            raise Unsupported(f"context {self.context.name!r} (provider {self.context.provider}) has no {noun}")
        return facet

    async def run_change(self, verb: str, target: str, call: str, do: Callable[[], Awaitable[T]]) -> T:
        """Runs `do` unless the gate refuses the change. The gate also logs it.

        `call` is the exact call or command, for the user to read.
        """
        return await self.gate.apply(Change(verb, self.context.name, target, call), do)

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise FlowError(f"this client of context {self.context.name!r} is closed; make a new one")
        self._drop_parents()

    def _drop_parents(self) -> None:
        """Forgets the objects that the parent process opened, in a forked child."""
        if self._process != os.getpid():
            self._process, self._provider, self._platform = os.getpid(), None, None
