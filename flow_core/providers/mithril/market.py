"""Current and past prices, quotas, and changes to a bid."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, Conflict, ProviderError
from flow_core.logs.escape import escape_controls
from flow_core.models.market import PriceSeries, Quota, TaskEvent
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import BIDS, Bid, parse_rows, parse_time
from flow_core.providers.mithril.money import format_usd, parse_usd
from flow_core.providers.mithril.tasks import MithrilTasks

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.providers.mithril.shared_state import MithrilSession

_SAMPLES = 48
_LIMIT_USD_MAX = Decimal(10_000)


class MithrilMarket:
    """The market facet of the contract."""

    def __init__(self, session: MithrilSession, tasks: MithrilTasks) -> None:
        self._session = session
        self._tasks = tasks

    async def prices(self, hours: int = 24) -> tuple[PriceSeries, ...]:
        types = await self._session.catalog.get_types()
        start = datetime.now(UTC) - timedelta(hours=hours)
        answer = await self._session.http.get(
            "/v2/pricing/history",
            instance_types=",".join(types),
            num_samples=_SAMPLES,
            start_time=start.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        rows = response_fields.read_rows(answer.get("series") if isinstance(answer, dict) else answer, "prices")
        listed = parse_rows(rows, _parse_series, "prices")
        names = {type_id: kind.name for type_id, kind in types.items()}
        return tuple(
            PriceSeries(
                names.get(series.instance_type, series.instance_type), series.region, series.times, series.prices_usd
            )
            for series in listed
        )

    async def quotas(self) -> tuple[Quota, ...]:
        project = await self._session.projects.get_chosen_id()
        types = await self._session.catalog.get_types()
        rows = response_fields.read_rows(await self._session.http.get("/v2/quotas", project=project), "quotas")
        names = {type_id: kind.name for type_id, kind in types.items()}
        return parse_rows(rows, lambda row: _parse_quota(row, names), "quotas")

    async def history(self, task_id: str) -> tuple[TaskEvent, ...]:
        bid = (await self._tasks.get_snapshot(task_id)).bid
        http = self._session.http
        answer = response_fields.read_table(await http.get(f"{BIDS}/{bid.bid_id}/history"), "a history")
        events = list(parse_rows(response_fields.read_rows(answer.get("events"), "events"), _parse_bid_event, "events"))
        answer = await http.get("/v2/instances/status/history", project=bid.project_id, bid_fid=bid.bid_id, limit=100)
        nodes = response_fields.read_rows(answer.get("instances") if isinstance(answer, dict) else answer, "histories")
        for node in nodes:
            events += parse_rows(_read_event_rows(node), _parse_node_event, "events", may_be_none=True)
        return tuple(sorted(events, key=lambda event: event.at))

    async def set_limit(self, task_id: str, limit_usd_per_hour: Decimal) -> None:
        if not 0 < limit_usd_per_hour <= _LIMIT_USD_MAX:
            raise ConfigError(
                f"limit_usd_per_hour: must be above 0 and at most {_LIMIT_USD_MAX}, not {limit_usd_per_hour}",
                field="limit_usd_per_hour",
            )
        await self._patch(await self._find_active_bid(task_id), {"limit_price": format_usd(limit_usd_per_hour)})

    async def pause(self, task_id: str) -> None:
        bid = await self._find_active_bid(task_id)
        if bid.status != "Paused":
            await self._patch(bid, {"paused": True})

    async def resume(self, task_id: str) -> None:
        bid = await self._find_active_bid(task_id)
        if bid.status == "Paused":
            await self._patch(bid, {"paused": False})

    def describe_set_limit(self, task: TaskRecord, limit_usd_per_hour: Decimal) -> str:
        return f"{self._describe_call(task)}: limit {_format_cost(limit_usd_per_hour, task.num_instances)}"

    def describe_pause(self, task: TaskRecord) -> str:
        return f"{self._describe_call(task)}: pause: its machines stop, and their processes end"

    def describe_resume(self, task: TaskRecord) -> str:
        limit = None if task.bid is None else task.bid.limit_usd_per_hour
        cost = "" if limit is None else f" for at most {_format_cost(limit, task.num_instances)}"
        return f"{self._describe_call(task)}: bid again{cost}"

    def _describe_call(self, task: TaskRecord) -> str:
        return f"PATCH {self._session.settings.url}{BIDS}/{task.task_id}"

    async def _find_active_bid(self, task_id: str) -> Bid:
        bid = (await self._tasks.get_snapshot(task_id, is_fresh=True)).bid
        if bid.status == "Terminated":
            raise Conflict(f"task {escape_controls(bid.name)} has ended; its bid can't be changed any more")
        return bid

    async def _patch(self, bid: Bid, body: dict[str, Any]) -> None:
        await self._session.http.patch(f"{BIDS}/{bid.bid_id}", body)
        self._tasks.forget(bid.bid_id)


def _format_cost(usd: Decimal, instances: int) -> str:
    total = f" per instance, {format_usd(usd * instances)}/h total" if instances > 1 else ""
    return f"{format_usd(usd)}/h{total}"


def _parse_series(row: dict[str, Any]) -> PriceSeries:
    pairs = [
        (at, price)
        for when, cost in zip(_as_list(row.get("timestamps")), _as_list(row.get("spot_prices")), strict=False)
        if (at := parse_time(when)) is not None and (price := parse_usd(cost)) is not None
    ]
    pairs.sort()
    return PriceSeries(
        escape_controls(response_fields.read_text(row, "instance_type")),
        escape_controls(response_fields.read_text(row, "region")),
        tuple(at for at, _ in pairs),
        tuple(price for _, price in pairs),
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _parse_quota(row: dict[str, Any], names: dict[str, str]) -> Quota:
    type_id = response_fields.read_word(row, "instance_type")
    return Quota(
        escape_controls(response_fields.read_text(row, "name", "fid")),
        response_fields.read_word(row, "product_type"),
        response_fields.read_word(row, "units"),
        response_fields.read_number(row, "used_quantity"),
        response_fields.read_number(row, "total_quantity"),
        names.get(type_id, type_id),
    )


def _parse_bid_event(row: dict[str, Any]) -> TaskEvent:
    limit = parse_usd(row.get("limit_price"))
    change = row.get("persistent_disk_change")
    disks = [f"{word} {value}" for word, value in change.items() if value] if isinstance(change, dict) else []
    details = [*([] if limit is None else [f"limit {format_usd(limit)}/h"]), *disks]
    return TaskEvent(
        _parse_time(row),
        escape_controls(response_fields.read_text(row, "event_type")),
        escape_controls(", ".join(details)),
    )


def _read_event_rows(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        for event in _as_list(node.get("events")):
            yield event | {"instance_fid": node.get("instance_fid")} if isinstance(event, dict) else event


def _parse_node_event(row: dict[str, Any]) -> TaskEvent:
    word = escape_controls(response_fields.read_text(row, "status")).removeprefix("STATUS_").capitalize()
    return TaskEvent(_parse_time(row), word, node=response_fields.read_word(row, "instance_fid"))


def _parse_time(row: dict[str, Any]) -> datetime:
    when = parse_time(row.get("timestamp"))
    if when is None:
        raise ProviderError("an event has no time")
    return when
