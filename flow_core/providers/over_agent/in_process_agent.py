"""Calls the agent inside this process, off the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flow_core.agent.refusals import Refused
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.over_agent.refusals import to_error

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def call_agent(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs `work` as `run_blocking` does, and converts a refusal of the agent to an error."""
    try:
        return await run_blocking(work, *args, **kwargs)
    except Refused as refused:
        raise to_error(refused) from None
