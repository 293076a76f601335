"""Real OpenSSH servers, and a person who answers what they were told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testbed.prompted import Someone
from testbed.sshd import Sshd


@pytest.fixture
def make_sshd(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Starts a server with more options; all of them end with the test."""
    made: list[Sshd] = []

    def make(*options: str) -> Sshd:
        sshd = Sshd(tmp_path / f"sshd{len(made)}", *options)
        made.append(sshd)
        sshd.start()
        return sshd

    yield make
    for sshd in made:
        sshd.stop()


@pytest.fixture
def sshd(make_sshd: Callable[..., Sshd]) -> Sshd:
    return make_sshd()


@pytest.fixture
def someone() -> type[Someone]:
    return Someone
