"""The emulated cloud for tests of whole tasks: a program of its own, started once, with a new account each time."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from flow_core.config import Context

PROGRAM = Path(__file__).with_name("cloud_program.py")
QUICK = {"seconds_to_allocate": 0.1, "starting_s": 0.1, "stopping_s": 0.1, "preempt_notice_s": 0.5}
H100, REGION = "it_5ECSoHQjLBzrp5YM", "us-central1-a"


class Cloud:
    """One account. The one that was made before it is gone with its machines."""

    def __init__(self, **settings: Any) -> None:
        details = _program().ask(QUICK | settings)
        self.url: str = details["url"]
        self.context = Context("mithril", "mithril", {"api_url": self.url, "region": REGION} | _account(details))
        self._http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {details['api_key']}"})
        self.project: str = details["project"]

    def close(self) -> None:
        self._http.close()
        _program().ask(QUICK)

    def has(self, path: str) -> list[dict[str, Any]]:
        """What a listing of the API holds."""
        found = self._http.get(path, params={"project": self.project, "limit": 100}).raise_for_status().json()
        return found["data"] if isinstance(found, dict) else found

    def preempt(self, bid_id: str) -> None:
        self._http.post(f"/_emulator/bids/{bid_id}/preempt").raise_for_status()

    def market(self, **change: Any) -> None:
        """See the emulator's page."""
        body = {"region": REGION, "instance_type": H100} | change
        self._http.patch("/_emulator/market", json=body).raise_for_status()

    def advance(self, seconds: float) -> None:
        """What is due on the way has been done."""
        self._http.patch("/_emulator/clock", json={"advance_s": seconds}).raise_for_status()

    def spoil(self, **fault: Any) -> None:
        self._http.post("/_emulator/faults", json=fault).raise_for_status()


class _Program:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._end)

    def ask(self, settings: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(settings) + "\n")
        self._process.stdin.flush()
        details: dict[str, Any] = json.loads(self._process.stdout.readline())
        return details

    def _end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


@cache
def _program() -> _Program:
    return _Program()


def _account(details: dict[str, Any]) -> dict[str, Any]:
    return {"api_key": details["api_key"], "project": details["project"]}
