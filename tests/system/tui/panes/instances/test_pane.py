"""The instances pane over a cloud: prices, quotas, and submitting where a price was seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tui.cloud_dashboard import H100, REGION, fill, opened
from testbed.tui.press import press

from flow_core.emulator.faults import Fault
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.submit.submit_form import SubmitForm
from flow_tui.panes.instances.pane import InstancesPane


async def test_instances_show_what_a_gpu_costs_and_where_at_every_size_and_are_sorted_by_it(tmp_path: Path) -> None:
    async with opened(tmp_path, (160, 48)) as seen:
        await press(seen.pilot, "app.show_instances", "app.zoom", "instances.filter", *"h100", "enter")
        for size in ((160, 48), (120, 36), (80, 24), (60, 15)):
            await seen.pilot.resize_terminal(*size)
            await seen.shows("8xH100", REGION, "$/GPU-H", "2.20")
            if size[0] >= 80:
                await seen.shows("24H PRICE", "QUOTA", "64")
                await seen.until(lambda: any(mark in seen.text for mark in "▂▃▄▅▆▇█"))
        await seen.pilot.resize_terminal(120, 36)
        await seen.pilot.press("escape")
        table = seen.dashboard.pane(InstancesPane).table
        await seen.until(lambda: len(table.rows) > 2)
        for _ in range(len(table.shown_columns)):
            if "▴$/GPU-H" in seen.text:
                break
            await press(seen.pilot, "instances.sort")
            await seen.pilot.pause()
        prices = [row.price_per_hour / row.gpu_count for row in table.rows if row.gpu_count]
        assert prices == sorted(prices)
        assert "▴$/GPU-H" in seen.text


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
        await seen.shows(f"25% above the market price of ${chosen.price_per_hour:.2f}/h")
        fill(form, command="nvidia-smi", limit="25")
        await seen.shows("at most $25.00/h", f"market price of ${chosen.price_per_hour:.2f}/h")
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
