"""Reservations of machines' GPUs: where they are made, which tasks use them, and what is reported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from testbed.hosts_lab import Lab, ended, running, submit, until
from testbed.sshd import Sshd
from testbed.worlds import hosts_context

from flow_core.config import Context
from flow_core.errors import CapacityError, ConfigError, Conflict, NotFound, Unreachable, Unsupported
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task import TaskStatus
from flow_core.providers.hosts.provider import HostsProvider

pytestmark = pytest.mark.needs("sshd")


async def reserve(provider: HostsProvider, gpu: str = "a100:2", **fields: Any) -> Reservation:
    return await provider.reservations.create(ReservationSpec(instance_type=gpu, **fields))


async def test_a_reservation_is_made_on_the_named_machine_or_the_one_with_most_free_gpus(lab: Lab) -> None:
    provider = lab.start(2)
    named = await reserve(provider, "a100", region="two", name="mine")
    assert (named.region, named.status, named.instance_type) == ("two", ReservationStatus.ACTIVE, "1xa100")
    both = await reserve(provider)
    assert both.region == "one"
    last = await reserve(provider, "a100")
    assert last.region == "two"
    with pytest.raises(CapacityError, match="a100"):
        await reserve(provider, "a100")
    with pytest.raises(CapacityError, match=r"^1 x a100:4 is more than any reachable machine has$"):
        await reserve(provider, "a100:4")
    with pytest.raises(ConfigError, match=r"^region: 'mars' is neither a machine nor a region here"):
        await reserve(provider, "a100", region="mars")
    with pytest.raises(Unsupported, match=r"^volumes: "):
        await reserve(provider, "a100", volumes=["vol_aaaaaaaaaa"])
    seen = await lab.open().reservations.list({})
    assert [one.reservation_id for one in seen] == [last.reservation_id, both.reservation_id, named.reservation_id]
    assert [one.name for one in await provider.reservations.list({"region": "two", "status": "active"})] == ["", "mine"]
    for one in (named, last, both):
        await provider.reservations.release(one.reservation_id)
    again = await provider.reservations.get(named.reservation_id)
    assert (again.status, again.region, again.context) == (ReservationStatus.CANCELED, "two", "lab")
    assert await provider.reservations.list({"status": "active"}) == ()


async def test_availability_says_when_gpus_are_free(lab: Lab) -> None:
    provider = lab.start(2)
    slots = await provider.reservations.availability({"instance_type": "a100:2"})
    assert [slot["quantity"] for slot in slots] == [1, 1]
    await reserve(provider, region="one")
    (now,) = await provider.reservations.availability({"instance_type": "a100:2", "region": "two"})
    assert now["quantity"] == 1
    later = [
        datetime.fromisoformat(slot["start_time"])
        for slot in await provider.reservations.availability({"instance_type": "a100:2", "region": "one"})
    ]
    assert later
    assert min(later) > datetime.now(UTC) + timedelta(minutes=30)
    assert await provider.reservations.availability({"instance_type": "a100", "region": "mars"}) == ()


async def test_a_task_goes_to_the_machine_of_the_reservation_that_it_names(lab: Lab) -> None:
    provider = lab.start(2)
    made = await reserve(provider, region="two")
    fields = {"instance_type": "a100:2", "reservation_id": made.reservation_id}
    task = await ended(provider, await submit(provider, "true", **fields))
    assert (task.instances, task.provider_metadata["reservation"]) == (("two",), made.reservation_id)
    assert task.status is TaskStatus.COMPLETED
    other = await submit(provider, "true", instance_type="a100", region="two")
    other = await until(provider, other, lambda now: now.message != "")
    assert f"2 reserved until {_end(made)} by {made.reservation_id}" in other.message
    with pytest.raises(NotFound, match=r"^no reservation 'res_aaaaaaaaaa' in context 'lab'$"):
        await submit(provider, "true", instance_type="a100", reservation_id="res_aaaaaaaaaa")
    with pytest.raises(ConfigError, match=r"^reservation_id: the task asks for no GPU"):
        await submit(provider, "true", reservation_id=made.reservation_id)
    await provider.reservations.release(made.reservation_id)
    with pytest.raises(Conflict, match=f"^reservation_id: reservation {made.reservation_id} is canceled$"):
        await submit(provider, "true", **fields)


async def test_a_task_can_not_have_a_reservation_and_a_volume_on_two_machines(lab: Lab) -> None:
    provider = lab.start(2)
    made = await reserve(provider, "a100", region="two")
    await provider.volumes.create(1, "data", "file", "one")
    expected = "^volumes and reservation_id: what they name is on one, two; a task runs on one machine$"
    with pytest.raises(Conflict, match=expected):
        await submit(
            provider,
            "true",
            instance_type="a100",
            reservation_id=made.reservation_id,
            volumes=[{"name": "data", "mount_path": "/d"}],
        )
    assert await provider.list_tasks() == ()


async def test_a_task_that_wants_any_reservation_goes_to_one_of_its_user_that_is_large_enough(lab: Lab) -> None:
    provider = lab.start(3)
    await reserve(provider, "a100", region="one")
    large = await reserve(provider, region="three")
    for mode in ("reserved", "auto"):
        task = await submit(provider, "true", instance_type="a100:2", allocation_mode=mode)
        task = await ended(provider, task)
        assert (task.instances, task.provider_metadata["reservation"]) == (("three",), large.reservation_id)
    await provider.reservations.release(large.reservation_id)
    task = await ended(provider, await submit(provider, "true", instance_type="a100:2", allocation_mode="auto"))
    assert task.provider_metadata["reservation"] is None
    with pytest.raises(CapacityError, match=r"^allocation_mode: no active reservation of yours has 2 x a100"):
        await submit(provider, "true", instance_type="a100:2", allocation_mode="reserved")


async def test_a_task_that_may_use_a_reservation_does_not_go_where_it_does_not_fit(lab: Lab) -> None:
    lab.start(2)
    hosts = [{**lab.context.settings["hosts"][0]}, {**lab.context.settings["hosts"][1], "gpus": "h100:1"}]
    provider = lab.open(Context("lab", "hosts", {"hosts": hosts}))
    await reserve(provider, region="one")
    await provider.volumes.create(1, "data", "file", "two")
    other = await ended(provider, await submit(provider, "true", instance_type="h100", allocation_mode="auto"))
    assert (other.instances, other.status) == (("two",), TaskStatus.COMPLETED)
    volumes = [{"name": "data", "mount_path": "/d"}]
    task = await ended(provider, await submit(provider, "true", allocation_mode="auto", volumes=volumes))
    assert (task.instances, task.status) == (("two",), TaskStatus.COMPLETED)


async def test_a_missing_object_is_unreachable_rather_than_unknown_while_a_machine_is_down(lab: Lab) -> None:
    provider = lab.start(2)
    made = await reserve(provider, region="two")
    volume = await provider.volumes.create(1, "data", "file", "two")
    lab.servers[1].stop()
    expected = "is on no machine of context 'lab' that answers; unreachable: two$"
    with pytest.raises(Unreachable, match=f"^reservation '{made.reservation_id}' {expected}"):
        await provider.reservations.release(made.reservation_id)
    with pytest.raises(Unreachable, match=f"^volume '{volume.volume_id}' {expected}"):
        await provider.volumes.delete(volume.volume_id)
    assert await provider.reservations.list({}) == ()
    lab.servers[1].start()


async def test_reservations_of_a_machine_with_two_names_are_listed_once(lab: Lab) -> None:
    lab.start()
    server: Sshd = lab.servers[0]
    context = hosts_context(server, server)
    provider = lab.open(context)
    made = await reserve(provider)
    assert [one.reservation_id for one in await provider.reservations.list({})] == [made.reservation_id]
    task = await running(
        provider,
        await submit(provider, "sleep 600", instance_type="a100", reservation_id=made.reservation_id),
    )
    await provider.cancel_task(task.task_id, force=True)
    await provider.reservations.release(made.reservation_id)


def _end(made: Reservation) -> str:
    assert made.end_time_utc is not None
    end = made.end_time_utc.astimezone()
    return f"{end:%H:%M}" if end.date() == datetime.now().date() else f"{end:%Y-%m-%d %H:%M}"
