"""Calls to slurmrestd: what is sent, what is tried again, and what is known after an answer was lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from testbed.rest_recordings import NEW, load, load_description
from testbed.rest_stub import CUT, SILENT, Reply, RestStub
from testbed.tables import each
from testbed.waiting import DEADLINE_S, until

from flow_core.config import Context
from flow_core.errors import AuthError, ConfigError, FlowError, NotFound, ProviderError, Unreachable
from flow_core.models.task_config import TaskConfig
from flow_core.providers import open_provider
from flow_core.providers.contract.provider import Provider
from flow_core.providers.slurm.queue.job_table import JobTable
from flow_core.providers.slurm.rest.history import RestHistory
from flow_core.providers.slurm.rest.rest_client import AnswerLost, SlurmRestClient
from flow_core.providers.slurm.run_folder import COMMENT_PREFIX, make_key
from flow_core.providers.slurm.settings import SlurmSettings

TOKEN = "aaaa.bbbb.cccc"
JOBS, SUBMIT = "GET /slurm/v0.0.42/jobs/", "POST /slurm/v0.0.42/job/submit"
NO_HISTORY = {"history_days": 0, "poll_s": 0.1}


@pytest.fixture
async def stub() -> AsyncIterator[RestStub]:
    stub = RestStub()
    await stub.start()
    yield stub
    await stub.stop()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(TOKEN)
    return path


@pytest.fixture
async def client(stub: RestStub, token: Path) -> AsyncIterator[SlurmRestClient]:
    settings = SlurmSettings(rest_url=stub.url, rest_user="alice", rest_token_file=token)
    client = SlurmRestClient(settings, pause_s=0.01, read_s=DEADLINE_S)
    yield client
    await client.close()


@pytest.fixture
async def provider(stub: RestStub, token: Path) -> AsyncIterator[Provider]:
    settings = {"rest_url": stub.url, "rest_user": "alice", "rest_token_file": str(token), **NO_HISTORY}
    stub.reply("GET /slurm/v0.0.42/nodes/", Reply(body=load("cluster", NEW)))
    stub.reply("GET /slurm/v0.0.42/partitions/", Reply(body=load("cluster", NEW)))
    stub.reply(JOBS, Reply(body={"jobs": []}))
    provider = open_provider(Context("lab", "slurm", settings))
    yield provider
    await provider.close()


def task(**fields: Any) -> TaskConfig:
    return TaskConfig.parse({"command": "true", "upload_code": False, **fields})


def listed(comment: str, job_id: int = 77) -> Reply:
    job = {"job_id": job_id, "job_state": ["PENDING"], "user_name": "alice", "name": "x", "comment": comment}
    return Reply(body={"jobs": [job]})


async def test_a_call_carries_the_user_and_the_token_and_refuses_compression(
    stub: RestStub, client: SlurmRestClient, token: Path
) -> None:
    stub.reply(JOBS, Reply(body={"jobs": []}))
    assert await client.get("jobs") == {"jobs": []}
    token.write_text("SLURM_JWT=dddd.eeee.ffff\n")
    await client.get("jobs")
    description, first, second = stub.seen
    assert description.path == "/openapi/v3"
    assert [one.headers["x-slurm-user-name"] for one in stub.seen] == ["alice"] * 3
    assert first.headers["x-slurm-user-token"] == TOKEN
    assert second.headers["x-slurm-user-token"] == "dddd.eeee.ffff"
    assert first.headers["accept-encoding"] == "identity"


async def test_many_calls_at_once_ask_for_the_description_once(stub: RestStub, client: SlurmRestClient) -> None:
    stub.reply(JOBS, Reply(body={"jobs": []}))
    await asyncio.gather(*(client.get("jobs") for _ in range(8)))
    assert [one.path for one in stub.seen].count("/openapi/v3") == 1


async def test_after_an_update_of_slurmrestd_the_new_version_is_used(stub: RestStub, client: SlurmRestClient) -> None:
    stub.reply(JOBS, Reply(body={"jobs": []}), Reply(404, b"Unable find requested URL."))
    await client.get("jobs")
    stub.reply("GET /openapi/v3", Reply(body=load_description("22.05")))
    stub.reply("GET /slurm/v0.0.38/jobs", Reply(body={"jobs": [{}]}))
    assert await client.get("jobs") == {"jobs": [{}]}
    assert (await client.describe()).version == 38


async def test_a_read_is_tried_three_times_and_a_change_once(stub: RestStub, client: SlurmRestClient) -> None:
    stub.reply(JOBS, CUT, CUT, Reply(body={"jobs": []}))
    assert await client.get("jobs") == {"jobs": []}
    stub.reply(JOBS, CUT)
    with pytest.raises(Unreachable, match="broke off its answer to GET") as failed:
        await client.get("jobs")
    assert not isinstance(failed.value, AnswerLost)
    assert stub.calls == [JOBS] * 6
    for call in (client.update("job/7", {}), client.delete("job/7"), client.post("job/7", {})):
        stub.seen.clear()
        stub.reply("POST /slurm/v0.0.42/job/7", CUT)
        stub.reply("DELETE /slurm/v0.0.42/job/7", CUT)
        with pytest.raises(AnswerLost):
            await call
        assert len(stub.calls) == 1


async def test_a_server_that_stays_silent_is_left_in_time(stub: RestStub, client: SlurmRestClient, token: Path) -> None:
    settings = SlurmSettings(rest_url=stub.url, rest_user="alice", rest_token_file=token)
    hasty = SlurmRestClient(settings, pause_s=0.01, read_s=0.05, whole_s=DEADLINE_S)
    await hasty.describe()
    stub.reply(JOBS, SILENT)
    with pytest.raises(Unreachable, match=r"did not answer GET /slurm/v0.0.42/jobs/ in time"):
        await hasty.get("jobs")
    assert stub.calls == [JOBS] * 3
    await hasty.close()
    with pytest.raises(Unreachable, match="in time"):
        await SlurmRestClient(settings, whole_s=0.05).get("jobs")


@each(
    "reply, error, words",
    [
        (Reply(302, b"", {"Location": "http://elsewhere.invalid/"}), ProviderError, "(302); check rest_url"),
        (Reply(200, b"<html>Log in</html>"), ProviderError, "is not JSON; check rest_url"),
        (Reply(200, b"[]"), ProviderError, "is not JSON"),
        (Reply(401, b"Authentication failure"), AuthError, "does not accept the token"),
        (Reply(503, b"busy"), Unreachable, "can't answer now (503)"),
        (Reply(500, {"errors": [{"error_number": 2000, "error": f"no {TOKEN}"}]}), ProviderError, "no <token>"),
    ],
)
async def test_each_failure_is_a_sentence_without_the_token(
    stub: RestStub, client: SlurmRestClient, reply: Reply, error: type[FlowError], words: str
) -> None:
    stub.reply(JOBS, reply)
    with pytest.raises(error) as failed:
        await client.get("jobs")
    assert words in str(failed.value)
    assert TOKEN not in f"{failed.value!r}{failed.value.__cause__!r}"


async def test_a_wrong_address_is_unreachable(token: Path) -> None:
    client = SlurmRestClient(SlurmSettings(rest_url="http://127.0.0.1:1", rest_token_file=token), pause_s=0.01)
    with pytest.raises(Unreachable, match=r"can't be reached: .*; check rest_url"):
        await client.get("jobs")
    await client.close()


async def test_a_user_name_that_no_header_can_hold_is_refused(stub: RestStub, token: Path) -> None:
    client = SlurmRestClient(SlurmSettings(rest_url=stub.url, rest_user="al\nice", rest_token_file=token))
    with pytest.raises(ConfigError, match=r"^rest_user: "):
        await client.get("jobs")
    await client.close()


async def test_a_job_whose_answer_was_lost_is_found_by_its_comment(stub: RestStub, provider: Provider) -> None:
    stub.reply(SUBMIT, CUT)
    stub.reply(JOBS, Reply(body={"jobs": []}), listed(f"{COMMENT_PREFIX}{make_key('one')} mine"))
    record = await provider.submit(task(name="lost", unique_name=False, idempotency_key="one"))
    assert (record.task_id, record.name) == ("77", "lost")
    assert stub.calls.count(SUBMIT) == 1


async def test_a_job_that_never_arrived_is_not_found(stub: RestStub, provider: Provider) -> None:
    stub.reply(SUBMIT, CUT)
    with pytest.raises(AnswerLost, match="broke off its answer to POST"):
        await provider.submit(task())
    stub.reply(JOBS, Reply(503))
    with pytest.raises(Unreachable, match="may have been submitted all the same"):
        await provider.submit(task())
    assert stub.calls.count(SUBMIT) == 2


async def test_a_submission_that_is_cancelled_leaves_no_job(stub: RestStub, provider: Provider) -> None:
    stub.reply(SUBMIT, SILENT)
    stub.reply("DELETE /slurm/v0.0.42/job/77", Reply())
    submitting = asyncio.create_task(provider.submit(task()))
    await until(lambda: SUBMIT in stub.calls)
    (sent,) = [one.body for one in stub.seen if one.method == "POST"]
    stub.reply(JOBS, listed(sent["job"]["comment"]))
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert stub.calls[-1] == "DELETE /slurm/v0.0.42/job/77"


async def test_a_job_that_was_submitted_in_spite_of_an_error_is_cancelled(stub: RestStub, provider: Provider) -> None:
    """Slurm 24.11 submits a job of which it could not read a field."""
    fault = {"description": 'Unknown flag "X"', "error_number": 9207, "error": "Data parser unable to parse flag"}
    stub.reply(SUBMIT, Reply(500, {"job_id": 78, "errors": [fault]}))
    stub.reply("DELETE /slurm/v0.0.42/job/78", Reply())
    with pytest.raises(ProviderError, match="Slurm refused the task: Data parser"):
        await provider.submit(task())
    assert stub.calls[-1] == "DELETE /slurm/v0.0.42/job/78"


async def test_the_same_key_is_submitted_once(stub: RestStub, provider: Provider) -> None:
    stub.reply(SUBMIT, Reply(body={"job_id": 79, "errors": []}))
    record = await provider.submit(task(idempotency_key="once"))
    (sent,) = [one.body for one in stub.seen if one.method == "POST"]
    stub.reply(JOBS, listed(f"{sent['job']['comment']} mine", 79))
    assert (await provider.submit(task(idempotency_key="once"))).task_id == record.task_id
    with pytest.raises(ProviderError, match=r"^idempotency_key: 'once' is that of task 79"):
        await provider.submit(task(idempotency_key="once", command="false"))
    assert stub.calls.count(SUBMIT) == 1


async def fails(provider: Provider) -> bool:
    try:
        await provider.list_tasks()
    except Unreachable:
        return True
    return False


async def works(provider: Provider) -> bool:
    return not await fails(provider)


async def test_the_list_works_again_after_a_failure_and_many_callers_share_a_call(
    stub: RestStub, provider: Provider
) -> None:
    stub.reply(JOBS, Reply(body=load("jobs", NEW)))
    lists = await asyncio.gather(*(provider.list_tasks() for _ in range(10)))
    assert len({len(one) for one in lists}) == 1
    assert stub.calls == [JOBS]
    running = next(one for one in lists[0] if one.name == "training")
    array = next(one for one in lists[0] if one.name == "array")
    assert (running.gpu_type, running.gpu_count, running.num_instances) == ("a100", 2, 2)
    assert [element.index for element in array.elements] == list(range(8))
    assert array.message == "waits for other elements of its array: 2 may run at once (JobArrayTaskLimit)"
    stub.reply(JOBS, Reply(503))
    await until(lambda: fails(provider))
    stub.reply(JOBS, Reply(body=load("jobs", NEW)))
    await until(lambda: works(provider))
    assert await provider.get_task(running.task_id) == running


async def test_a_slow_accounting_delays_no_list(stub: RestStub, client: SlurmRestClient) -> None:
    history = "GET /slurmdb/v0.0.42/jobs/"
    stub.reply(history, SILENT)
    table, reader = JobTable(), RestHistory(client, 7, wait_s=0.01)
    began_at = time.monotonic()
    await reader.update(table)
    assert time.monotonic() - began_at < DEADLINE_S / 2
    assert (table.get("8"), reader.failure) == ((), "")
    await until(lambda: history in stub.calls)
    await reader.close()
    (seen,) = [one for one in stub.seen if one.path.startswith("/slurmdb")]
    assert seen.query == "start_time=now-604800&skip_steps=true&users=alice"


async def test_an_accounting_that_fails_is_noted_and_the_queue_is_listed(stub: RestStub, token: Path) -> None:
    settings = {"rest_url": stub.url, "rest_user": "alice", "rest_token_file": str(token), "poll_s": 0.1}
    stub.reply(JOBS, Reply(body=load("jobs", NEW)))
    stub.reply("GET /slurmdb/v0.0.42/jobs/", Reply(500, {"errors": [{"error_number": 7000, "error": "no slurmdbd"}]}))
    provider = open_provider(Context("lab", "slurm", settings))
    listing = await provider.list_tasks()
    assert len(listing) == 11
    (note,) = listing.unreadable  # type: ignore[attr-defined]
    assert note.startswith("ended jobs may be missing: Slurm refused GET /slurmdb/v0.0.42/jobs/: no slurmdbd")
    with pytest.raises(NotFound):
        await provider.get_task("1")
    await provider.close()
