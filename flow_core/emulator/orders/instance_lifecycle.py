"""The lifecycle of an instance: it starts step by step, is warned, and ends with or without its disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from flow_core.emulator.clock import iso_time
from flow_core.emulator.market.catalog import TYPES_BY_FID
from flow_core.emulator.nodes.machine_interface import MachineVolume, NodeSpec
from flow_core.emulator.orders.instances import InstanceRow, Status
from flow_core.emulator.orders.order import Order
from flow_core.emulator.world import World
from flow_core.errors import ProviderError

_log = logging.getLogger("flow.emulator")
_STEPS: tuple[Status, ...] = ("STATUS_NEW", "STATUS_CONFIRMED", "STATUS_INITIALIZING", "STATUS_STARTING")


def make_instances(world: World, order: Order) -> list[InstanceRow]:
    """Returns the order's instances; creates them at the first call."""
    if not order.instances:
        for index in range(order.quantity):
            fid = world.ids.make("inst")
            world.instances[fid] = InstanceRow(fid, order, index, world.now, _private_ip(next(world.addresses)))
            order.instances.append(fid)
    return [world.instances[fid] for fid in order.instances]


async def start(world: World, instance: InstanceRow) -> None:
    """Starts an instance. One with a disk skips the first step."""
    steps = _STEPS[1:] if instance.has_booted else _STEPS
    await _step(world, instance, steps, world.settings.starting_s / len(steps))


async def halt(world: World, instances: Sequence[InstanceRow], status: Status, *, keeps_disk: bool = True) -> None:
    """Ends everything that runs on the instances, and sets their status immediately. Calling it again is safe."""
    for instance in instances:
        instance.set_status(status, world.now)
        instance.has_booted = instance.has_booted and keeps_disk
    if world.nodes is not None:
        await asyncio.gather(*(world.nodes.halt(one.fid, keeps_disk=keeps_disk) for one in instances))


async def stop(world: World, instance: InstanceRow) -> None:
    """Ends everything that runs on the instance and keeps its disk. It is paused after `stopping_s`."""
    await halt(world, [instance], "STATUS_STOPPING")

    async def end() -> None:
        instance.set_status("STATUS_PAUSED", world.now)

    instance.timer = world.clock.after(world.settings.stopping_s, end)


async def warn(world: World, instance: InstanceRow, status: Status, bid_status: str, notice_s: float) -> None:
    """Writes a warning with the end time into the machine."""
    instance.set_status(status, world.now)
    instance.end_time = world.now + timedelta(seconds=notice_s)
    instance.is_warned = True
    if world.nodes is not None:
        lines = (
            f"instance_status: {status}",
            f"bid_status: {bid_status}",
            f"end_time: {iso_time(instance.end_time)}",
        )
        await world.nodes.warn(instance.fid, "".join(f"{line}\n" for line in lines))


async def keep_or_start(world: World, instance: InstanceRow) -> None:
    """Cancels the end warning of a running instance; starts an instance that is down."""
    if not instance.is_up:
        await start(world, instance)
        return
    instance.set_status("STATUS_RUNNING", world.now)
    await _clear_warning(world, instance)


async def relocate(world: World, instance: InstanceRow) -> None:
    """Moves an instance with its disk to another address, after a warning."""
    await warn(world, instance, "STATUS_RELOCATING", "Allocated", world.settings.relocating_s)

    async def move() -> None:
        if world.nodes is not None:
            await world.nodes.halt(instance.fid, keeps_disk=True)
        if instance.status != "STATUS_RELOCATING":
            return  # it was ended meanwhile, and stays ended
        instance.private_ip = _private_ip(next(world.addresses))
        await _boot(world, instance)

    instance.timer = world.clock.after(world.settings.relocating_s, move)


async def _clear_warning(world: World, instance: InstanceRow) -> None:
    was_warned, instance.is_warned = instance.is_warned, False
    if was_warned and world.nodes is not None:
        await world.nodes.warn(instance.fid, None)


async def _step(world: World, instance: InstanceRow, steps: tuple[Status, ...], step_s: float) -> None:
    if not steps:
        await _boot(world, instance)
        return
    instance.set_status(steps[0], world.now)
    instance.timer = world.clock.after(step_s, lambda: _step(world, instance, steps[1:], step_s))


async def _boot(world: World, instance: InstanceRow) -> None:
    before = instance.status
    try:
        port = None if world.nodes is None else await world.nodes.boot(_spec(world, instance))
        if instance.status == before:
            await _clear_warning(world, instance)
    except (ProviderError, OSError) as error:
        _log.warning("machine %s was not started: %s", instance.name, error)
        instance.set_status("STATUS_ERROR", world.now)
        return
    if instance.status != before:  # it was ended meanwhile, and the machine started after that
        if world.nodes is not None:
            await world.nodes.halt(instance.fid, keeps_disk=not instance.is_gone)
        return
    instance.set_status("STATUS_RUNNING", world.now)
    instance.has_booted = instance.is_up = True
    instance.ssh_port = port
    instance.set_price(instance.order.hour_cents, world.now)


def _spec(world: World, instance: InstanceRow) -> NodeSpec:
    order = instance.order
    volumes = (world.volumes[fid] for fid in order.launch.volumes)
    kind = TYPES_BY_FID[order.instance_type]
    return NodeSpec(
        instance_fid=instance.fid,
        order_fid=order.fid,
        name=instance.name,
        index=instance.index,
        private_ips=tuple(world.instances[fid].private_ip for fid in order.instances),
        startup_script=order.launch.startup_script,
        public_keys=tuple(world.ssh_keys[fid].public_key for fid in order.launch.ssh_keys),
        volumes=tuple(MachineVolume(one.fid, one.name, one.size_gb, one.interface) for one in volumes),
        gpu_type=kind.gpu_type,
        gpu_count=kind.num_gpus,
    )


def _private_ip(number: int) -> str:
    return f"10.{16 + number // 62500 % 200}.{number // 250 % 250}.{number % 250 + 2}"
