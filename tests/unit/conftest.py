"""The unit tier: no test here starts a process or uses the network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

import pytest

_PROCESSES = frozenset({"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system"})
_NETWORK = frozenset({"socket.bind", "socket.connect", "socket.sendto", "socket.getaddrinfo"})


def _is_importing() -> bool:
    """Returns whether a module is being imported: asyncssh and urllib3 look for what the machine has when they are."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class _Guard:
    """An audit hook, which Python can't remove; it acts only while a unit test runs."""

    def __init__(self) -> None:
        self.is_active = False
        self.refused: list[str] = []
        sys.addaudithook(self._audit)

    def _audit(self, event: str, _arguments: tuple[object, ...]) -> None:
        if self.is_active and (event in _PROCESSES or event in _NETWORK) and not _is_importing():
            self.refused.append(event)
            raise RuntimeError(f"{event} in a unit test; the test belongs in tests/system")


_guard = _Guard()


@pytest.fixture(autouse=True)
def _neither_processes_nor_network() -> Iterator[None]:
    _guard.refused.clear()
    _guard.is_active = True
    yield
    _guard.is_active = False
    assert not _guard.refused, f"the test belongs in tests/system: {', '.join(_guard.refused)}"
