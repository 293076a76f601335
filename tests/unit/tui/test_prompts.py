"""What is asked is asked once, and a no is a no until the user tries again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from testbed.waiting import DEADLINE_S, until

from flow_core.prompter import HostKeyPrompt, SecretPrompt
from flow_tui.prompts import PromptQueue

KEY = HostKeyPrompt("gpu1", "ssh-ed25519", "SHA256:abc", "10.0.0.7:22", "known_hosts", context="lab")
PASSPHRASE = SecretPrompt("gpu1", "passphrase", "Passphrase of id_a", context="lab")
CODE = SecretPrompt("gpu1", "code", "Code:", context="lab")


@pytest.fixture
async def start() -> AsyncIterator[Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]]:
    """Asks beside the test; whoever still asks at its end is sent away."""
    started: list[asyncio.Task[Any]] = []

    def begin(asking: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        started.append(asyncio.create_task(asking))
        return started[-1]

    yield begin
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)


async def test_pollers_of_two_contexts_that_ask_the_same_share_one_answer(start: Any) -> None:
    prompts = PromptQueue()
    asking = [start(prompts.ask_secret(replace(PASSPHRASE, context=name))) for name in ("lab", "home", "lab")]
    await until(lambda: prompts.open and len(prompts.open[0].contexts) == 3)
    assert len(prompts.open) == 1
    assert prompts.contexts == {"lab", "home"}
    prompts.answer(prompts.open[0], "secret")
    assert await asyncio.gather(*asking) == ["secret"] * 3
    assert prompts.open == ()


async def test_a_code_is_good_for_one_login_so_each_asks_for_its_own(start: Any) -> None:
    prompts = PromptQueue()
    first, second = start(prompts.ask_secret(CODE)), start(prompts.ask_secret(CODE))
    await until(lambda: len(prompts.open) == 2)
    prompts.answer(prompts.open[0], "1")
    prompts.answer(prompts.open[0], "2")
    assert (await first, await second) == ("1", "2")


@pytest.mark.parametrize(
    "ask", [lambda q: q.confirm_host_key(KEY), lambda q: q.ask_secret(PASSPHRASE), lambda q: q.ask_secret(CODE)]
)
async def test_a_no_is_a_no_until_the_user_tries_again(start: Any, ask: Callable[[PromptQueue], Any]) -> None:
    prompts = PromptQueue()
    first = start(ask(prompts))
    await until(lambda: prompts.open)
    prompts.answer(prompts.open[0], None)
    assert not await first
    for elsewhere in ("home", "cloud"):
        prompts.forget_refusals(elsewhere)
        await asyncio.wait([start(ask(prompts))], timeout=DEADLINE_S)
        assert prompts.open == ()
    with prompts.foreground("lab"):
        again = start(ask(prompts))
        await until(lambda: prompts.open)
        assert prompts.is_urgent(prompts.open[0])
        prompts.answer(prompts.open[0], "yes")
        assert await again


async def test_a_no_to_one_key_says_nothing_of_another_key_of_that_host(start: Any) -> None:
    prompts = PromptQueue()
    start(prompts.confirm_host_key(KEY))
    await until(lambda: prompts.open)
    prompts.answer(prompts.open[0], None)
    start(prompts.confirm_host_key(replace(KEY, fingerprint="SHA256:other")))
    await until(lambda: prompts.open)


async def test_who_gives_up_first_does_not_take_the_question_along(start: Any) -> None:
    prompts = PromptQueue()
    poller, shell = start(prompts.ask_secret(PASSPHRASE)), start(prompts.ask_secret(PASSPHRASE))
    await until(lambda: prompts.open and len(prompts.open[0].contexts) == 2)
    pending = prompts.open[0]
    poller.cancel()
    await asyncio.wait([poller])
    assert prompts.open == (pending,)
    shell.cancel()
    await asyncio.wait([shell])
    assert prompts.open == ()
    assert pending.done.cancelled()
    prompts.answer(pending, "late")
    assert pending.answer is None


async def test_what_a_poller_asks_becomes_urgent_once_the_user_waits_for_its_context(start: Any) -> None:
    prompts = PromptQueue()
    heard: list[bool] = []
    start(prompts.confirm_host_key(KEY))
    await until(lambda: prompts.open)
    prompts.subscribe(lambda: heard.append(prompts.is_urgent(prompts.open[0])))
    with prompts.foreground("home"):
        pass
    with prompts.foreground("lab"):
        pass
    assert heard == [False, True]
    assert not prompts.is_urgent(prompts.open[0])


async def test_a_second_attempt_is_urgent_and_what_else_the_host_asks_comes_next(start: Any) -> None:
    prompts = PromptQueue()
    start(prompts.ask_secret(PASSPHRASE))
    await until(lambda: prompts.open)
    assert not prompts.is_urgent(prompts.open[0])
    assert not prompts.is_next(prompts.open[0])
    prompts.answer(prompts.open[0], "wrong")
    for following, is_urgent in ((replace(PASSPHRASE, attempt=2), True), (CODE, False)):
        start(prompts.ask_secret(following))
        await until(lambda: prompts.open)
        assert prompts.is_urgent(prompts.open[0]) is is_urgent
        assert prompts.is_next(prompts.open[0])
        prompts.answer(prompts.open[0], None)


async def test_an_answer_is_in_no_repr_and_gone_once_it_was_taken(start: Any) -> None:
    prompts = PromptQueue()
    asking = start(prompts.ask_secret(PASSPHRASE))
    await until(lambda: prompts.open)
    pending = prompts.open[0]
    prompts.answer(pending, "hunter2")
    assert "hunter2" not in f"{pending!r} {pending.done!r} {vars(prompts)!r}"
    assert await asking == "hunter2"
    assert pending.answer is None
