"""What the submit form asks before keys of this machine go to another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from testbed.screen_text import screen_text
from testbed.tui.press import press
from testbed.waiting import until

from flow_core.config import Config, Context
from flow_tui.app import FlowApp
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.submit.open_form import open_submit_form
from flow_tui.dialogs.submit.submit_form import SubmitForm
from flow_tui.screens.dashboard import DashboardScreen

S3 = {"data_mounts": [{"source": "s3://corpus/data", "target": "/data"}]}


async def test_keys_of_this_machine_are_sent_once_the_user_has_agreed(tmp_path: Path) -> None:
    app = FlowApp(lab(tmp_path, send_credentials=True))
    async with app.run_test(size=(60, 15)) as pilot:
        form = await opened_form(app, rest=json.dumps(S3))
        await press(pilot, "form.send")
        await until(lambda: isinstance(app.screen, Confirm))
        await until(lambda: "keys for S3 of this machine" in squeezed(app))
        await pilot.press("enter")
        await until(lambda: app.screen is form)
        await until(lambda: "Nothing was submitted" in squeezed(app))
        await press(pilot, "form.send")
        await until(lambda: isinstance(app.screen, Confirm))
        await press(pilot, "confirm.agree")
        await until(lambda: app.screen is form)
        await until(lambda: "gpu1" in squeezed(app) and "Nothing was submitted" not in squeezed(app))


async def test_where_no_key_goes_along_nothing_is_asked(tmp_path: Path) -> None:
    app = FlowApp(lab(tmp_path))
    async with app.run_test(size=(120, 36)) as pilot:
        form = await opened_form(app, rest=json.dumps(S3))
        await press(pilot, "form.send")
        await until(lambda: form.problem is not None)
        assert app.screen is form


def lab(folder: Path, **settings: Any) -> Config:
    """A machine where nobody listens: what would be sent there is refused by this one."""
    machine = {"name": "gpu1", "hostname": "127.0.0.1", "port": 1}
    return Config(folder / "config.yaml", (Context("lab", "hosts", {"hosts": [machine], **settings}),), default="lab")


async def opened_form(app: FlowApp, **filled: str) -> SubmitForm:
    dashboard = app.screen
    assert isinstance(dashboard, DashboardScreen)
    open_submit_form(dashboard.services, {"context": "lab", "command": "true", "gpu": "cpu", **filled})
    await until(lambda: isinstance(app.screen, SubmitForm))
    assert isinstance(app.screen, SubmitForm)
    return app.screen


def squeezed(app: FlowApp) -> str:
    """The screen in one line, so that it doesn't matter where a dialog breaks its lines."""
    return " ".join(screen_text(app).replace("│", " ").replace("┃", " ").split())
