"""What is asked is asked once, and a no is a no until the user tries again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from testbed.waiting import DEADLINE_S, until

from flow_core.ssh.prompter import HostKeyPrompt, SecretPrompt
from flow_tui.questions import Questions

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
    questions = Questions()
    asking = [start(questions.ask_secret(replace(PASSPHRASE, context=name))) for name in ("lab", "home", "lab")]
    await until(lambda: questions.open and len(questions.open[0].contexts) == 3)
    assert len(questions.open) == 1
    assert questions.contexts == {"lab", "home"}
    questions.settle(questions.open[0], "secret")
    assert await asyncio.gather(*asking) == ["secret"] * 3
    assert questions.open == ()


async def test_a_code_is_good_for_one_login_so_each_asks_for_its_own(start: Any) -> None:
    questions = Questions()
    first, second = start(questions.ask_secret(CODE)), start(questions.ask_secret(CODE))
    await until(lambda: len(questions.open) == 2)
    questions.settle(questions.open[0], "1")
    questions.settle(questions.open[0], "2")
    assert (await first, await second) == ("1", "2")


@pytest.mark.parametrize(
    "ask", [lambda q: q.confirm_host_key(KEY), lambda q: q.ask_secret(PASSPHRASE), lambda q: q.ask_secret(CODE)]
)
async def test_a_no_is_a_no_until_the_user_tries_again(start: Any, ask: Callable[[Questions], Any]) -> None:
    questions = Questions()
    first = start(ask(questions))
    await until(lambda: questions.open)
    questions.settle(questions.open[0], None)
    assert not await first
    for elsewhere in ("home", "cloud"):
        questions.forget_refusals(elsewhere)
        await asyncio.wait([start(ask(questions))], timeout=DEADLINE_S)
        assert questions.open == ()
    with questions.hurried("lab"):
        again = start(ask(questions))
        await until(lambda: questions.open)
        assert questions.is_urgent(questions.open[0])
        questions.settle(questions.open[0], "yes")
        assert await again


async def test_a_no_to_one_key_says_nothing_of_another_key_of_that_host(start: Any) -> None:
    questions = Questions()
    start(questions.confirm_host_key(KEY))
    await until(lambda: questions.open)
    questions.settle(questions.open[0], None)
    start(questions.confirm_host_key(replace(KEY, fingerprint="SHA256:other")))
    await until(lambda: questions.open)


async def test_who_gives_up_first_does_not_take_the_question_along(start: Any) -> None:
    questions = Questions()
    poller, shell = start(questions.ask_secret(PASSPHRASE)), start(questions.ask_secret(PASSPHRASE))
    await until(lambda: questions.open and len(questions.open[0].contexts) == 2)
    pending = questions.open[0]
    poller.cancel()
    await asyncio.wait([poller])
    assert questions.open == (pending,)
    shell.cancel()
    await asyncio.wait([shell])
    assert questions.open == ()
    assert pending.ended.cancelled()
    questions.settle(pending, "late")
    assert pending.given is None


async def test_what_a_poller_asks_becomes_urgent_once_the_user_waits_for_its_context(start: Any) -> None:
    questions = Questions()
    heard: list[bool] = []
    start(questions.confirm_host_key(KEY))
    await until(lambda: questions.open)
    questions.subscribe(lambda: heard.append(questions.is_urgent(questions.open[0])))
    with questions.hurried("home"):
        pass
    with questions.hurried("lab"):
        pass
    assert heard == [False, True]
    assert not questions.is_urgent(questions.open[0])


async def test_a_second_attempt_is_urgent_and_what_else_the_host_asks_comes_next(start: Any) -> None:
    questions = Questions()
    start(questions.ask_secret(PASSPHRASE))
    await until(lambda: questions.open)
    assert not questions.is_urgent(questions.open[0])
    assert not questions.is_next(questions.open[0])
    questions.settle(questions.open[0], "wrong")
    for following, is_urgent in ((replace(PASSPHRASE, attempt=2), True), (CODE, False)):
        start(questions.ask_secret(following))
        await until(lambda: questions.open)
        assert questions.is_urgent(questions.open[0]) is is_urgent
        assert questions.is_next(questions.open[0])
        questions.settle(questions.open[0], None)


async def test_an_answer_is_in_no_repr_and_gone_once_it_was_taken(start: Any) -> None:
    questions = Questions()
    asking = start(questions.ask_secret(PASSPHRASE))
    await until(lambda: questions.open)
    pending = questions.open[0]
    questions.settle(pending, "hunter2")
    assert "hunter2" not in f"{pending!r} {pending.ended!r} {vars(questions)!r}"
    assert await asking == "hunter2"
    assert pending.given is None
