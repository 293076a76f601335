"""Secrets that the published SDK stores by name; here an error names the alternative."""

from __future__ import annotations

from typing import Any

from flow_core.unsupported_names import missing


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
