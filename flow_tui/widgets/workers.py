"""Starts workers of widgets and screens."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode
from textual.worker import Worker


def start_worker(
    node: DOMNode,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    group: str,
    name: str = "",
    exclusive: bool = False,
) -> Worker[None]:
    """Runs `work` in a worker of the node.

    `work` is a function and not a coroutine, because a worker that is cancelled before its first step never awaits it.
    """
    worker: Worker[None] = node.run_worker(work, name=name, group=group, exclusive=exclusive)
    return worker
