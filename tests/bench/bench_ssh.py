"""Following a log of a host, against the system's own `ssh host tail`; both from the first byte that comes."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from bench.table import Row, median
from testbed.sshd import Sshd, find_sshd

from flow_core.ssh.host import SshHost

SIZE = 200_000_000
ROUNDS = 6
COMMANDS = 100


def measure() -> list[Row]:
    if find_sshd() is None:
        return []
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as folder:
        sshd = Sshd(Path(folder, "sshd"))
        sshd.start()
        try:
            return asyncio.run(_rows(sshd, _log(Path(folder, "log"))))
        finally:
            sshd.stop()


def _log(path: Path) -> Path:
    line = b"step 1234 loss 0.5678 lr 0.0001 tokens/s 98765 and some more words to make it a usual line\n"
    path.write_bytes((line * (SIZE // len(line) + 1))[:SIZE])
    return path


async def _rows(sshd: Sshd, log: Path) -> list[Row]:
    """Interleaved, so that both meet the same machine; the first round is thrown away."""
    config = sshd.config("StrictHostKeyChecking yes")
    ours, theirs = [], []
    async with await SshHost.find("far", config=config) as host:
        await host.run("true")
        for _ in range(ROUNDS + 1):
            theirs.append(await asyncio.to_thread(_tail, config, log))
            ours.append(await _follow(host, log))
        command_ms = await _command_ms(host)
    ours, theirs = ours[1:], theirs[1:]
    speed = SIZE / median(ours) / 1e6
    note = f"{speed:.0f} MB/s, ssh host tail {SIZE / median(theirs) / 1e6:.0f} MB/s"
    return [
        Row("follow a log over ssh", median(a / b for a, b in zip(ours, theirs, strict=True)), 1 / 0.8, "x", note),
        Row("one more command over ssh", command_ms, 20, "ms", "on a connection that is open"),
    ]


def _tail(config: Path, log: Path) -> float:
    argv = ["ssh", "-F", str(config), "far", f"exec tail -c +1 -f {log}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        left = SIZE - len(process.stdout.read1(1 << 18))
        began = time.perf_counter()
        while left > 0:
            left -= len(process.stdout.read1(1 << 18))
        took = time.perf_counter() - began
        process.kill()
    return took


async def _follow(host: SshHost, log: Path) -> float:
    """As for tail, the clock stops at the last byte: the end of the remote command isn't measured."""
    left, began, took = SIZE, 0.0, 0.0
    async with aclosing(host.follow(str(log))) as pieces:
        async for piece in pieces:
            began = began or time.perf_counter()
            left -= len(piece.data)
            if left <= 0:
                took = time.perf_counter() - began
                break
    return took


async def _command_ms(host: SshHost) -> float:
    times = []
    for _ in range(COMMANDS):
        began = time.perf_counter()
        await host.run("true")
        times.append((time.perf_counter() - began) * 1000)
    return median(times)
