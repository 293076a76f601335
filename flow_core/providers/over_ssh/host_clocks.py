"""How far the clocks of hosts are ahead of this machine's."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from flow_core.errors import Unreachable
from flow_core.logs.merged.clock_offset import ClockOffset, choose_best_offset

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import Host
    from flow_core.ssh.remote_file_follow import StartedCommand

_LOOP = "while read -r _; do date +%s.%N; done"
_SAMPLES = 5
_LIMIT_S = 10.0
_KEEP_S = 300.0
_MOST_HOSTS = 256
_TIME = re.compile(rb"([0-9]{1,12})(?:\.([0-9]{9}))?")
_MOST_LINE_BYTES = 256


class HostClocks:
    """The clocks of hosts, each measured at most once in five minutes, also if that fails."""

    def __init__(self) -> None:
        self._clocks: dict[Host, tuple[float, ClockOffset | None]] = {}
        self._lock = asyncio.Lock()

    async def measure(self, host: Host) -> ClockOffset | None:
        """Returns the offset of a host's clock; None if the host did not tell its time. Takes at most 10 s."""
        async with self._lock:
            measured_at, clock = self._clocks.get(host, (-_KEEP_S, None))
            if time.monotonic() - measured_at >= _KEEP_S:
                clock = await _measure_clock(host)
                self._clocks.pop(host, None)
                self._clocks[host] = (time.monotonic(), clock)
                if len(self._clocks) > _MOST_HOSTS:
                    del self._clocks[next(iter(self._clocks))]
            return clock


async def _measure_clock(host: Host) -> ClockOffset | None:
    """Asks a host for its time several times over one channel, and takes the answer with the shortest round trip."""
    samples: list[ClockOffset] = []
    with suppress(Unreachable, TimeoutError):
        async with asyncio.timeout(_LIMIT_S), host.start(_LOOP) as command:
            while len(samples) < _SAMPLES and (sample := await _ask_for_time(command)) is not None:
                samples.append(sample)
    return choose_best_offset(samples)


async def _ask_for_time(command: StartedCommand) -> ClockOffset | None:
    sent_s, began = time.time(), time.monotonic()
    await command.write(b"\n")
    answer = b""
    while not answer.endswith(b"\n") and len(answer) <= _MOST_LINE_BYTES:
        piece = await command.read()
        if not piece:
            return None
        answer += piece
    answered_s = sent_s + time.monotonic() - began
    if (found := _TIME.match(answer)) is None:
        return None
    if found[2] is None:  # its `date` knows no fractions
        whole = ClockOffset.measure(sent_s, answered_s, int(found[1]) + 0.5)
        return ClockOffset(whole.offset_s, whole.uncertainty_s + 0.5)
    return ClockOffset.measure(sent_s, answered_s, int(found[1]) + int(found[2]) / 1e9)
