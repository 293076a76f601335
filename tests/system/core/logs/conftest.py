"""Every reader of a log is closed by its owner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testbed.open_files import every_file_closed


@pytest.fixture(autouse=True)
def _no_open_files() -> Iterator[None]:
    with every_file_closed():
        yield
