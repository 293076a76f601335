"""A submission with an idempotency key is carried out once, whatever becomes of its clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.slurm_submits import Submitter
from testbed.waiting import until

from flow_core.errors import Conflict
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.run_folder import make_key

pytestmark = pytest.mark.needs("slurm", "sshd")


@pytest.fixture
async def other(submitter: Submitter) -> AsyncIterator[Submitter]:
    """Another client of the same user."""
    pool = HostPool()
    yield Submitter(submitter.cluster, submitter.user, pool)
    await pool.close()


def find_root(submitter: Submitter) -> Path:
    return submitter.user.home / ".local" / "state" / "flow" / "slurm"


async def test_the_same_config_finds_the_earlier_task(submitter: Submitter, other: Submitter) -> None:
    first = await submitter.submit("true", idempotency_key="a:1", env={"A": "x"}, working_dir="~/")
    again = await other.submit("true", idempotency_key="a:1", env={"A": "x"}, working_dir="~/")
    assert again == first
    await submitter.until_ended(first)
    assert await other.submit("true", idempotency_key="a:1", env={"A": "x"}, working_dir="~/") == first
    assert len(list((find_root(submitter) / "runs").iterdir())) == 1


async def test_another_config_with_the_same_key_is_refused(submitter: Submitter, other: Submitter) -> None:
    first = await submitter.submit("true", idempotency_key="a", env={"A": "x"})
    for command, value in (("false", "x"), ("true", "another")):
        with pytest.raises(Conflict) as refused:
            await other.submit(command, idempotency_key="a", env={"A": value})
        assert refused.value.field == "idempotency_key"
        assert f"is that of task {first.job_id}" in str(refused.value)
    assert first.folder.exists()


async def test_of_two_clients_at_once_the_second_waits_for_the_first(submitter: Submitter, other: Submitter) -> None:
    await asyncio.gather(submitter.site.read(), other.site.read())
    tasks = await asyncio.gather(*(one.submit("true", idempotency_key="a") for one in (submitter, other) * 2))
    assert len({task.job_id for task in tasks}) == 1
    jobs = submitter.cluster.run("squeue", "-h", "-t", "all", f"--user={submitter.user.name}", "-o", "%i")
    assert jobs.split() == [tasks[0].job_id]


@pytest.mark.parametrize("has_deadline", [True, False])
async def test_a_client_that_died_before_it_had_a_job_does_not_block_the_key(
    submitter: Submitter, has_deadline: bool
) -> None:
    root, key = find_root(submitter), make_key("a")
    await submitter.submit("true")
    (root / "runs" / key).mkdir()
    if has_deadline:
        (root / "unfinished" / key).write_text("1 another\n")
    task = await submitter.run("true", idempotency_key="a")
    assert task.read_status()[-1] == ["end", "0", "0", "0"]
    assert list((root / "unfinished").iterdir()) == []
    assert {path.name for path in (root / "runs").iterdir()} >= {key}


async def test_a_client_that_is_still_submitting_keeps_the_key(submitter: Submitter) -> None:
    root, key = find_root(submitter), make_key("a")
    await submitter.submit("true")
    (root / "runs" / key).mkdir()
    (root / "unfinished" / key).write_text("9999999999 another\n")
    with pytest.raises(Conflict, match="another client is submitting 'a' now"):
        await submitter.submit("true", idempotency_key="a")
    assert (root / "runs" / key).exists()


async def test_a_job_whose_client_died_is_found_by_its_comment(submitter: Submitter, other: Submitter) -> None:
    first = await submitter.submit("sleep 600", idempotency_key="a")
    await until(lambda: (first.folder / "status").exists())
    (first.folder / "job").unlink()
    (find_root(submitter) / "jobs" / first.job_id).unlink()
    again = await other.submit("sleep 600", idempotency_key="a")
    assert again.job_id == first.job_id
    assert (find_root(submitter) / "jobs" / first.job_id).resolve() == first.folder.resolve()


async def test_a_script_repairs_the_records_of_a_client_that_died(submitter: Submitter) -> None:
    first = await submitter.submit("true")
    held = await submitter.submit("true", after=[first.job_id], scheduled_start_time="2035-01-01T00:00:00Z")
    (held.folder / "job").unlink()
    (find_root(submitter) / "jobs" / held.job_id).unlink()
    submitter.cluster.run("scontrol", "update", f"JobId={held.job_id}", "StartTime=now")
    await submitter.until_ended(held)
    assert held.read("job") == f"{held.job_id}\n"
    assert (find_root(submitter) / "jobs" / held.job_id).resolve() == held.folder.resolve()


async def test_the_leftovers_of_dead_clients_are_removed_by_the_next_submission(submitter: Submitter) -> None:
    first = await submitter.submit("sleep 600")
    root = find_root(submitter)
    for key, deadline in (("0" * 12, "1"), ("1" * 12, "9999999999")):
        (root / "runs" / key).mkdir()
        (root / "unfinished" / key).write_text(f"{deadline} another\n")
    (root / "unfinished" / first.record.key).write_text("1 another\n")  # its client died before it recorded the job
    (first.folder / "job").unlink()
    second = await submitter.submit("true")
    kept = {path.name for path in (root / "runs").iterdir()}
    assert kept == {"1" * 12, first.record.key, second.record.key}
    assert first.read("job") == f"{first.job_id}\n"
    assert [path.name for path in (root / "unfinished").iterdir()] == ["1" * 12]
