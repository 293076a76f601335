"""Counts what other threads ask of the private loop behind blocking code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flow_core.sync.loop_thread import private_loop


def count_waits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The calls that other threads make on the private loop."""
    calls: list[object] = []
    loop = private_loop()
    call_soon = loop.call_soon_threadsafe

    def count(call: Callable[..., object], *arguments: Any, context: Any = None) -> object:
        calls.append(call)
        return call_soon(call, *arguments, context=context)

    monkeypatch.setattr(loop, "call_soon_threadsafe", count)
    return calls
