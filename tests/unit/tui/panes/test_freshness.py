"""The screen says what could not be read, and how old what it shows is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from testbed.obedient import Obedient
from testbed.provider_registry import register
from testbed.screen_text import screen_rows, screen_text
from testbed.tui.dashboard import opened
from testbed.tui.press import press
from testbed.waiting import until

from flow_core.config import Config, Context
from flow_core.errors import Unreachable
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.contract.listing import Listing
from flow_tui.app import FlowApp


def task(name: str, *, ago_s: float = 100, **fields: object) -> TaskRecord:
    created = datetime.now(UTC) - timedelta(seconds=ago_s)
    return TaskRecord("cloud", f"bid_{name}", name, TaskStatus.COMPLETED, created_at=created, **fields)  # type: ignore[arg-type]


class NoPrices:
    """A market that tells nothing."""

    async def prices(self, hours: int = 24) -> tuple[()]:
        return ()

    quotas = prices


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> type[Obedient]:
    """A cloud that answers as the test says."""

    class Own(Obedient):
        market = NoPrices()

    register(monkeypatch, "unreadable", Own)
    return Own


@asynccontextmanager
async def dashboard(tmp_path: Path) -> AsyncIterator[FlowApp]:
    async with opened(Config(tmp_path / "config.yaml", (Context("cloud", "unreadable"),))) as (app, _, _pilot):
        yield app


async def test_an_answer_with_nothing_readable_does_not_look_like_no_tasks_and_no_costs(
    far: type[Obedient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far.answers = Listing.of((), ["bid 1: fid is missing"])
    app = FlowApp(Config(tmp_path / "config.yaml", (Context("cloud", "unreadable"),)))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: "cloud could not be read: press ! to see why" in screen_text(app))
        assert "No tasks yet" not in screen_text(app)
        assert "unknown costs" in screen_rows(app)[0]
        await press(pilot, "app.attend")
        await until(lambda: "no tasks could be read: bid 1: fid is missing" in screen_text(app))
        assert "connected" not in screen_text(app)


async def test_rows_that_could_not_be_read_are_counted_and_the_last_good_ones_stay_with_their_age(
    far: type[Obedient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_tui.panes.freshness._STALE_S", 0.0)
    far.answers = (task("alpha", billed_usd_per_hour=Decimal("2.5")), task("beta"))
    async with dashboard(tmp_path) as app:
        await until(lambda: "alpha" in screen_text(app) and "beta" in screen_text(app))
        assert "ago" not in screen_text(app)
        far.answers = Listing.of([task("beta")], ["bid bid_alpha: limit_price is NaN"])
        await until(lambda: "1 of the tasks could not be read" in screen_text(app))
        await until(lambda: re.search(r"alpha .* read \d+s ago", screen_text(app)))
        assert not any("ago" in row for row in screen_rows(app) if "beta" in row)
        assert "cloud! 1 unreadable" in screen_rows(app)[0]
        assert "$2.50/h" in screen_rows(app)[0]
        assert "unknown costs" in screen_rows(app)[0]
        far.answers = (task("alpha"), task("beta"))
        await until(lambda: "ago" not in screen_text(app) and "cloud●" in screen_text(app))


async def test_costs_of_a_context_that_does_not_answer_have_their_age(far: type[Obedient], tmp_path: Path) -> None:
    far.answers = (task("alpha", billed_usd_per_hour=Decimal("2.5")),)
    async with dashboard(tmp_path) as app:
        await until(lambda: "$2.50/h" in screen_rows(app)[0])
        far.fails = Unreachable("no route")
        await until(lambda: re.search(r"\$2.50/h +as of \d+s ago", screen_rows(app)[0]))


async def test_ages_go_on_in_every_row_while_nothing_runs(far: type[Obedient], tmp_path: Path) -> None:
    far.answers = tuple(task(name) for name in ("alpha", "beta", "gamma"))

    def ages(app: FlowApp) -> list[int]:
        found = re.findall(r"(?:alpha|beta|gamma) .* 1m(\d\d)s", screen_text(app))
        return [int(seconds) for seconds in found]

    async with dashboard(tmp_path) as app:
        await until(lambda: len(ages(app)) == 3)
        first = ages(app)
        await until(lambda: [age > before for age, before in zip(ages(app), first, strict=True)] == [True] * 3)
