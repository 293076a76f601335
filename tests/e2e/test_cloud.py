"""A day in the cloud: the real program in a real terminal, on machines of the emulated platform."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from testbed.cloud import Cloud
from testbed.driving import fill, quit_dashboard, status_of, trigger
from testbed.pty_screen import Screen
from testbed.waiting import DEADLINE_S

NAME = "train-one"
COUNTING = "i=0; while :; do i=$((i+1)); echo step $i of run $$; sleep .2; done"
ASKS = "Press y to"
NOTICE_S = 3600.0  # nothing ends before the clock is moved
OpenDashboard = Callable[..., Screen]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    account = Cloud(seconds_to_allocate=0.5, preempt_notice_s=NOTICE_S)
    account.market(capacity=0, price_cents=1000)  # the first of the H100s by its price
    yield account
    account.close()


@pytest.fixture
def screen(open_dashboard: OpenDashboard, cloud: Cloud) -> Screen:
    settings = {f"MITHRIL_{name.upper()}": str(value) for name, value in cloud.context.settings.items()}
    return open_dashboard("--context", "mithril", columns=160, rows=40, **settings)


def sees(screen: Screen, *words: str) -> None:
    """Asks for news until the task's row says one of the words."""
    holds = status_of(NAME, *words)
    deadline = time.monotonic() + DEADLINE_S
    while not holds(screen.text()):
        assert time.monotonic() < deadline, f"{NAME} is not {words}:\n{screen.framed()}"
        trigger(screen, "app.refresh")
        again = time.monotonic() + 1.0
        while time.monotonic() < again and not holds(screen.text()):
            screen.pump(0.1)


def send_form(screen: Screen, until: Callable[[str], object]) -> None:
    """Sends the form, and says yes when asked whether that may cost something."""
    trigger(screen, "form.send")
    text = screen.wait_for(lambda text: ASKS in text or until(text))
    if ASKS in text:
        screen.settle()
        trigger(screen, "confirm.agree")
        screen.wait_for(lambda text: ASKS not in text and until(text))


def newest_run(text: str) -> str:
    found = re.findall(r"step \d+ of run (\d+)", text)
    return found[-1] if found else ""


@pytest.mark.needs("user-namespaces")
def test_a_task_lives_through_all_that_a_cloud_does_to_it(screen: Screen, cloud: Cloud) -> None:
    screen.wait_for("mithril●")
    trigger(screen, "app.show_instances", "instances.filter")
    screen.settle()
    screen.send("h100", "enter", "enter")
    screen.wait_for("New task")
    fill(screen, NAME, COUNTING)
    send_form(screen, lambda text: "New task" not in text and re.search(rf"{NAME} +. pending", text))
    trigger(screen, "app.show_tasks")
    sees(screen, "pending")
    cloud.market(capacity=8)
    sees(screen, "● running")
    first_run = newest_run(screen.wait_for(newest_run))

    sees(screen, "● running")  # an answer that was under way may still have said that it waits
    screen.settle(1.0, 2.0)
    sees(screen, "● running")
    trigger(screen, "tasks.shell")
    screen.wait_for(re.compile(r"(?m)[$#] *┃?$").search)
    screen.settle()
    screen.send("echo $((6*7)) on $(hostname)", "enter")
    screen.wait_for(re.compile(rf"(?m)^\W*42 on {NAME}").search)
    screen.send("ctrl+d", "ctrl+]", "esc")
    screen.wait_for("new task")
    trigger(screen, "app.show_volumes")
    screen.settle()
    trigger(screen, "volumes.create")
    screen.wait_for("New volume")
    fill(screen, "checkpoints", "20")
    send_form(screen, lambda text: "New volume" not in text and re.search("checkpoints +block", text))
    trigger(screen, "volumes.attach")
    screen.wait_for("Attach checkpoints")
    send_form(screen, lambda _: cloud.has("/v2/volumes")[0]["bids"])
    screen.wait_for(lambda text: "Attach checkpoints" not in text)

    trigger(screen, "app.show_tasks")
    sees(screen, "running")
    second_run = newest_run(screen.wait_for(lambda text: newest_run(text) not in ("", first_run)))

    [bid] = cloud.has("/v2/spot/bids")
    cloud.preempt(bid["fid"])
    sees(screen, "preempting")
    cloud.advance(NOTICE_S)
    sees(screen, "running")
    screen.wait_for(lambda text: newest_run(text) not in ("", first_run, second_run))

    trigger(screen, "tasks.cancel")
    screen.wait_for(f"End {NAME}?")
    trigger(screen, "confirm.agree")
    sees(screen, "cancelled")
    quit_dashboard(screen)
    assert [row["status"] for row in cloud.has("/v2/spot/bids")] == ["Terminated"]
