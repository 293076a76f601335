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


@pytest.fixture(scope="session")
def _shared_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    sshd = Sshd(tmp_path_factory.mktemp("sshd"))
    yield sshd
    sshd.stop()


@pytest.fixture
def sshd(_shared_sshd: Sshd) -> Sshd:
    """The server that the tests share. A test may stop it and change its files, but not its options or its own key."""
    _shared_sshd.renew()
    return _shared_sshd


@pytest.fixture
def someone() -> type[Someone]:
    return Someone
