"""The import paths of the Flow SDK reference; defines nothing itself."""

from __future__ import annotations

from typing import Any

import flow_core


def __getattr__(name: str) -> Any:
    return getattr(flow_core, name)
