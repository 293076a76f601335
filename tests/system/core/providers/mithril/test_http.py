"""Calls to the API: what is sent, what is tried again, and how every refusal reads."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from testbed.mithril_account import KEY, UNKNOWN, KnownAccount
from testbed.waiting import DEADLINE_S, until

from flow_core.emulator.faults import Fault
from flow_core.errors import AuthError, ConfigError, Conflict, FlowError, NotFound, ProviderError, Unreachable
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.settings import MithrilSettings


def refusal(detail: Any, status: int, **headers: str) -> Fault:
    return Fault(status=status, detail=detail, headers={"x-request-id": "req_42", **headers})


BROKEN_OFF = Fault(status=200, body=b"{}", cut="within")
NEVER = Fault(delay_s=600)


async def test_a_call_carries_the_key_and_refuses_compression(api: KnownAccount, http: MithrilHttp) -> None:
    assert await http.get("/v2/ssh-keys", project="proj_one") == []
    (seen,) = api.calls
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.query == {"project": ["proj_one"]}


@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (refusal("Not authenticated", 401), AuthError, "MITHRIL_API_KEY"),
        (refusal("not your project", 403), AuthError, "not your project"),
        (refusal("no such key", 404), NotFound, "no such key"),
        (refusal("is in use", 409), Conflict, "is in use"),
        (refusal("Name already used", 400), Conflict, "already used"),
        (refusal("bad", 400), ProviderError, "bad"),
        (refusal("no credit", 402), ProviderError, "no credit"),
        (refusal("what?", 422), ConfigError, "what?"),
        (refusal([{"loc": ["body", "name"], "msg": "too long", "type": "x"}], 422), ConfigError, "^name: too long"),
        (refusal("gone", 301, location="http://elsewhere.example/"), ProviderError, "MITHRIL_API_URL"),
        (Fault(status=500, body=b"<html>"), ProviderError, "500"),
        (Fault(status=418, body=b"\x1b[2J", headers={"x-request-id": "\x1b[1m" + KEY}), ProviderError, "418"),
        (refusal(f"the key {KEY} is bad", 403), AuthError, "the key <key> is bad"),
        (refusal(["\x1b[2J", {}], 422), ConfigError, "422"),
        (refusal([{"loc": [KEY], "msg": {"a": KEY}}], 422), ConfigError, "<key>"),
    ],
)
async def test_a_refusal_becomes_its_error_class_and_never_contains_the_key(
    api: KnownAccount, http: MithrilHttp, method: str, reply: Fault, error: type[Exception], words: str
) -> None:
    api.reply(*[reply] * 3)
    call = getattr(http, method)
    with pytest.raises((error, Unreachable), match=words) as refused:
        await (call(UNKNOWN) if method in ("get", "delete") else call(UNKNOWN, {"a": 1}))
    shown = "".join(traceback.format_exception(refused.value)) + repr(refused.value)
    assert KEY not in shown
    assert "\x1b" not in str(refused.value)
    assert ("req_42" in str(refused.value)) is (reply.headers.get("x-request-id") == "req_42")
    assert isinstance(refused.value, FlowError)
    assert refused.value.status == reply.status
    if reply.headers.get("x-request-id") == "req_42":
        assert refused.value.request_id == "req_42"
    if isinstance(refused.value, ConfigError) and words.startswith("^"):
        assert refused.value.field == "name"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_a_get_is_tried_three_times(api: KnownAccount, http: MithrilHttp, status: int) -> None:
    api.reply(*[refusal("busy", status)] * 2)
    assert await http.get("/v2/projects") == api.projects
    assert len(api.calls) == 3
    api.reply(*[refusal("busy", status)] * 3)
    with pytest.raises(Unreachable):
        await http.get("/v2/projects")
    assert len(api.calls) == 6


@pytest.mark.parametrize("method", ["post", "patch"])
async def test_a_failed_change_is_not_retried_and_its_error_says_to_look_first(
    api: KnownAccount, http: MithrilHttp, method: str
) -> None:
    api.reply(refusal("oops", 503))
    with pytest.raises(ProviderError, match="look before you try again") as failed:
        await getattr(http, method)(UNKNOWN, {})
    assert not isinstance(failed.value, Unreachable)
    assert len(api.calls) == 1


@pytest.mark.parametrize("lost", [refusal("oops", 503), BROKEN_OFF], ids=["503", "cut"])
async def test_a_404_after_a_lost_response_to_a_delete_is_success(
    api: KnownAccount, http: MithrilHttp, lost: Fault
) -> None:
    api.reply(lost, refusal("no such thing", 404))
    await http.delete(UNKNOWN)
    assert api.requests == [f"DELETE {UNKNOWN}"] * 2
    api.reply(refusal("slow down", 429, **{"Retry-After": "0"}), refusal("no such thing", 404))
    with pytest.raises(NotFound):
        await http.delete(UNKNOWN)
    api.reply(*[refusal("oops", 503)] * 3)
    with pytest.raises(ProviderError, match="look before you try again"):
        await http.delete(UNKNOWN)


async def test_a_change_refused_by_a_rate_limit_is_retried(api: KnownAccount, http: MithrilHttp) -> None:
    api.reply(refusal("slow down", 429, **{"Retry-After": "0"}), Fault(status=201, body=b'{"a": 1}'))
    assert await http.post(UNKNOWN, {"n": "é\udc80"}) == {"a": 1}
    assert [json.loads(one.body) for one in api.calls] == [{"n": "é\udc80"}] * 2


async def test_the_api_is_waited_for_as_long_as_it_asks_but_not_for_ever(api: KnownAccount, http: MithrilHttp) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    for delay in ("1", soon):
        api.reply(refusal("slow down", 429, **{"Retry-After": delay}))
        async with asyncio.timeout(DEADLINE_S):
            await http.get("/v2/projects")
    api.calls.clear()
    api.reply(refusal("slow down", 429, **{"Retry-After": "3600"}))
    with pytest.raises(Unreachable, match="3600 s"):
        await http.get("/v2/projects")
    assert len(api.calls) == 1
    api.reply(refusal("slow down", 429, **{"Retry-After": "soon"}))
    assert await http.get("/v2/projects") == api.projects


async def test_an_api_that_does_not_answer_is_unreachable_in_time(api: KnownAccount) -> None:
    http = MithrilHttp(MithrilSettings(KEY, api.url), pause_s=0.01, read_s=0.5)
    api.reply(*[NEVER] * 3)
    before = time.monotonic()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(Unreachable, match="in time"):
            await http.get("/v2/projects")
    assert time.monotonic() - before > 1
    await http.close()


async def test_a_response_that_arrives_byte_by_byte_is_given_up_in_time_too(api: KnownAccount) -> None:
    http = MithrilHttp(MithrilSettings(KEY, api.url), pause_s=0.01, read_s=5, whole_s=0.5)
    api.reply(Fault(body=b" " * 1000, drip_s=0.05))
    async with asyncio.timeout(DEADLINE_S):  # all the bytes would take 50 s
        with pytest.raises(Unreachable, match="in time"):
            await http.get("/v2/projects")
    await http.close()


async def test_a_call_can_be_given_up_at_once(api: KnownAccount, http: MithrilHttp) -> None:
    api.reply(NEVER)
    call = asyncio.create_task(http.get("/v2/projects"))
    await until(lambda: api.calls)
    call.cancel()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_get_whose_response_breaks_off_is_retried(api: KnownAccount, http: MithrilHttp) -> None:
    api.reply(Fault(status=200, body=b"[", cut="within"))
    assert await http.get("/v2/projects") == api.projects
    api.reply(Fault(status=200, body=b"[", cut="within"))
    with pytest.raises(Unreachable, match="broke off"):
        await http.post(UNKNOWN, {})
    assert api.requests.count(f"POST {UNKNOWN}") == 1


async def test_a_proxy_of_the_environment_is_not_used_for_loopback(
    api: KnownAccount, http: MithrilHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await http.get("/v2/projects") == api.projects


async def test_a_refused_connection_is_unreachable() -> None:
    http = MithrilHttp(MithrilSettings(KEY, "http://127.0.0.1:9"), pause_s=0.01)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 can't be reached") as failed:
        await http.get("/v2/projects")
    assert KEY not in "".join(traceback.format_exception(failed.value))
    await http.close()
    await http.close()


@pytest.mark.parametrize("body", [b"<html>", b"[1, 2", b"\xff\xfe", b"[" * 100_000, b"x" * (17 << 20)])
async def test_nonsense_is_an_error_of_the_provider(api: KnownAccount, http: MithrilHttp, body: bytes) -> None:
    api.reply(Fault(body=body))
    with pytest.raises(ProviderError, match=r"not JSON|more than 16 MiB"):
        await http.get("/v2/projects")
    assert await http.get("/v2/projects") == api.projects, "and the next call works"


async def test_the_log_never_contains_the_key(
    api: KnownAccount, http: MithrilHttp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await http.get("/v2/projects")
    api.reply(refusal("no", 403))
    with pytest.raises(AuthError):
        await http.post(UNKNOWN, {})
    assert KEY not in caplog.text
    assert KEY not in repr(http.settings)


async def test_an_impossible_address_is_refused(http: MithrilHttp) -> None:
    with pytest.raises(ConfigError):
        await http.get("/v2/" + "x" * 100_000)
