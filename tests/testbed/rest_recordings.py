"""The recorded answers of slurmrestd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "unit/core/providers/slurm/recorded"
VERSIONS = (36, 38, 40, 42)
"""The versions of which the jobs were recorded."""
OLD, NEW = 38, 42
"""The versions of which the rest was recorded, too."""


def load(kind: str, version: int) -> dict[str, Any]:
    return _load(f"{kind}-v0.0.{version}.json")


def load_description(release: str) -> dict[str, Any]:
    return _load(f"openapi-{release}.json")


def _load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return found
