"""An account with many bids, answered from memory, so that a client's own cost is what is measured.

The argument is the number of bids. The newest hundred are alive.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from flow_core.emulator.http.server import HttpServer
from flow_core.emulator.market.catalog import INSTANCE_TYPES
from flow_core.providers.mithril.startup.script import NodeTask, build_startup_script

BIDS = int(sys.argv[1])
PAGE, LIVING = 100, 100
INSTANCES = "/v2/instances"
WHEN = "2026-01-01T00:00:00Z"
TYPE, REGION = INSTANCE_TYPES[0].fid, "us-central1-a"


async def main() -> None:
    answers = {path: _json(200, value) for path, value in _answers().items()}
    not_found = _json(404, {"detail": "Not Found"})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode())
        key = "".join([scope["path"], *query.get("next_cursor", ()), *query.get("bid_fid_in", ())])
        await answers.get(key, not_found)(scope, receive, send)

    server = HttpServer(app)
    print(await server.open(0), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.close()


def _json(status: int, value: Any) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def _answers() -> dict[str, Any]:
    bids = [_bid(number) for number in range(BIDS)]
    pages = {}
    for start in range(0, BIDS, PAGE):
        cursor = f"page-{start + PAGE}" if start + PAGE < BIDS else None
        page = {"data": bids[start : start + PAGE], "next_cursor": cursor}
        pages[f"/v2/spot/bids{f'page-{start}' if start else ''}"] = page
    auction = {"fid": "auc_1", "instance_type": TYPE, "region": REGION, "capacity": 8, "last_instance_price": "$1.40"}
    return (
        pages
        | _instance_pages()
        | {
            "/v2/projects": [{"fid": "proj_1", "name": "lab", "created_at": WHEN}],
            "/v2/me": {"id": "1", "fid": "user_1", "email": "me@lab.example", "organization_id": "org_1"},
            "/v2/me/teammates": [],
            "/v2/instance-types": [kind.as_json() for kind in INSTANCE_TYPES],
            "/v2/spot/availability": [auction | {"lowest_allocated_price": None, "adjustable_memory": False}],
            "/v2/ssh-keys": [],
        }
    )


def _instance_pages() -> dict[str, Any]:
    """The instances of each 50 bids, which a client asks for by their ids."""
    pages = {}
    for start in range(0, LIVING, 50):
        numbers = range(start, min(start + 50, LIVING))
        ids = ",".join(f"bid_{number:08d}" for number in numbers)
        pages[f"{INSTANCES}{ids}"] = {"data": [_instance(number) for number in numbers], "next_cursor": None}
    return pages


def _bid(number: int) -> dict[str, Any]:
    is_living = number < LIVING
    script = build_startup_script(
        NodeTask(f"train-{number}", f"python train.py --seed {number}", env={"SEED": str(number)})
    )
    return {
        "fid": f"bid_{number:08d}",
        "name": f"train-{number}",
        "project": "proj_1",
        "created_by": "user_1",
        "created_at": WHEN,
        "deactivated_at": None if is_living else WHEN,
        "limit_price": "$2.80",
        "instance_quantity": 1,
        "instance_type": TYPE,
        "region": REGION,
        "instances": [f"inst_{number:08d}"],
        "launch_specification": {"volumes": [], "ssh_keys": ["sshkey_1"], "startup_script": script},
        "status": "Allocated" if is_living else "Terminated",
    }


def _instance(number: int) -> dict[str, Any]:
    return {
        "fid": f"inst_{number:08d}",
        "name": f"train-{number}-1",
        "project": "proj_1",
        "created_at": WHEN,
        "created_by": "user_1",
        "instance_type": TYPE,
        "region": REGION,
        "bid": f"bid_{number:08d}",
        "reservation": None,
        "ssh_destination": None,
        "private_ip": "10.0.0.1",
        "status": "STATUS_STARTING",
    }


if __name__ == "__main__":
    asyncio.run(main())
