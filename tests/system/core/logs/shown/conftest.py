"""A tmux server that all tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testbed.terminal_truth import Tmux


@pytest.fixture(scope="module")
def tmux() -> Iterator[Tmux]:
    with Tmux() as server:
        yield server
