"""The dashboard answers what real SSH servers ask: nothing in the way of what is typed, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.screen_text import front_text, screen_text
from testbed.sshd import Sshd, make_key
from testbed.strict_sshd import CODE, SECRET, strict_sshd
from testbed.tui.press import press
from testbed.tui.shell_pane import has_live_shells
from testbed.waiting import until
from textual.pilot import Pilot
from textual.widgets import Input

from flow_core import providers
from flow_core.config import Config, Context, state_dir
from flow_core.fleet_state import ContextState
from flow_core.prompter import HostKeyPrompt, SecretPrompt
from flow_core.ssh.host import SshHost
from flow_core.ssh.ssh_config import find_settings
from flow_tui.app import FlowApp
from flow_tui.dialogs.login_waiting import LoginWaiting
from flow_tui.dialogs.prompt_dialog import HostKeyDialog, PromptDialog, SecretDialog
from flow_tui.panes.registry import PANES
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.contexts import ContextsScreen
from flow_tui.screens.dashboard import DashboardScreen

pytestmark = pytest.mark.needs("sshd")


@pytest.fixture(autouse=True)
def ssh_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers.PROVIDERS, "ssh", "testbed.ssh_place")


@pytest.fixture
def make_sshd(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    made: list[Sshd] = []

    def make(*options: str) -> Sshd:
        made.append(Sshd(tmp_path / f"sshd{len(made)}", *options))
        made[-1].start()
        return made[-1]

    yield make
    for sshd in made:
        sshd.stop()


@pytest.fixture
def sshd(make_sshd: Callable[..., Sshd]) -> Sshd:
    return make_sshd()


@pytest.fixture
def locked(sshd: Sshd) -> Sshd:
    """A server that takes a key with a passphrase, and no other."""
    for path in (sshd.key, sshd.key.with_suffix(".pub")):
        path.unlink()
    make_key(sshd.key, passphrase=SECRET)
    sshd.authorized_keys.write_text(sshd.key.with_suffix(".pub").read_text())
    return sshd


def place(sshd: Sshd, name: str = "lab", host: str = "gpu1", *more: str) -> Context:
    return Context(name, "ssh", {"host": host, "config": sshd.config(*more, name=host)})


class Desk:
    """The dashboard, its keys, and what a person sees of it."""

    def __init__(self, app: FlowApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        dashboard = app.screen
        assert isinstance(dashboard, DashboardScreen)
        self.dashboard = dashboard

    async def until(self, holds: Callable[[], object]) -> None:
        await until(holds, explain=lambda: f"not in time; on screen:\n{self.text}")

    async def shows(self, *texts: str) -> None:
        """Once all of them are there, wherever lines are broken."""
        await self.until(lambda: all("".join(text.split()) in self._squeezed for text in texts))

    async def asks(self, kind: type[PromptDialog]) -> PromptDialog:
        await self.until(lambda: isinstance(self.app.screen, kind) and self.app.screen.focused)
        assert isinstance(self.app.screen, kind)
        return self.app.screen

    async def type(self, text: str) -> None:
        await press(self.pilot, *text, "enter")

    def state(self, name: str = "lab") -> ContextState:
        return next(state for state in self.app.fleet.states if state.context.name == name)

    @property
    def listed(self) -> set[str]:
        return {task.name for task in self.app.fleet.tasks}

    @property
    def notices(self) -> list[str]:
        return [notice.message for notice in self.app._notifications]

    @property
    def text(self) -> str:
        return front_text(self.app)

    @property
    def _squeezed(self) -> str:
        return "".join(char for char in self.text if not char.isspace() and not "\u2500" <= char <= "\u259f")


@asynccontextmanager
async def desk(*contexts: Context, size: tuple[int, int] = (120, 36)) -> AsyncIterator[Desk]:
    app = FlowApp(Config(state_dir() / "config.yaml", contexts, contexts[0].name))
    async with app.run_test(size=size) as pilot:
        yield Desk(app, pilot)
        await app.screen_stack[0].pane(ShellPane).close()  # type: ignore[attr-defined]


async def test_an_unknown_host_is_a_notice_until_the_user_says_yes_to_its_key(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    async with desk(place(sshd)) as at:
        await at.shows("lab?", "gpu1 shows an unknown key: press !")
        assert at.app.screen is at.dashboard
        await press(at.pilot, "app.attend")
        await at.asks(HostKeyDialog)
        await at.shows("SHA256:", "ssh-ed25519", f"127.0.0.1:{sshd.port}", str(sshd.known_hosts))
        assert not sshd.known_hosts.exists()
        await at.type("yes")
        await at.until(lambda: at.listed == {"hello-from-gpu1"})
        assert sshd.known_hosts.read_text().startswith(f"[127.0.0.1]:{sshd.port} ssh-ed25519 ")
        await at.until(lambda: "lab●" in at.text and "press !" not in at.text.splitlines()[0])


async def test_a_no_is_not_asked_again_until_the_user_refreshes(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    async with desk(place(sshd)) as at:
        await at.until(lambda: at.app.prompts.open)
        await press(at.pilot, "app.attend")
        await at.asks(HostKeyDialog)
        await at.pilot.press("escape")
        await at.until(lambda: at.state().failures >= 2)
        assert at.app.prompts.open == ()
        assert not sshd.known_hosts.exists()
        await at.shows("lab! unreachable", "press ! to see why")
        await press(at.pilot, "app.attend")
        await at.until(lambda: isinstance(at.app.screen, ContextsScreen))
        await at.shows("the key of 'gpu1'", "is not known", "SHA256:", "unreachable")
        await press(at.pilot, "contexts.again")
        await at.until(lambda: at.app.prompts.open)


async def test_a_changed_key_is_told_in_full_and_nobody_is_asked(sshd: Sshd) -> None:
    before = sshd.known_hosts.read_text()
    sshd.change_host_key()
    sshd.stop()
    sshd.start()
    async with desk(place(sshd), size=(80, 24)) as at:
        await at.shows("lab! unreachable")
        await press(at.pilot, "app.attend")
        await at.until(lambda: isinstance(at.app.screen, ContextsScreen))
        error = at.state().error
        assert error is not None
        assert error.count("SHA256:") == 2
        await at.shows("lab", error)
        await press(at.pilot, "contexts.copy")
        assert at.app.clipboard == f"lab: {error}"
        assert at.app.prompts.open == ()
    assert sshd.known_hosts.read_text() == before


async def test_a_host_that_changes_its_key_under_a_running_task_gives_no_shell(sshd: Sshd) -> None:
    async with desk(place(sshd), size=(80, 24)) as at:
        await at.until(lambda: at.dashboard.pane(TasksPane).selected)
        sshd.change_host_key()
        sshd.stop()
        sshd.start()
        await press(at.pilot, "tasks.shell")
        await at.shows("the key of 'gpu1' at 127.0.0.1", "has changed", "ssh-keygen -R")
        assert screen_text(at.app).count("SHA256:") == 2


async def test_a_wrong_passphrase_is_said_at_once_and_the_right_one_opens(locked: Sshd) -> None:
    async with desk(place(locked)) as at:
        await at.shows("gpu1 prompts for a passphrase: press !")
        await press(at.pilot, "app.attend")
        first = await at.asks(SecretDialog)
        await at.shows("Passphrase of id_user")
        await at.type("hunter2")
        await at.until(lambda: at.app.screen is not first and isinstance(at.app.screen, SecretDialog))
        await at.shows("Wrong passphrase. Attempt 2.")
        await at.type(SECRET)
        await at.until(lambda: at.listed == {"hello-from-gpu1"})
        assert SECRET not in screen_text(at.app)
    assert not list(state_dir().glob("crashes/*"))


async def test_who_gives_up_on_a_passphrase_reads_what_to_do_about_it(locked: Sshd) -> None:
    async with desk(place(locked)) as at:
        await at.until(lambda: at.app.prompts.open)
        await press(at.pilot, "app.attend")
        await at.asks(SecretDialog)
        await at.pilot.press("escape")
        await at.until(lambda: at.state().error and "ssh-add" in (at.state().error or ""))


async def test_a_second_factor_follows_the_password(sshd: Sshd) -> None:
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "code") as settings,
        desk(Context("lab", "ssh", {"settings": settings})) as at,
    ):
        await at.until(lambda: at.app.prompts.open)
        await press(at.pilot, "app.attend")
        first = await at.asks(SecretDialog)
        await at.shows("Two things, please.", "Password:")
        await at.type(SECRET)
        await at.until(lambda: at.app.screen is not first and isinstance(at.app.screen, SecretDialog))
        await at.shows("Code:")
        await at.type(CODE)
        await at.until(lambda: at.listed == {"hello-from-strict"})


async def test_a_login_that_takes_long_is_shown_with_its_banner_until_the_host_lets_the_user_in(sshd: Sshd) -> None:
    approved = asyncio.Event()
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "time", approved=approved, banner="Approve AB-12[/]") as settings,
        desk(Context("lab", "ssh", {"settings": settings})) as at,
    ):
        await at.shows("waiting for strict to let you in: press !")
        await press(at.pilot, "app.attend")
        await at.until(lambda: isinstance(at.app.screen, LoginWaiting))
        await at.shows("Approve AB-12[/]", "Stop waiting")
        approved.set()
        await at.until(lambda: at.listed == {"hello-from-strict"} and at.app.screen is at.dashboard)


async def test_esc_stops_a_login_that_takes_too_long(sshd: Sshd) -> None:
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "time", banner="Approve AB-12") as settings,
        desk(Context("lab", "ssh", {"settings": settings})) as at,
    ):
        await at.until(lambda: at.app.prompts.open)
        await press(at.pilot, "app.attend")
        await at.until(lambda: isinstance(at.app.screen, LoginWaiting))
        await at.pilot.press("escape")
        await at.until(lambda: "you stopped waiting for 'strict'" in (at.state().error or ""))


async def test_two_hosts_that_ask_at_once_are_answered_one_after_the_other(make_sshd: Callable[..., Sshd]) -> None:
    one, two = make_sshd(), make_sshd()
    for sshd in (one, two):
        sshd.known_hosts.unlink()
    async with desk(place(one), place(two, "home", "gpu2")) as at:
        await at.shows("lab?", "home?", "2 prompts: press !")
        assert len([notice for notice in at.notices if "press !" in notice]) == 1
        await press(at.pilot, "app.attend")
        first = await at.asks(HostKeyDialog)
        await at.type("yes")
        await at.until(lambda: at.app.screen is not first and isinstance(at.app.screen, HostKeyDialog))
        await at.asks(HostKeyDialog)
        await at.type("yes")
        await at.until(lambda: at.listed == {"hello-from-gpu1", "hello-from-gpu2"})
        await at.until(lambda: at.app.screen is at.dashboard)


async def test_what_the_user_waits_for_is_asked_at_once_and_only_once(sshd: Sshd) -> None:
    context = place(sshd)
    async with desk(context) as at:
        await at.until(lambda: at.dashboard.pane(TasksPane).selected)
        sshd.known_hosts.unlink()
        sshd.drop_sessions()
        await at.until(lambda: at.app.prompts.open)
        assert at.app.screen is at.dashboard
        await press(at.pilot, "tasks.shell")
        await at.asks(HostKeyDialog)
        assert len(at.app.prompts.open) == 1
        await at.type("yes")
        await at.until(lambda: has_live_shells(at.dashboard.pane(ShellPane)))
        await at.until(lambda: at.state().error is None and not at.app.prompts.open)
        assert at.app.screen is at.dashboard


async def test_a_question_in_the_middle_of_typing_leaves_the_typing_alone(sshd: Sshd) -> None:
    context = place(sshd)
    async with desk(context) as at:
        await at.until(
            lambda: at.dashboard.pane(TasksPane).selected and len(at.dashboard.query("#panes > *")) == len(PANES)
        )
        await press(at.pilot, "tasks.filter", *"hel")
        sshd.known_hosts.unlink()
        sshd.drop_sessions()
        await at.until(lambda: at.app.prompts.open)
        await at.shows("press !")
        await at.pilot.press(*"lo!")
        assert at.dashboard.pane(TasksPane).filter_text == "hello!"


async def test_a_host_that_hangs_up_during_a_question_takes_it_back(locked: Sshd) -> None:
    async with desk(place(locked)) as at:
        await at.until(lambda: at.app.prompts.open)
        await press(at.pilot, "app.attend")
        dialog = await at.asks(SecretDialog)
        await at.pilot.press(*"corr")
        locked.drop_sessions()
        await at.shows("no longer needed")
        assert dialog.query_one(Input).value == ""
        await at.type("ect q")
        assert at.app.screen is dialog
        await at.pilot.press("escape")
        await at.until(lambda: at.app.screen is not dialog)
        await at.until(lambda: at.app.prompts.open or isinstance(at.app.screen, SecretDialog))


async def test_an_asker_that_is_cancelled_leaves_no_question_behind(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    settings = await find_settings("gpu1", config=sshd.config(name="gpu1"))
    async with desk(Context("local", "local")) as at, SshHost(settings, prompter=at.app.prompts) as host:
        asking = asyncio.create_task(host.run("true"))
        await at.until(lambda: at.app.prompts.open)
        asking.cancel()
        await at.until(lambda: not at.app.prompts.open)
        await at.until(lambda: "press !" not in at.text.splitlines()[0])


async def test_a_person_may_think_for_longer_than_a_context_may_take(
    locked: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_core.fleet._DEADLINE_S", 1.0)
    settings = replace(await find_settings("gpu1", config=locked.config(name="gpu1")), connect_timeout_s=0.9)
    async with desk(Context("lab", "ssh", {"settings": settings})) as at:
        await at.until(lambda: at.app.prompts.open)
        thought = asyncio.get_running_loop().time() + 2
        await press(at.pilot, "app.attend")
        await at.asks(SecretDialog)
        await at.until(lambda: asyncio.get_running_loop().time() > thought)
        await at.type(SECRET)
        await at.until(lambda: at.listed)
        assert at.state().failures == 0


async def test_a_click_on_the_header_tells_what_is_wrong(sshd: Sshd) -> None:
    sshd.stop()
    async with desk(place(sshd)) as at:
        await at.shows("lab! unreachable", "press ! to see why")
        await at.pilot.click("#header")
        await at.until(lambda: isinstance(at.app.screen, ContextsScreen))
        await at.shows("refused the connection; check that an SSH server runs on that port")
        sshd.start()
        await press(at.pilot, "contexts.again")
        await at.shows("lab provider: ssh connected")


async def test_what_follows_an_answer_waits_while_the_user_types_something_else(sshd: Sshd) -> None:
    settings = await find_settings("gpu1", config=sshd.config(name="gpu1"))
    async with desk(Context("lab", "ssh", {"settings": settings})) as at:
        await at.until(
            lambda: at.dashboard.pane(TasksPane).selected and len(at.dashboard.query("#panes > *")) == len(PANES)
        )
        key = HostKeyPrompt("gpu2", "ssh-ed25519", "SHA256:abc", "10.0.0.7:22", "")
        asking = [asyncio.create_task(at.app.prompts.confirm_host_key(key))]
        await at.until(lambda: at.app.prompts.open)
        await press(at.pilot, "app.attend")
        await at.asks(HostKeyDialog)
        await at.type("yes")
        await at.until(lambda: asking[0].done() and at.app.screen is at.dashboard)
        await press(at.pilot, "tasks.filter", *"hel")
        asking.append(asyncio.create_task(at.app.prompts.ask_secret(SecretPrompt("gpu2", "password", "Password"))))
        await at.shows("gpu2 prompts for a password: press !")
        await at.pilot.press(*"lo")
        assert at.dashboard.pane(TasksPane).filter_text == "hello"
        asking[-1].cancel()


async def test_a_filter_that_is_begun_before_the_other_panes_are_there_goes_on(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()  # so that nothing is answered, and the panes come late
    async with desk(place(sshd)) as at:
        await press(at.pilot, "tasks.filter", "h")
        await at.until(lambda: len(at.dashboard.query("#panes > *")) == len(PANES))
        await at.pilot.pause()
        await at.pilot.press("i")
        assert at.dashboard.pane(TasksPane).filter_text == "hi"
