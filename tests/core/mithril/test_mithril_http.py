"""Calls to the API: what is sent, what is tried again, and how every refusal reads."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from core.mithril.conftest import KEY, FakeApi, Reply
from testbed.waiting import DEADLINE_S

from flow_core.errors import AuthError, ConfigError, Conflict, FlowError, NotFound, ProviderError, Unreachable
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.settings import MithrilSettings


def said(detail: Any, status: int, **headers: str) -> Reply:
    return Reply(status, json.dumps({"detail": detail}).encode(), {"x-request-id": "req_42", **headers})


async def test_a_call_carries_the_key_and_asks_for_nothing_compressed(api: FakeApi, http: MithrilHttp) -> None:
    assert await http.get("/v2/ssh-keys", project="proj_one") == api.keys
    (seen,) = api.seen
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.query == {"project": ["proj_one"]}


@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (said("Not authenticated", 401), AuthError, "MITHRIL_API_KEY"),
        (said("not your project", 403), AuthError, "not your project"),
        (said("no such key", 404), NotFound, "no such key"),
        (said("is in use", 409), Conflict, "is in use"),
        (said("Name already used", 400), Conflict, "already used"),
        (said("bad", 400), ProviderError, "bad"),
        (said("no credit", 402), ProviderError, "no credit"),
        (said("what?", 422), ConfigError, "what?"),
        (said([{"loc": ["body", "name"], "msg": "too long", "type": "x"}], 422), ConfigError, "^name: too long"),
        (said("gone", 301, location="http://elsewhere.example/"), ProviderError, "MITHRIL_API_URL"),
        (Reply(500, b"<html>"), ProviderError, "500"),
        (Reply(418, b"\x1b[2J", {"x-request-id": "\x1b[1m" + KEY}), ProviderError, "418"),
        (said(f"the key {KEY} is bad", 403), AuthError, "the key <key> is bad"),
        (said(["\x1b[2J", {}], 422), ConfigError, "422"),
        (said([{"loc": [KEY], "msg": {"a": KEY}}], 422), ConfigError, "<key>"),
    ],
)
async def test_a_refusal_is_the_error_it_means_and_never_holds_the_key(
    api: FakeApi, http: MithrilHttp, method: str, reply: Reply, error: type[Exception], words: str
) -> None:
    api.replies = [reply] * 3
    call = getattr(http, method)
    with pytest.raises((error, Unreachable), match=words) as refused:
        await (call("/v2/x") if method in ("get", "delete") else call("/v2/x", {"a": 1}))
    told = "".join(traceback.format_exception(refused.value)) + repr(refused.value)
    assert KEY not in told
    assert "\x1b" not in str(refused.value)
    assert ("req_42" in str(refused.value)) is (reply.headers.get("x-request-id") == "req_42")
    assert isinstance(refused.value, FlowError)
    assert refused.value.status == reply.status
    if reply.headers.get("x-request-id") == "req_42":
        assert refused.value.request_id == "req_42"
    if isinstance(refused.value, ConfigError) and words.startswith("^"):
        assert refused.value.field == "name"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_reading_is_tried_three_times(api: FakeApi, http: MithrilHttp, status: int) -> None:
    api.replies = [said("busy", status)] * 2
    assert await http.get("/v2/projects") == api.projects
    assert len(api.seen) == 3
    api.replies = [said("busy", status)] * 3
    with pytest.raises(Unreachable):
        await http.get("/v2/projects")
    assert len(api.seen) == 6


@pytest.mark.parametrize("method", ["post", "patch"])
async def test_a_change_that_fails_is_not_tried_again_and_its_error_says_to_look(
    api: FakeApi, http: MithrilHttp, method: str
) -> None:
    api.replies = [said("oops", 503)]
    with pytest.raises(ProviderError, match="look before you try again") as failed:
        await getattr(http, method)("/v2/x", {})
    assert not isinstance(failed.value, Unreachable)
    assert len(api.seen) == 1


@pytest.mark.parametrize("lost", [said("oops", 503), Reply(200, b"{}", cut=True)], ids=["503", "cut"])
async def test_what_a_lost_answer_had_deleted_is_deleted(api: FakeApi, http: MithrilHttp, lost: Reply) -> None:
    api.replies = [lost, said("no such thing", 404)]
    await http.delete("/v2/x")
    assert api.calls == ["DELETE /v2/x"] * 2
    api.replies = [said("slow down", 429, **{"Retry-After": "0"}), said("no such thing", 404)]
    with pytest.raises(NotFound):
        await http.delete("/v2/x")
    api.replies = [said("oops", 503)] * 3
    with pytest.raises(ProviderError, match="look before you try again"):
        await http.delete("/v2/x")


async def test_a_change_that_was_not_taken_for_lack_of_time_is_tried_again(api: FakeApi, http: MithrilHttp) -> None:
    api.replies = [said("slow down", 429, **{"Retry-After": "0"}), Reply(201, b'{"a": 1}')]
    assert await http.post("/v2/x", {"n": "é\udc80"}) == {"a": 1}
    assert [seen.body for seen in api.seen] == [{"n": "é\udc80"}] * 2


async def test_the_api_is_waited_for_as_long_as_it_asks_but_not_for_ever(api: FakeApi, http: MithrilHttp) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    for asked in ("1", soon):
        api.replies = [said("slow down", 429, **{"Retry-After": asked})]
        async with asyncio.timeout(DEADLINE_S):
            await http.get("/v2/projects")
    api.seen.clear()
    api.replies = [said("slow down", 429, **{"Retry-After": "3600"})]
    with pytest.raises(Unreachable, match="3600 s") as refused:
        await http.get("/v2/projects")
    assert (refused.value.status, refused.value.request_id, refused.value.retry_after_s) == (429, "req_42", 3600.0)
    assert len(api.seen) == 1
    api.replies = [said("slow down", 429, **{"Retry-After": "soon"})]
    assert await http.get("/v2/projects") == api.projects


async def test_an_api_that_does_not_answer_is_unreachable_in_time(api: FakeApi) -> None:
    http = MithrilHttp(MithrilSettings(KEY, api.url), pause_s=0.01, read_s=0.5)
    never = threading.Event()
    api.replies = [Reply(wait=never)] * 3
    before = time.monotonic()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(Unreachable, match="in time"):
            await http.get("/v2/projects")
    assert time.monotonic() - before > 1
    never.set()
    await http.close()


async def test_an_answer_that_comes_byte_by_byte_is_not_waited_for_either(api: FakeApi) -> None:
    http = MithrilHttp(MithrilSettings(KEY, api.url), pause_s=0.01, read_s=5, whole_s=0.5)
    api.replies = [Reply(200, b" " * 1000, pause_s=0.05)]
    async with asyncio.timeout(DEADLINE_S):  # all the bytes would take 50 s
        with pytest.raises(Unreachable, match="in time"):
            await http.get("/v2/projects")
    await http.close()


async def test_a_call_can_be_given_up_at_once(api: FakeApi, http: MithrilHttp) -> None:
    never = threading.Event()
    api.replies = [Reply(wait=never)]
    call = asyncio.create_task(http.get("/v2/projects"))
    while not api.seen:
        await asyncio.sleep(0.01)
    call.cancel()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(asyncio.CancelledError):
            await call
    never.set()


async def test_an_answer_that_is_broken_off_is_asked_for_again(api: FakeApi, http: MithrilHttp) -> None:
    api.replies = [Reply(200, b"[", cut=True)]
    assert await http.get("/v2/projects") == api.projects
    api.replies = [Reply(200, b"[", cut=True)]
    with pytest.raises(Unreachable, match="broke off"):
        await http.post("/v2/x", {})
    assert api.calls.count("POST /v2/x") == 1


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    api: FakeApi, http: MithrilHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await http.get("/v2/projects") == api.projects


async def test_nobody_there_is_unreachable() -> None:
    http = MithrilHttp(MithrilSettings(KEY, "http://127.0.0.1:9"), pause_s=0.01)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 can't be reached") as failed:
        await http.get("/v2/projects")
    assert KEY not in "".join(traceback.format_exception(failed.value))
    await http.close()
    await http.close()


@pytest.mark.parametrize("body", [b"<html>", b"[1, 2", b"\xff\xfe", b"[" * 100_000, b"x" * (17 << 20)])
async def test_nonsense_is_an_error_of_the_provider(api: FakeApi, http: MithrilHttp, body: bytes) -> None:
    api.replies = [Reply(200, body)]
    with pytest.raises(ProviderError, match=r"not JSON|more than 16 MiB"):
        await http.get("/v2/projects")
    assert await http.get("/v2/projects") == api.projects, "and the next call works"


async def test_nothing_that_is_logged_holds_the_key(
    api: FakeApi, http: MithrilHttp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await http.get("/v2/projects")
    api.replies = [said("no", 403)]
    with pytest.raises(AuthError):
        await http.post("/v2/x", {})
    assert KEY not in caplog.text
    assert KEY not in repr(http.settings)


async def test_an_address_that_can_not_be_is_refused(http: MithrilHttp) -> None:
    with pytest.raises(ConfigError):
        await http.get("/v2/" + "x" * 100_000)
