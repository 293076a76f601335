"""The emulated cloud for tests of whole tasks: one program, which opens a new account for each `Cloud`."""

from __future__ import annotations

import atexit
import json
import ssl
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from flow_core.config import Context

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading certificates that plain HTTP doesn't need takes 25 ms
PROGRAM = Path(__file__).with_name("cloud_program.py")
QUICK = {"seconds_to_allocate": 0.1, "starting_s": 0.1, "stopping_s": 0.1, "preempt_notice_s": 0.5}
H100, REGION = "it_5ECSoHQjLBzrp5YM", "us-central1-a"


class Cloud:
    """One account. Opening it ends the account before, with its machines."""

    def __init__(self, **settings: Any) -> None:
        details = _program().ask(QUICK | settings)
        self.url: str = details["url"]
        self.context = Context("mithril", "mithril", {"api_url": self.url, "region": REGION} | _account(details))
        headers = {"Authorization": f"Bearer {details['api_key']}"}
        self._http = httpx.Client(base_url=self.url, headers=headers, verify=NO_TLS)
        self.project: str = details["project"]

    def close(self) -> None:
        self._http.close()
        _program().ask(QUICK)

    def has(self, path: str) -> list[dict[str, Any]]:
        """The rows of a listing."""
        found = self._http.get(path, params={"project": self.project, "limit": 100}).raise_for_status().json()
        return found["data"] if isinstance(found, dict) else found

    def preempt(self, bid_id: str) -> None:
        self._http.post(f"/_emulator/bids/{bid_id}/preempt").raise_for_status()

    def market(self, **change: Any) -> None:
        """Changes what docs/emulator.md describes for `/_emulator/market`."""
        body = {"region": REGION, "instance_type": H100} | change
        self._http.patch("/_emulator/market", json=body).raise_for_status()

    def advance(self, seconds: float) -> None:
        """Advances the clock; everything that is due by then is done."""
        self._http.patch("/_emulator/clock", json={"advance_s": seconds}).raise_for_status()


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
