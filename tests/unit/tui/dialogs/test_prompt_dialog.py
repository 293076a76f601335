"""The dialogs of a host: what they say, and what they take for an answer."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from testbed.screen_text import unwrapped
from textual.widgets import Input

from flow_core.prompter import HostKeyPrompt, SecretPrompt
from flow_tui.dialogs.prompt_dialog import HostKeyDialog, SecretDialog

FINGERPRINT = "SHA256:uNiVztksCsDhcc0u9e8BrrMc7cxHNwUmGXDWSkyUgoA"
SECRET = "correct [b]horse"


def host_key(**said: str) -> HostKeyDialog:
    facts = {
        "host": "gpu1",
        "key_type": "ssh-ed25519",
        "fingerprint": FINGERPRINT,
        "seen_at": "10.0.0.7:2222 through hop",
    }
    return HostKeyDialog(HostKeyPrompt(**{**facts, "saved_in": "/home/me/.ssh/known_hosts", "context": "lab", **said}))


def secret(kind: Any = "passphrase", prompt: str = "Passphrase of id_a", **more: Any) -> SecretDialog:
    return SecretDialog(SecretPrompt("gpu1", kind, prompt, **more))


async def test_it_says_all_that_is_known_of_the_key_at_every_size(ask: Any) -> None:
    facts = ("key of gpu1?", FINGERPRINT, "ssh-ed25519", "10.0.0.7:2222 through hop", "lab", "known_hosts")
    async with ask(host_key()) as question:
        for size in ((120, 36), (80, 24), (60, 20)):
            await question.pilot.resize_terminal(*size)
            await question.until(lambda: all(unwrapped(fact) in unwrapped(question.text) for fact in facts))


@pytest.mark.parametrize("answer", ["yes", "YES ", FINGERPRINT])
async def test_the_word_or_the_fingerprint_says_yes(ask: Any, answer: str) -> None:
    async with ask(host_key()) as question:
        await question.type(answer)
        assert question.answers == []
        await question.press("enter")
        assert question.answers == ["yes"]


async def test_nothing_else_does(ask: Any) -> None:
    async with ask(host_key()) as question:
        for keys in (["enter"], ["y"], ["y", "enter"], ["space", "enter"], ["ctrl+d"], ["y", "tab", "enter"]):
            await question.press(*keys)
            assert question.answers == [], keys
            assert question.app.pressed_below == 0
            question.app.screen.query_one(Input).value = ""
        await question.type(FINGERPRINT.swapcase().replace("sha", "SHA"))
        await question.press("enter")
        assert "The fingerprint differs" in question.text
        assert question.answers == []
        await question.press("escape")
        assert question.answers == [None]


async def test_no_is_a_no(ask: Any) -> None:
    async with ask(host_key()) as question:
        await question.type("no")
        await question.press("enter")
        assert question.answers == [None]


async def test_foreign_words_are_text(ask: Any) -> None:
    hostile = "[red]x[/\x1b[2J"
    async with ask(host_key(host=hostile, key_type=hostile, seen_at=hostile, saved_in=hostile)) as question:
        assert question.text.count("[red]x[/␛[2J") == 5
    async with ask(secret("code", f"{hostile}\nCode [/]:\t")) as question:
        assert "[red]x[/␛[2J" in question.text
        assert "Code [/]:" in question.text


async def test_a_secret_is_shown_as_dots_only_and_handed_over_as_it_was_typed(ask: Any) -> None:
    async with ask(secret(context="lab")) as question:
        assert "gpu1 prompts for a passphrase" in question.text
        assert "Passphrase of id_a" in question.text
        await question.type(SECRET)
        line = question.app.screen.query_one(Input)
        assert line.value == SECRET
        assert "•" * len(SECRET) in question.text
        for shown in (question.text, repr(line), repr(question.app.screen)):
            assert "horse" not in shown
        await question.press("enter")
        assert question.answers == [SECRET]
        question.answers.clear()
        held = [line for line in gc.get_objects() if isinstance(line, Input) and "horse" in line.value]
        assert held == []


async def test_a_secret_can_not_be_copied(ask: Any) -> None:
    async with ask(secret()) as question:
        await question.type(SECRET)
        for key in ("ctrl+c", "ctrl+x"):
            await question.press("ctrl+shift+a", key)
            assert question.app.clipboard == ""


async def test_what_the_host_lets_be_seen_is_seen(ask: Any) -> None:
    async with ask(secret("code", "Code: ", is_secret=False)) as question:
        await question.type("123456")
        assert "123456" in question.text


async def test_esc_gives_up(ask: Any) -> None:
    async with ask(secret()) as question:
        await question.type("half")
        await question.press("escape")
        assert question.answers == [None]


async def test_nothing_is_an_answer_only_to_a_host_that_asks_for_a_code(ask: Any) -> None:
    async with ask(secret("password")) as question:
        await question.press("enter")
        assert question.answers == []
        assert "Enter the password, or press esc" in question.text
    async with ask(secret("code")) as question:
        await question.press("enter")
        assert question.answers == [""]


@pytest.mark.parametrize(
    ("kind", "said"), [("passphrase", "Wrong passphrase. Attempt 2."), ("code", "it needs a second code, or your last")]
)
async def test_a_second_attempt_says_what_was_wrong(ask: Any, kind: str, said: str) -> None:
    async with ask(secret(kind, attempt=2)) as question:
        assert said in question.text


async def test_a_long_prompt_scrolls_and_the_line_stays_in_view(ask: Any) -> None:
    async with ask(secret("code", "\n".join(f"banner {n}" for n in range(300))), size=(60, 15)) as question:
        assert "banner 0" in question.text
        assert "enter answer" in question.text
        await question.type("42")
        assert "••" in question.text


async def test_what_is_typed_once_nobody_waits_any_more_goes_nowhere(ask: Any) -> None:
    async with ask(secret()) as question:
        await question.type("half a passphr")
        question.app.question.expire()
        await question.shows("no longer needed")
        await question.type("ase y")
        await question.press("enter", "ctrl+d")
        assert question.answers == []
        assert question.app.pressed_below == 0
        assert question.app.screen.query_one(Input).value == ""
        await question.press("escape")
        assert question.answers == [None]


async def test_a_question_that_is_given_up_before_it_is_seen_says_so(ask: Any) -> None:
    dialog = secret(attempt=2)
    dialog.expire()
    async with ask(dialog) as question:
        await question.shows("no longer needed")
        await question.type("x")
        await question.press("enter", "escape")
        assert question.answers == [None]
