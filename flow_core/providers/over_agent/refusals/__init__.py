"""The error messages for refusals of the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from flow_core.agent.refusals import Refused
from flow_core.errors import FlowError, ProviderError, printable

Details = Mapping[str, Any]
Sentence = Callable[[Details, str], FlowError]
"""Turns the details of a refusal and the name of the machine ("this machine", "'gpu1'") into an error."""

HERE = "this machine"
_TABLES = ("tasks", "submits", "volumes", "reservations", "calls")


def to_error(refused: Refused, machine: str = HERE) -> FlowError:
    """Converts a refusal to an error. Never raises: the details may come from another machine and be malformed."""
    sentence = _load_sentences().get(refused.code)
    if sentence is None:
        return ProviderError(f"{machine} refused this for a reason that this version of flow doesn't know; update flow")
    try:
        return sentence(refused.details, machine)
    except (KeyError, TypeError, ValueError):
        return ProviderError(f"{machine} refused this ({printable(refused.code)}) without saying why; update flow")


@lru_cache(maxsize=1)
def _load_sentences() -> dict[str, Sentence]:
    sentences: dict[str, Sentence] = {}
    for name in _TABLES:
        sentences.update(import_module(f"{__name__}.{name}").SENTENCES)
    return sentences
