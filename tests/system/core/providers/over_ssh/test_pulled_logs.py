"""Logs that grow on a real OpenSSH server, and their spools on this machine."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from testbed.far_tasks import CONTEXT, Far
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S, until

from flow_core.agent.spool import STDOUT
from flow_core.errors import AuthError, HostKeyUnknown, NotFound, Unreachable
from flow_core.logs.follow import follow_log
from flow_core.logs.log_id import LogId
from flow_core.logs.sidecar import SidecarIndex
from flow_core.prompter import HostKeyPrompt, SecretPrompt
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.over_ssh.logs import SpooledLogs

pytestmark = pytest.mark.needs("sshd")
TRAIN = LogId(CONTEXT, "train")


@pytest.fixture
async def logs(far: Far, tmp_path: Path) -> AsyncIterator[SpooledLogs]:
    logs = SpooledLogs(far, tmp_path / "spools")
    yield logs
    await logs.aclose()


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


async def completed(logs: SpooledLogs, address: LogId = TRAIN) -> None:
    await until(lambda: logs.is_complete(address))


async def test_a_pull_copies_what_the_log_has_and_then_what_is_added(far: Far, logs: SpooledLogs) -> None:
    far.start()
    append(far.log(), b"one\n\0\xff")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == b"one\n\0\xff"
    append(far.log(), b"two\n")
    await until(lambda: files.log.read_bytes() == b"one\n\0\xfftwo\n")
    assert not await logs.is_complete(TRAIN)
    append(far.log(), b"the end\n")
    far.ended.add("train")
    await completed(logs)
    assert files.log.read_bytes() == b"one\n\0\xfftwo\nthe end\n"


async def test_a_log_that_has_stopped_growing_is_complete_after_a_catch_up(far: Far, logs: SpooledLogs) -> None:
    far.start()
    append(far.log(), b"all of it\n")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    far.ended.add("train")
    await logs.catch_up(TRAIN)
    assert await logs.is_complete(TRAIN)
    assert files.log.read_bytes() == b"all of it\n"


async def test_a_reader_gets_every_byte_as_it_comes_until_the_log_is_complete(far: Far, logs: SpooledLogs) -> None:
    far.start()
    files = await logs.open(TRAIN)
    text = bytearray()
    async with asyncio.timeout(DEADLINE_S), aclosing(follow_log(files, 0, lambda: logs.is_complete(TRAIN))) as chunks:
        append(far.log(), b"line 0\n")
        async for chunk in chunks:
            text += chunk.data
            if (count := text.count(b"\n")) < 20:
                append(far.log(), b"line %d\n" % count)
            else:
                far.ended.add("train")
    assert text.splitlines() == [b"line %d" % number for number in range(20)]


async def test_every_byte_is_stamped_with_the_time_it_came(far: Far, logs: SpooledLogs) -> None:
    far.start()
    append(far.log(), b"of long ago\n")
    os.utime(far.log(), (0, 0))
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    stamps = SidecarIndex(files.sidecar)
    await until(stamps.refresh)
    stamp = stamps.find_stamp(0)
    stamps.close()
    assert stamp is not None
    assert stamp.stream == STDOUT
    assert abs(stamp.time_us / 1e6 - files.log.stat().st_mtime) < DEADLINE_S


async def test_fifty_megabytes_of_random_bytes_arrive_unchanged(far: Far, logs: SpooledLogs) -> None:
    far.start()
    data = random.Random(4).randbytes(50 << 20)
    far.log().write_bytes(data)
    files = await logs.open(TRAIN)
    async with asyncio.timeout(2 * DEADLINE_S):
        await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == data


async def test_twenty_logs_grow_at_once(far: Far, logs: SpooledLogs) -> None:
    addresses = [LogId(CONTEXT, f"task-{number}") for number in range(20)]
    for address in addresses:
        far.start(address.task_id)
    files = [await logs.open(address) for address in addresses]
    for line in range(5):
        for address in addresses:
            append(far.log(address.task_id), f"{address.task_id} says {line}\n".encode())
        async with asyncio.timeout(2 * DEADLINE_S):
            await asyncio.gather(*(logs.catch_up(address) for address in addresses))
    far.ended.update(address.task_id for address in addresses)
    for address, spool in zip(addresses, files, strict=True):
        await completed(logs, address)
        assert spool.log.read_bytes() == far.log(address.task_id).read_bytes()


async def test_a_log_that_does_not_exist_yet_is_empty_and_is_pulled_later(far: Far, logs: SpooledLogs) -> None:
    far.start()
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    far.gone.add("train")
    await logs.catch_up(TRAIN)
    assert not await logs.is_complete(TRAIN)
    far.gone.clear()
    append(far.log(), b"at last\n")
    await until(lambda: files.log.exists() and files.log.read_bytes() == b"at last\n")


async def test_a_log_that_continues_on_another_machine_says_so_and_is_read_from_its_start(
    far: Far, logs: SpooledLogs
) -> None:
    far.start()
    far.machine = "first"
    append(far.log(), b"one\ntwo")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    await logs.aclose()
    far.machine = "second"
    os.truncate(far.log(), 0)  # on another machine the file may have the same inode
    append(far.log(), b"all of this is new\n")
    again = SpooledLogs(far, files.log.parent.parent.parent)
    await again.open(TRAIN)
    await again.catch_up(TRAIN)
    assert b"one\ntwo\n[flow] this log continues on another machine" in files.log.read_bytes()
    assert files.log.read_bytes().endswith(b"\nall of this is new\n")
    await again.aclose()


async def test_a_log_that_never_began_is_complete_with_its_task(far: Far, logs: SpooledLogs) -> None:
    far.start()
    far.ended.add("train")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    await completed(logs)
    assert files.log.read_bytes() == b""


async def test_unknown_logs_are_not_found(far: Far, logs: SpooledLogs, tmp_path: Path) -> None:
    far.start()
    for address in (LogId(CONTEXT, "other"), LogId(CONTEXT, "../train"), LogId("else", "train")):
        for call in (logs.open, logs.catch_up, logs.is_complete):
            with pytest.raises(NotFound):
                await call(address)
    with pytest.raises(NotFound):
        await logs.addresses("other")
    assert await logs.addresses("train") == (TRAIN,)
    assert not (tmp_path / "spools").exists()


async def test_a_replaced_file_is_read_on_to_its_end_and_the_next_one_follows(far: Far, tmp_path: Path) -> None:
    far.start()
    append(far.log(), b"old\n")
    logs = SpooledLogs(far, tmp_path / "spools")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    far.log().rename(far.log().with_suffix(".1"))
    append(far.log().with_suffix(".1"), b"last of the old\n")
    append(far.log(), b"new\n")
    await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == b"old\nlast of the old\nnew\n"
    await logs.aclose()
    append(far.log(), b"more\n")
    logs = SpooledLogs(far, tmp_path / "spools")
    await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == b"old\nlast of the old\nnew\nmore\n"
    await logs.aclose()


async def test_a_file_that_was_cut_short_begins_again_behind_a_line_that_says_so(far: Far, logs: SpooledLogs) -> None:
    far.start()
    append(far.log(), b"a long beginning")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    far.log().write_bytes(b"short\n")
    await logs.catch_up(TRAIN)
    first, text, last = files.log.read_bytes().splitlines()
    assert (first, last) == (b"a long beginning", b"short")
    assert text.startswith(b"[flow] ")
    assert b"cut short" in text


async def test_a_line_says_that_a_part_of_the_log_was_lost_while_no_client_ran(far: Far, tmp_path: Path) -> None:
    far.start()
    append(far.log(), b"read in time\n")
    logs = SpooledLogs(far, tmp_path / "spools")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    await logs.aclose()
    append(far.log(), b"read by nobody\n")
    append(far.log().with_name("new"), b"new\n")
    far.log().with_name("new").replace(far.log())
    logs = SpooledLogs(far, tmp_path / "spools")
    await logs.catch_up(TRAIN)
    await logs.aclose()
    first, text, last = files.log.read_bytes().splitlines()
    assert (first, last) == (b"read in time", b"new")
    assert b"missing" in text


async def test_a_complete_log_is_read_without_its_machine(far: Far, sshd: Sshd, tmp_path: Path) -> None:
    far.start()
    append(far.log(), b"all of it\n")
    far.ended.add("train")
    logs = SpooledLogs(far, tmp_path / "spools")
    files = await logs.open(TRAIN)
    await completed(logs)
    await logs.aclose()
    sshd.stop()
    again = SpooledLogs(far, tmp_path / "spools")
    assert await again.open(TRAIN) == files
    await again.catch_up(TRAIN)
    assert await again.is_complete(TRAIN)
    assert files.log.read_bytes() == b"all of it\n"
    await again.aclose()


async def test_a_log_whose_machine_is_gone_stays_readable_and_says_where_it_ends(
    far: Far, sshd: Sshd, logs: SpooledLogs
) -> None:
    far.start()
    append(far.log(), b"until here\n")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    sshd.stop()
    far.gone.add("train")
    assert not await logs.is_complete(TRAIN)
    far.ended.add("train")
    await logs.catch_up(TRAIN)
    assert await logs.is_complete(TRAIN)
    first, text = files.log.read_bytes().splitlines()
    assert first == b"until here"
    assert b"gone" in text


async def test_an_unreachable_machine_is_an_error_and_the_spool_stays_readable(
    far: Far, sshd: Sshd, logs: SpooledLogs
) -> None:
    far.start()
    append(far.log(), b"until here\n")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    sshd.stop()
    with pytest.raises(Unreachable):
        await logs.catch_up(TRAIN)
    far.ended.add("train")
    assert not await logs.is_complete(TRAIN)
    assert files.log.read_bytes() == b"until here\n"
    append(far.log(), b"and on\n")
    sshd.start()
    await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == b"until here\nand on\n"
    await completed(logs)


async def test_a_refused_login_is_an_error_of_the_log(far: Far, sshd: Sshd, logs: SpooledLogs) -> None:
    far.start()
    append(far.log(), b"for others\n")
    keys = sshd.authorized_keys.read_text()
    sshd.authorized_keys.write_text("")
    await logs.open(TRAIN)
    with pytest.raises(AuthError):
        await logs.catch_up(TRAIN)
    with pytest.raises(AuthError):
        await until(lambda: logs.is_complete(TRAIN))
    sshd.authorized_keys.write_text(keys)
    files = await logs.open(TRAIN)
    await until(lambda: files.log.read_bytes() == b"for others\n")


async def test_a_refused_prompt_is_shown_again_only_when_the_log_is_opened_again(
    far: Far, sshd: Sshd, tmp_path: Path
) -> None:
    class Doubter:
        asked = 0

        async def confirm_host_key(self, key: HostKeyPrompt) -> bool:
            self.asked += 1
            return False

        async def ask_secret(self, question: SecretPrompt) -> str | None:
            return None

    far.start()
    sshd.known_hosts.write_text("")
    doubter = Doubter()
    pool = HostPool(doubter)
    far.host = await pool.find("far", config=sshd.config())
    logs = SpooledLogs(far, tmp_path / "spools")
    for wanted in (1, 2):
        await logs.open(TRAIN)
        await until(lambda wanted=wanted: doubter.asked == wanted)
        with pytest.raises(HostKeyUnknown):
            await until(lambda: logs.is_complete(TRAIN))
        for _ in range(20):
            await asyncio.sleep(0.05)  # as a client does that follows the log
            with pytest.raises(HostKeyUnknown):
                await logs.is_complete(TRAIN)
        assert doubter.asked == wanted
    await logs.aclose()
    await pool.close()


async def test_an_idle_log_is_released_until_it_is_read_again(far: Far, tmp_path: Path) -> None:
    far.start()
    logs = SpooledLogs(far, tmp_path / "spools", idle_s=0.5)
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    before, others = _descriptors(), len(asyncio.all_tasks())
    await until(lambda: _descriptors() <= before - 3 and len(asyncio.all_tasks()) < others)
    append(far.log(), b"later\n")
    await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == b"later\n"
    await logs.aclose()


async def test_closing_releases_everything(far: Far, pool: HostPool, tmp_path: Path) -> None:
    far.start()
    append(far.log(), b"some\n" * 1000)
    await asyncio.to_thread(_descriptors)
    before, others = _descriptors(), len(asyncio.all_tasks())
    logs = SpooledLogs(far, tmp_path / "spools")
    files = await logs.open(TRAIN)
    async with aclosing(follow_log(files, 0, lambda: logs.is_complete(TRAIN))) as chunks:
        async for _ in chunks:
            break
    await logs.aclose()
    await logs.aclose()
    await pool.close()
    await until(lambda: _descriptors() <= before and len(asyncio.all_tasks()) <= others)
    with pytest.raises(Unreachable):
        await logs.open(TRAIN)


def _descriptors() -> int:
    return len(os.listdir("/dev/fd"))
