"""The dashboard over a cloud where capacity has a price: the emulator, whose clock the tests drive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from testbed.screen_text import screen_text
from testbed.tui.press import press
from testbed.waiting import DEADLINE_S, until
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Input

from flow_core import TaskConfig
from flow_core.config import Config
from flow_core.config_file import load_config
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.faults import Fault
from flow_core.emulator.nodes.machines import Machines
from flow_core.emulator.settings import Settings
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.app import FlowApp
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.field import Field
from flow_tui.dialogs.submit.open_form import open_submit_form
from flow_tui.dialogs.submit.submit_form import SubmitForm
from flow_tui.panes.instances.pane import InstancesPane
from flow_tui.panes.registry import PANES
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.limit_form import LimitForm
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.panes.volumes.attach_form import AttachForm
from flow_tui.panes.volumes.pane import VolumesPane
from flow_tui.panes.volumes.volume_form import VolumeForm
from flow_tui.screens.dashboard import DashboardScreen

H100, REGION = "h100-80gb.sxm.8x", "us-central1-a"
SIZES = [(60, 15), (80, 24), (120, 36), (160, 48)]


class Seen(NamedTuple):
    """What a test looks at."""

    emulator: Emulator
    app: FlowApp
    dashboard: DashboardScreen
    pilot: Pilot[None]

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def until(self, holds: Callable[[], Any]) -> None:
        await until(holds, explain=lambda: f"not in time; on screen:\n{self.text}")

    async def shows(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.text for text in texts))

    async def submit(self, **fields: Any) -> str:
        """A task that the far side has placed and the dashboard has heard of."""
        usual = {"command": "true", "instance_type": H100, "region": REGION, "upload_code": False}
        config = TaskConfig.parse({"name": "train", "unique_name": False, "max_price_per_hour": 40, **usual, **fields})
        task = await self.app.fleet.flow("cloud").run(config)
        await self.news()
        await self.until(lambda: self.task(task.task_id) is not None)
        return str(task.task_id)

    def task(self, task_id: str) -> TaskRecord | None:
        return self.app.fleet.task(("cloud", task_id))

    async def news(self) -> None:
        """Asks every context until what is due now is known."""
        asked = len(self.calls("GET", "/v2/spot/bids"))
        self.app.fleet.refresh()
        await self.until(lambda: len(self.calls("GET", "/v2/spot/bids")) > asked)

    async def becomes(self, task_id: str, status: TaskStatus) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while (task := self.task(task_id)) is None or task.status is not status:
                await self.emulator.control.advance(1)
                await self.news()
                await self.pilot.pause(0.02)

    def calls(self, method: str, path: str) -> list[Any]:
        return [call for call in self.emulator.calls if (call.method, call.path) == (method, path)]

    def notices(self) -> str:
        return "\n".join(notice.message for notice in self.app._notifications)


@asynccontextmanager
async def opened(
    folder: Path,
    size: tuple[int, int] = (120, 36),
    *,
    api_key: str = "",
    contexts: tuple[str, ...] = (),
    has_machines: bool = False,
) -> AsyncIterator[Seen]:
    soon = Settings(seconds_to_allocate=0.1, starting_s=0.1, stopping_s=0.1)
    nodes = (lambda place: Machines(place / "nodes")) if has_machines else None
    async with Emulator(soon, is_live=has_machines, nodes=nodes) as emulator:
        app = FlowApp(_config(folder, emulator, api_key), contexts=contexts)
        async with app.run_test(size=size) as pilot:
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            seen = Seen(emulator, app, dashboard, pilot)
            await seen.until(lambda: all(state.answered_at or state.error for state in app.fleet.states))
            await seen.until(lambda: len(dashboard.query("#panes > *")) == len(PANES))
            yield seen


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_instances_show_what_a_gpu_costs_and_where_at_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, size) as seen:
        await press(seen.pilot, "app.show_instances", "app.zoom", "instances.filter", *"h100", "enter")
        await seen.shows("8xH100", REGION, "$/GPU-H", "2.20")
        if size[0] >= 80:
            await seen.shows("24H PRICE", "QUOTA", "64")
            await seen.until(lambda: any(mark in seen.text for mark in "▂▃▄▅▆▇█"))


async def test_where_nothing_has_a_price_no_column_is_about_money(tmp_path: Path) -> None:
    async with opened(tmp_path, (160, 48), contexts=("local",)) as seen:
        await seen.until(lambda: "TYPE" in seen.text and "NAME" in seen.text)
        assert "$" not in seen.text
        assert "24H" not in seen.text
        assert "QUOTA" not in seen.text


async def test_prices_past_and_quotas_are_asked_once_in_a_while_and_only_while_instances_are_in_view(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, (80, 24)) as seen:
        await seen.news()
        assert not seen.calls("GET", "/v2/pricing/history")
        await press(seen.pilot, "app.show_instances")
        await seen.until(lambda: seen.calls("GET", "/v2/quotas"))
        for _ in range(3):
            await seen.news()
            seen.dashboard.pane(InstancesPane).market_watch.ask_when_due()
        assert len(seen.calls("GET", "/v2/pricing/history")) == 1
        assert len(seen.calls("GET", "/v2/quotas")) == 1


async def test_a_market_that_tells_no_prices_leaves_the_table_as_it_is_and_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        seen.emulator.faults.add(Fault(path="/v2/pricing/history", status=403, detail="not yours", times=None))
        await press(seen.pilot, "app.show_instances", "app.zoom")
        await seen.shows("8xH100", "64", "cloud: ")


async def test_instances_are_sorted_by_the_price_of_a_gpu(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        await press(seen.pilot, "app.show_instances", "app.zoom")
        await seen.shows("8xH100")
        for _ in range(len(seen.dashboard.pane(InstancesPane).table.shown_columns)):
            if "▴$/GPU-H" in seen.text:
                break
            await press(seen.pilot, "instances.sort")
            await seen.pilot.pause()
        prices = [
            row.price_per_hour / row.gpu_count for row in seen.dashboard.pane(InstancesPane).table.rows if row.gpu_count
        ]
        assert prices == sorted(prices)
        assert "▴$/GPU-H" in seen.text


async def test_enter_on_an_instance_type_submits_there_once_the_sums_were_seen(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        await press(seen.pilot, "app.show_instances", "instances.filter", *"h100", "enter")
        await seen.shows("8xH100")
        chosen = next(
            row
            for row in seen.dashboard.pane(InstancesPane).table.rows
            if (row.instance_type, row.region) == (H100, REGION)
        )
        seen.dashboard.pane(InstancesPane).table.move_to(chosen.key)
        await press(seen.pilot, "instances.submit_here")
        await seen.until(lambda: isinstance(seen.app.screen, SubmitForm))
        form = seen.app.screen
        assert isinstance(form, SubmitForm)
        entered = form.entered
        assert (entered["context"], entered["gpu"], entered["region"]) == ("cloud", H100, REGION)
        assert float(entered["limit"]) == pytest.approx(chosen.price_per_hour * 1.25)
        await seen.shows(f"market price is ${chosen.price_per_hour:.2f}/h, margin +25%")
        _fill(form, command="nvidia-smi", limit="25")
        await seen.shows("at most $25.00/h", f"market price is ${chosen.price_per_hour:.2f}/h")
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("at most $25.00/h", "POST ", "/v2/spot/bids")
        await seen.pilot.press("enter")
        await seen.until(lambda: seen.app.screen is form)
        await seen.shows("Nothing was submitted")
        assert not seen.calls("POST", "/v2/spot/bids")
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await press(seen.pilot, "confirm.agree")
        await seen.until(lambda: seen.app.screen is seen.dashboard)
        await seen.until(lambda: seen.app.fleet.tasks)
        (task,) = seen.app.fleet.tasks
        assert task.provider_metadata["limit_price"] == "$25.00"
        assert task.region == REGION
        assert len(seen.calls("POST", "/v2/spot/bids")) == 1


async def test_a_limit_is_asked_for_before_anything_is_sent(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        open_submit_form(seen.dashboard.services, {"context": "cloud", "gpu": "8xh100", "command": "true"})
        await seen.until(lambda: isinstance(seen.app.screen, SubmitForm))
        await press(seen.pilot, "form.send")
        await seen.shows("the most that one instance may cost per hour; the market price is", "the market price is $")
        assert not seen.calls("POST", "/v2/spot/bids")


async def test_nothing_is_sent_unasked_to_a_market_that_has_not_answered_yet(tmp_path: Path) -> None:
    async with Emulator(is_live=False) as emulator:
        emulator.faults.add(Fault(path="/v2/spot/bids", method="GET", delay_s=60, times=None))
        app = FlowApp(_config(tmp_path, emulator), contexts=("cloud",))
        async with app.run_test(size=(120, 36)) as pilot:
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            seen = Seen(emulator, app, dashboard, pilot)
            open_submit_form(dashboard.services, {"context": "cloud", "gpu": "8xh100", "command": "true"})
            await seen.until(lambda: isinstance(app.screen, SubmitForm))
            await press(pilot, "form.send")
            await seen.shows("the most that one instance may cost per hour")
            assert not seen.calls("POST", "/v2/spot/bids")


async def test_several_instances_are_summed_before_they_are_bid_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        preset = {"context": "cloud", "gpu": "8xh100", "command": "true", "limit": "30"}
        open_submit_form(seen.dashboard.services, preset | {"rest": '{"num_instances": 2}'})
        await seen.until(lambda: isinstance(seen.app.screen, SubmitForm))
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("$30.00/h each, $60.00/h in all")


async def test_what_everything_costs_now_is_in_the_header_and_with_each_task(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        await seen.shows("$0.00/h")
        task_id = await seen.submit(num_instances=2)
        await seen.becomes(task_id, TaskStatus.RUNNING)
        task = seen.task(task_id)
        assert task is not None
        assert task.billed_usd_per_hour
        await seen.shows(f"${task.billed_usd_per_hour:.2f}/h", "$/H", f"{task.billed_usd_per_hour:.2f}")


@pytest.mark.needs("user-namespaces", "ssh-keygen")
async def test_a_command_that_has_ended_still_costs_until_its_machines_are_ended(tmp_path: Path) -> None:
    async with opened(tmp_path, contexts=("cloud",), has_machines=True) as seen:
        task_id = await seen.submit(command="echo done")
        await seen.until(lambda: _has(seen, task_id, lambda task: task.is_still_billed))
        await seen.shows("completed", "!17.60", "$17.60/h")
        await press(seen.pilot, "tasks.detail")
        await seen.shows("though its command has ended: ctrl+d ends it")
        await press(seen.pilot, "tasks.cancel")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("End the machines of train?", "still cost $17.60/h", "DELETE")
        await press(seen.pilot, "confirm.agree")
        await seen.until(lambda: _has(seen, task_id, lambda task: not task.is_still_billed))
        await seen.pilot.press("escape")
        await seen.shows("completed", "$0.00/h")
        await press(seen.pilot, "tasks.cancel")
        await seen.until(lambda: "has ended already" in seen.notices())


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=str)
async def test_the_detail_tells_the_bid_its_room_its_cost_and_its_history(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(tmp_path, size) as seen:
        task_id = await seen.submit(max_price_per_hour=35.2)
        await seen.becomes(task_id, TaskStatus.RUNNING)
        await press(seen.pilot, "tasks.detail")
        await seen.until(lambda: isinstance(seen.app.screen, TaskDetail))
        await seen.shows("$35.20/h", "$17.60/h", "+100%", "Allocated", "History")
        await press(seen.pilot, "detail.previous_tab")
        await seen.shows("Placed", "limit $35.20/h", "Running")
        before = len(seen.calls("GET", f"/v2/spot/bids/{task_id}/history"))
        await press(seen.pilot, "detail.next_tab")
        await seen.shows("margin")
        assert before == len(seen.calls("GET", f"/v2/spot/bids/{task_id}/history"))


async def test_a_limit_is_changed_from_the_detail_once_the_sums_and_the_call_were_seen(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        task_id = await seen.submit(num_instances=2)
        await press(seen.pilot, "tasks.detail")
        await seen.until(lambda: isinstance(seen.app.screen, TaskDetail))
        await press(seen.pilot, "tasks.limit")
        await seen.until(lambda: isinstance(seen.app.screen, LimitForm))
        seen.app.screen.query_one(Input).value = "nothing"
        await press(seen.pilot, "form.send")
        await seen.shows("such as 12.50")
        seen.app.screen.query_one(Input).value = "50"
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("$50.00/h each, $100.00/h in all", f"/v2/spot/bids/{task_id}", "PATCH")
        assert not seen.calls("PATCH", f"/v2/spot/bids/{task_id}")
        await press(seen.pilot, "confirm.agree")
        await seen.until(lambda: _limit(seen, task_id) == "$50.00")
        await seen.shows("$50.00/h each, $100.00/h in all")
        assert seen.app.fleet.gate.log.recent()[0].verb == "set limit"


async def test_a_limit_under_the_market_says_that_the_machines_are_lost(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        task_id = await seen.submit()
        await seen.becomes(task_id, TaskStatus.RUNNING)
        await press(seen.pilot, "tasks.limit")
        await seen.until(lambda: isinstance(seen.app.screen, LimitForm))
        seen.app.screen.query_one(Input).value = "$8.80"
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("its machines, at once", "no margin: the limit is", "50%")


async def test_a_task_is_paused_and_resumed_behind_a_question(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        task_id = await seen.submit()
        await seen.becomes(task_id, TaskStatus.RUNNING)
        await press(seen.pilot, "tasks.resume")
        await seen.until(lambda: "is not paused" in seen.notices())
        await press(seen.pilot, "tasks.pause")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("$17.60/h now", "PATCH")
        await press(seen.pilot, "confirm.agree")
        await seen.becomes(task_id, TaskStatus.PAUSED)
        await press(seen.pilot, "tasks.pause")
        await seen.until(lambda: "is paused already" in seen.notices())
        await press(seen.pilot, "tasks.resume")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("at most $40.00/h", "again, for $40.00/h at most")
        await press(seen.pilot, "confirm.agree")
        await seen.becomes(task_id, TaskStatus.RUNNING)


async def test_storage_that_costs_is_made_behind_a_question_and_attached_behind_another(tmp_path: Path) -> None:
    async with opened(tmp_path, contexts=("cloud",)) as seen:
        task_id = await seen.submit()
        await seen.becomes(task_id, TaskStatus.RUNNING)
        await press(seen.pilot, "app.show_volumes", "volumes.create")
        await seen.until(lambda: isinstance(seen.app.screen, VolumeForm))
        _fill(seen.app.screen, name="data", size_gb="100")
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("100G of storage", "POST")
        assert not seen.calls("POST", "/v2/volumes")
        await press(seen.pilot, "confirm.agree")
        await seen.until(lambda: seen.app.screen is seen.dashboard and seen.dashboard.pane(VolumesPane).selected)
        await press(seen.pilot, "volumes.attach")
        await seen.until(lambda: isinstance(seen.app.screen, AttachForm))
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("at most $40.00/h", "the task is paused")
        await press(seen.pilot, "confirm.refuse")
        await seen.shows("Nothing was attached")
        assert not seen.calls("PATCH", f"/v2/spot/bids/{task_id}")


async def test_where_there_is_no_market_the_keys_of_a_bid_say_so(tmp_path: Path) -> None:
    async with opened(tmp_path, contexts=("local",)) as seen:
        await seen.app.fleet.flow("local").run(TaskConfig(command="true"))
        seen.app.fleet.refresh()
        await seen.until(lambda: seen.dashboard.pane(TasksPane).table.rows)
        for verb in ("limit", "pause", "resume"):
            assert "Only cloud tasks can be paused" in str(seen.dashboard.panes.disabled_reason(f"tasks.{verb}"))
        await press(seen.pilot, "tasks.limit")
        await seen.until(lambda: "Only cloud tasks can be paused" in seen.notices())
        assert seen.app.screen is seen.dashboard


async def test_a_wrong_key_is_one_sentence_and_the_other_contexts_go_on(tmp_path: Path) -> None:
    async with opened(tmp_path, api_key="fkey_wrong") as seen:
        await seen.shows("cloud! no answer", "local●")
        await press(seen.pilot, "app.attend")
        await seen.until(lambda: seen.app.screen is not seen.dashboard)
        await seen.shows("cloud", "key")
        assert "fkey_wrong" not in seen.text


async def test_a_cloud_that_is_out_of_reach_keeps_its_last_answer_with_its_age(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        await seen.submit(name="far-away")
        await seen.shows("far-away")
        seen.emulator.faults.add(Fault(cut="all", times=None))
        seen.app.fleet.refresh()
        await seen.shows("cloud! stale ", "local●", "far-away")


async def test_an_answer_that_says_nothing_new_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, contexts=("cloud",)) as seen:
        task_id = await seen.submit()
        await seen.app.fleet.flow("cloud").cancel(task_id)
        await seen.becomes(task_id, TaskStatus.CANCELLED)
        await seen.shows("cancelled")
        await seen.pilot.pause()
        told: list[str] = []
        seen.app.fleet.subscribe(lambda _: told.append("changed"))
        table = seen.dashboard.pane(TasksPane).table
        draw = table.render_line
        lines: dict[int, str] = {}

        def render_line(y: int) -> Strip:
            """Notes each line that is drawn again as it was; an age that has grown is drawn rightly."""
            strip = draw(y)
            if lines.get(y) == strip.text:
                told.append(f"drawn again: {strip.text}")
            lines[y] = strip.text
            return strip

        monkeypatch.setattr(table, "render_line", render_line)
        table.refresh()
        await seen.until(lambda: len(lines) > 1)
        for _ in range(3):
            await seen.news()
            await seen.pilot.pause(0.05)
        assert told == []
        lines.clear()
        await seen.submit(name="another")
        await seen.shows("another")
        assert "changed" in told
        assert lines


def _config(folder: Path, emulator: Emulator, api_key: str = "") -> Config:
    file = folder / "config.yaml"
    where = f"api_url: '{emulator.url}', project: {emulator.project}"
    cloud = f"{{provider: mithril, api_key: {api_key or emulator.api_key}, {where}}}"
    file.write_text(f"contexts: {{cloud: {cloud}}}\n", encoding="utf-8")
    return load_config(file)


def _fill(form: Screen[Any], **values: str) -> None:
    for field in form.query(Field):
        if field.key in values:
            field.fill(values[field.key])


def _has(seen: Seen, task_id: str, holds: Callable[[TaskRecord], bool]) -> bool:
    task = seen.task(task_id)
    return task is not None and holds(task)


def _limit(seen: Seen, task_id: str) -> object:
    task = seen.task(task_id)
    return None if task is None else task.provider_metadata["limit_price"]
