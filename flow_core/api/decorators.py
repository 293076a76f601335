"""Decorators that run functions on instances: the published SDK has them here; we say what to use instead."""

from __future__ import annotations

from typing import Any

from flow_core.unsupported_names import missing


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
