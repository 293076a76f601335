"""A machine of its own for each test, on which no task starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.local_machine import Machine, own_machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with own_machine(tmp_path, monkeypatch) as machine:
        yield machine
