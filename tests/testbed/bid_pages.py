"""An API that only lists bids and their machines, in pages, from rows that a test changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

BIDS, INSTANCES = "/v2/spot/bids", "/v2/instances"
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class BidPages:
    """The API, an ASGI app. `rows` are the bids, newest first; `requests` are the paths that were requested."""

    def __init__(self, alive: list[bool]) -> None:
        """Adds a bid for each element, the oldest first, alive or ended."""
        self.rows: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.lists_ended = True
        for is_alive in alive:
            self.add(is_alive=is_alive)

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each bid, newest first."""
        return {row["fid"]: row["status"] for row in self.rows}

    def add(self, *, is_alive: bool = True) -> dict[str, Any]:
        number = int(self.rows[0]["fid"][4:]) + 1 if self.rows else 0
        row = {
            "fid": f"bid_{number:06d}",
            "name": f"task-{number}",
            "created_at": (_FIRST + timedelta(minutes=number)).isoformat(),
            "instance_quantity": 1,
            "instance_type": "it_1",
            "limit_price": "$2.80",
            "status": "Allocated" if is_alive else "Terminated",
        }
        self.rows.insert(0, row)
        return row

    def count(self, path: str) -> int:
        return self.requests.count(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.requests.append(path)
        query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
        found = self._answer(path, query)
        status, body = (200, found) if found is not None else (404, {"detail": "Not Found"})
        await Response(json.dumps(body), status, media_type="application/json")(scope, receive, send)

    def _answer(self, path: str, query: dict[str, str]) -> Any:
        if path == "/v2/projects":
            return [{"fid": "proj_1", "name": "lab"}]
        if path == INSTANCES:
            return {"data": [], "next_cursor": None}
        if path == BIDS:
            return self._page(query.get("status"), int(query.get("next_cursor", 0)), int(query["limit"]))
        if path.startswith(BIDS):
            return next((row for row in self.rows if path.endswith(row["fid"])), None)
        return {} if path == "/v2/me" else []

    def _page(self, status: str | None, start: int, limit: int) -> dict[str, Any]:
        wanted = {None: ("Allocated", "Terminated") if self.lists_ended else ("Allocated",)}.get(status, (status,))
        rows = [row for row in self.rows if row["status"] in wanted]
        end = start + limit
        return {"data": rows[start:end], "next_cursor": str(end) if end < len(rows) else None}
