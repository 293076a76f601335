"""A lab: machines behind SSH servers of their own, and clients of the contexts that list them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.hosts_lab import Lab


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    made = Lab(tmp_path)
    yield made
    await made.close()
