"""The sample project: tasks in every state, volumes, a reservation, and a moving market."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.types import Message, Scope

from flow_core.emulator.clock import iso_time
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.money import format_dollars
from flow_core.emulator.sample.programs import (
    build_failed_script,
    build_running_script,
    build_succeeded_script,
    build_training_program,
)

_AGE = timedelta(hours=4)
_PRICE_STEP_S = 900.0  # while the past is created: the step of the prices of the week before
_BETWEEN_SURGES_S, _SURGE_S, _SURGE = 180.0, 75.0, 1.9
_TIMES = {"seconds_to_allocate": 3.0, "starting_s": 4.0, "preempt_notice_s": 15.0}
_A100, _A100_8, _H100 = "it_RrgkIZz6c9BZu5gi", "it_Sg1nDx1I8NFep60J", "it_5ECSoHQjLBzrp5YM"
_H200, _B200 = "it_7RHoQUztab9lU9Ne", "it_nFEHySv5IMnHKbKi"
_HERE, _THERE, _EUROPE = "us-central1-a", "us-central5-a", "eu-central1-a"
_CONTESTED = (_A100, _THERE)


class Sample:
    """The sample for one emulator, whose clock must begin `age_s` ago: the sample's past is created in that time."""

    age_s = _AGE.total_seconds()

    async def fill(self, emulator: Emulator) -> dict[str, Any]:
        """Fills the emulator; returns the other settings of a client. Takes a second or two. Raises OSError."""
        key_file, public_key = await asyncio.to_thread(_make_key, emulator.folder)
        await _SampleBuilder(emulator, public_key).build()
        return {"region": _HERE, "ssh_key": str(key_file)}


class _SampleBuilder:
    def __init__(self, emulator: Emulator, public_key: str) -> None:
        self._emulator = emulator
        self._world = emulator.world
        self._control = emulator.control
        self._present = emulator.world.now + _AGE
        self._pace_s = emulator.world.settings.price_move_s
        self._public_key = public_key
        self._key = ""

    async def build(self) -> None:
        self._control.change_settings(**_TIMES, price_move_s=_PRICE_STEP_S if self._pace_s else 0.0)
        own = {"name": "demo-laptop", "public_key": self._public_key}
        self._key = (await self._post("/v2/ssh-keys", own))["fid"]
        datasets = await self._volume("datasets", _HERE, "File", 4000)
        checkpoints = await self._volume("checkpoints", _HERE, "Block", 500)
        shared = await self._volume("shared-ckpt", _THERE, "File", 2000)
        await self._volume("scratch", _HERE, "Block", 200)
        await self._create_past(datasets, checkpoints, shared)
        await self._reserve()
        await self._advance_to(timedelta())
        self._control.change_settings(price_move_s=self._pace_s)
        self._schedule_price_surge(_BETWEEN_SURGES_S)

    async def _create_past(self, datasets: str, checkpoints: str, shared: str) -> None:
        """Creates the past, in order."""
        ago, at = self._time_ago, self._advance_to
        await at(timedelta(hours=3, minutes=40))
        script = build_succeeded_script("python tokenize.py --shards 128", ago(minutes=210), ago(minutes=159))
        await self._task("tokenize-corpus", _A100, script, volumes=[datasets])
        script = build_running_script(
            "python prepare.py --dry-run", build_training_program("1 x A100", done=0, tokens=9.1)
        )
        await self._change(await self._task("prepare-shards", _A100, script), "DELETE")
        await at(timedelta(minutes=130))
        program = build_training_program("DDP over 2 nodes x 8 H100, NCCL 2.21.5", done=2210, tokens=812.4, floor=1.9)
        script = build_running_script("torchrun pretrain.py --config 13b.yaml", program, ago(minutes=118))
        await self._task("pretrain-13b", _H100, script, region=_THERE, nodes=2, volumes=[shared])
        await at(timedelta(minutes=95))
        script = build_running_script(
            "python train_vit.py --size large", build_training_program("8 x A100, bf16", done=0, tokens=96.3)
        )
        await self._change(await self._task("train-vit-large", _A100_8, script), "PATCH", {"paused": True})
        script = build_failed_script("python eval.py --suite mmlu", ago(minutes=90), ago(minutes=78))
        await self._task("eval-mmlu", _A100, script, volumes=[datasets])
        await at(timedelta(minutes=71))
        script = build_running_script(
            "python sweep.py --lr 3e-4", build_training_program("8 x H200, bf16", done=0, tokens=502.8)
        )
        await self._task("sweep-lr-3e-4", _H200, script, limit=0.6)
        await self._control.set_capacity(_B200, _EUROPE, 0)
        script = build_running_script(
            "python distill.py --teacher llama-70b", build_training_program("8 x B200, fp8", done=0, tokens=1204.2)
        )
        await self._task("distill-student", _B200, script, region=_EUROPE)
        await at(timedelta(minutes=62))
        program = build_training_program(
            "1 x A100, LoRA r=16", done=640, tokens=9.8, per_epoch=250, epochs=40, floor=0.6, half=90
        )
        script = build_running_script("python tune.py --base whisper-large-v3", program, ago(minutes=61))
        kind, region = _CONTESTED
        await self._task("finetune-whisper", kind, script, region=region, limit=1.3)
        await at(timedelta(minutes=48))
        program = build_training_program("8 x H100, FSDP, bf16", done=1180, tokens=411.6)
        script = build_running_script("python train.py --model llama-8b --data /datasets", program, ago(minutes=46))
        await self._task("train-llama-8b", _H100, script, volumes=[datasets, checkpoints])

    def _schedule_price_surge(self, seconds: float, factor: float = _SURGE) -> None:
        """Schedules a rise and a fall of a price, repeated without an end, so that low bids are outbid."""
        kind, region = _CONTESTED

        async def set_price() -> None:
            usual_cents = self._world.auction(kind, region).offering.price_cents
            await self._control.set_price(kind, region, round(usual_cents * factor))
            if factor == 1.0:
                self._schedule_price_surge(_BETWEEN_SURGES_S)
            else:
                self._schedule_price_surge(_SURGE_S, 1.0)

        self._world.clock.after(seconds, set_price)

    async def _task(
        self,
        name: str,
        kind: str,
        script: str,
        *,
        region: str = _HERE,
        nodes: int = 1,
        volumes: Sequence[str] = (),
        limit: float = 4.0,
    ) -> str:
        """Creates a bid; returns its fid. `limit` is a multiple of the market's usual price."""
        limit_cents = round(self._world.auction(kind, region).offering.price_cents * limit)
        launch = {"volumes": list(volumes), "ssh_keys": [self._key], "startup_script": script}
        order = {"region": region, "instance_type": kind, "instance_quantity": nodes, "name": name}
        terms = {"limit_price": format_dollars(limit_cents), "launch_specification": launch}
        return str((await self._post("/v2/spot/bids", order | terms))["fid"])

    async def _volume(self, name: str, region: str, interface: str, size_gb: int) -> str:
        body = {"name": name, "region": region, "disk_interface": interface, "size_gb": size_gb}
        return str((await self._post("/v2/volumes", body))["fid"])

    async def _reserve(self) -> None:
        begin = self._present.replace(minute=0, second=0, microsecond=0) + timedelta(hours=18)
        times = {"start_time": iso_time(begin), "end_time": iso_time(begin + timedelta(days=3))}
        launch = {"volumes": [], "ssh_keys": [self._key]}
        order = {"region": _THERE, "instance_type": _H100, "instance_quantity": 2, "name": "paper-deadline"}
        await self._post("/v2/reservation", order | times | {"launch_specification": launch})

    async def _change(self, bid: str, method: str, body: Any = None) -> None:
        await self._call(method, f"/v2/spot/bids/{bid}", body)

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._call("POST", path, body | {"project": self._emulator.project})

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the API as a client would, but without the network."""
        data = b"" if body is None else json.dumps(body).encode()
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": data}

        async def send(message: Message) -> None:
            messages.append(message)

        await self._emulator.app(_scope(method, path, self._emulator.api_key), receive, send)
        status, content = messages[0]["status"], b"".join(one.get("body", b"") for one in messages)
        if status >= 400:
            raise AssertionError(f"{method} {path}: {status} {content!r}")
        return json.loads(content or b"null")

    def _time_ago(self, **duration: float) -> datetime:
        return self._present - timedelta(**duration)

    async def _advance_to(self, ago: timedelta) -> None:
        """Advances the clock to this time before the present."""
        left_s = (self._present - ago - self._world.now).total_seconds()
        await self._control.advance(max(0.0, left_s))


def _scope(method: str, path: str, api_key: str) -> Scope:
    headers = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "state": {},
    }


def _make_key(folder: Path) -> tuple[Path, str]:
    """Creates a key pair; returns the private key's file and the public key. Blocking."""
    import asyncssh  # lazy import: the API alone needs none of it

    key = asyncssh.generate_private_key("ssh-ed25519", comment="demo-laptop")
    path = folder / "id_demo"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(key.export_private_key())
    key.write_public_key(path.with_name(f"{path.name}.pub"))
    return path, key.export_public_key().decode().strip()
