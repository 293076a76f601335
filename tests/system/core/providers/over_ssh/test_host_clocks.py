"""The clock of a machine behind a real OpenSSH server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from testbed.far_tasks import CONTEXT, Far
from testbed.sshd import Sshd

from flow_core.logs.log_id import LogId
from flow_core.logs.merged.clock_offset import ClockOffset
from flow_core.providers.over_ssh.host_clocks import HostClocks
from flow_core.providers.over_ssh.logs import SpooledLogs
from flow_core.ssh.host import SshHost

pytestmark = pytest.mark.needs("sshd")

AHEAD_S = 1_000


async def measured_with(date: str, tmp_path: Path, calls: int = 1) -> list[ClockOffset | None]:
    """The answers of `HostClocks` for a host with this `date`."""
    program = tmp_path / "bin" / "date"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho called >>{tmp_path / 'calls'}\n{date}\n")
    program.chmod(0o755)
    sshd = Sshd(tmp_path / "sshd", f"SetEnv PATH={program.parent}:{os.environ['PATH']}")
    sshd.start()
    try:
        async with await SshHost.find("far", config=sshd.config()) as host:
            clocks = HostClocks()
            return [await clocks.measure(host) for _ in range(calls)]
    finally:
        sshd.stop()


async def test_the_offset_of_a_clock_is_measured_to_some_milliseconds(host: SshHost) -> None:
    clock = await HostClocks().measure(host)
    assert clock is not None
    assert clock is not None
    assert abs(clock.offset_s) <= clock.uncertainty_s < 1


async def test_a_clock_that_is_ahead_is_measured_once_in_a_while(tmp_path: Path) -> None:
    first, second = await measured_with(f"exec /bin/date -d '+{AHEAD_S} seconds' \"$@\"", tmp_path, 2)
    assert first is second is not None
    assert first.offset_s == pytest.approx(AHEAD_S, abs=1)
    assert len((tmp_path / "calls").read_text().split()) == 5


async def test_a_date_without_fractions_gives_a_coarse_offset(tmp_path: Path) -> None:
    (clock,) = await measured_with("exec /bin/date +%s.N", tmp_path)
    assert abs(clock.offset_s) <= clock.uncertainty_s < 2


async def test_a_host_that_does_not_tell_its_time_has_no_offset(tmp_path: Path) -> None:
    assert await measured_with("echo sunny", tmp_path) == [None]


async def test_a_pulled_log_has_the_clock_of_its_host(far: Far, tmp_path: Path) -> None:
    far.start()
    logs = SpooledLogs(far, tmp_path / "spools")
    clock = await logs.measure_clock(LogId(CONTEXT, "train"))
    assert clock is not None
    assert abs(clock.offset_s) < 1
    assert not logs.has_writer_times
    far.gone.add("train")
    assert await logs.measure_clock(LogId(CONTEXT, "train")) is None
    await logs.aclose()
