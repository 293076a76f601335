"""The import paths of older releases of the published SDK; defines nothing itself."""

from __future__ import annotations

from typing import Any

import flow_core


def __getattr__(name: str) -> Any:
    return getattr(flow_core, name)
