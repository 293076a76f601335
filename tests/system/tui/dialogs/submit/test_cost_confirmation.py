"""What the submit form asks before a task of a cloud spends money."""

from __future__ import annotations

from pathlib import Path

from testbed.tui.cloud_dashboard import Seen, cloud_config, fill, opened
from testbed.tui.press import press

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.faults import Fault
from flow_tui.app import FlowApp
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.submit.open_form import open_submit_form
from flow_tui.dialogs.submit.submit_form import SubmitForm
from flow_tui.screens.dashboard import DashboardScreen


async def test_a_limit_is_asked_for_before_anything_is_sent_and_several_instances_are_summed(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        preset = {"context": "cloud", "gpu": "8xh100", "command": "true", "rest": '{"num_instances": 2}'}
        open_submit_form(seen.dashboard.services, preset)
        await seen.until(lambda: isinstance(seen.app.screen, SubmitForm))
        await press(seen.pilot, "form.send")
        await seen.shows("the maximum USD per hour for one instance; the market price is", "the market price is $")
        assert not seen.calls("POST", "/v2/spot/bids")
        fill(seen.app.screen, limit="30")
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("$30.00/h per instance, $60.00/h total")
        assert not seen.calls("POST", "/v2/spot/bids")


async def test_nothing_is_sent_unasked_to_a_market_that_has_not_answered_yet(tmp_path: Path) -> None:
    async with Emulator(is_live=False) as emulator:
        emulator.faults.add(Fault(path="/v2/spot/bids", method="GET", delay_s=60, times=None))
        app = FlowApp(cloud_config(tmp_path, emulator), contexts=("cloud",))
        async with app.run_test(size=(120, 36)) as pilot:
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            seen = Seen(emulator, app, dashboard, pilot)
            open_submit_form(dashboard.services, {"context": "cloud", "gpu": "8xh100", "command": "true"})
            await seen.until(lambda: isinstance(app.screen, SubmitForm))
            await press(pilot, "form.send")
            await seen.shows("the maximum USD per hour for one instance")
            assert not seen.calls("POST", "/v2/spot/bids")
