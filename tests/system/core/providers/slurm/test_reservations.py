"""The reservations of real clusters: those of others, and those that an operator makes for a task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import User
from testbed.slurm_worlds import shared_cluster
from testbed.waiting import wait_until

from flow_core.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    Conflict,
    FlowError,
    NotFound,
    Unreachable,
    Unsupported,
)
from flow_core.models.reservation import ReservationStatus
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task_config import TaskConfig
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.discovery.cluster_reader import ClusterReader
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.reservations import SlurmReservations
from flow_core.providers.slurm.settings import LoginHost, SlurmSettings
from flow_core.providers.slurm.submit.site import Site
from flow_core.providers.slurm.submit.submission import SlurmSubmission

pytestmark = pytest.mark.needs("slurm", "sshd")


@dataclass
class Desk:
    """What one user of a cluster has: the facet, and the settings that it uses."""

    facet: SlurmReservations
    login_node: LoginNode
    settings: SlurmSettings

    async def submit(self, **fields: Any) -> str:
        """Returns the id of the job."""
        config = TaskConfig.parse({"name": "reserved", "command": "sleep 600", "upload_code": False, **fields})
        submission = SlurmSubmission(config, self.login_node, self.settings, Site(self.login_node, self.settings))
        return (await submission.run())[1]


MakeDesk = Callable[[SlurmCluster, User], Desk]


@pytest.fixture
async def make_desk() -> AsyncIterator[MakeDesk]:
    pool = HostPool()

    def make(cluster: SlurmCluster, user: User) -> Desk:
        host = LoginHost("lab", ssh_config=cluster.login.config(name="lab", user=user.name))
        name = cluster.plan.name if cluster.plan.has_accounting else None
        settings = SlurmSettings(host, cluster=name, poll_s=0.01)
        login_node = LoginNode(settings, pool)
        return Desk(
            SlurmReservations(login_node, ClusterReader(login_node, settings), settings, "lab"), login_node, settings
        )

    yield make
    await pool.close()


@pytest.fixture
def accounted_cluster() -> Iterator[SlurmCluster]:
    """A cluster with accounting, which has no reservations afterwards."""
    cluster = shared_cluster(accounting=True)
    cluster.renew()
    yield cluster
    wait_until(lambda: delete_all(cluster))


@pytest.fixture
def operator(accounted_cluster: SlurmCluster) -> Iterator[User]:
    user = accounted_cluster.add_user(level="Operator")
    yield user
    accounted_cluster.renew()
    accounted_cluster.remove_user(user)


@pytest.fixture
def desk(accounted_cluster: SlurmCluster, operator: User, make_desk: MakeDesk) -> Desk:
    return make_desk(accounted_cluster, operator)


def list_names(cluster: SlurmCluster) -> list[str]:
    lines = cluster.run("scontrol", "-o", "show", "reservation").splitlines()
    return [line.partition(" ")[0].partition("=")[2] for line in lines if line.startswith("ReservationName=")]


def delete_all(cluster: SlurmCluster) -> bool:
    """Returns whether no reservation is left: one that is in use until its job has ended can't be deleted."""
    for name in list_names(cluster):
        cluster.run("scontrol", "delete", f"ReservationName={name}", check=False)
    return not list_names(cluster)


def end_job(cluster: SlurmCluster, user: User, job: str, node: str) -> None:
    """Returns once the job no longer uses its reservation."""
    cluster.run("scancel", job)
    wait_until(lambda: not cluster.list_jobs(user))
    wait_until(lambda: "COMPLETING" not in cluster.run("scontrol", "-o", "show", "node", node))


def spec(**fields: Any) -> ReservationSpec:
    return ReservationSpec.parse({"instance_type": "4xa100", **fields})


def show_job(cluster: SlurmCluster, job: str) -> str:
    return cluster.run("squeue", "--noheader", "--states=all", "-j", job, "-o", "%T %v %N %P")


async def test_a_task_runs_in_the_reservation_that_it_names(
    accounted_cluster: SlurmCluster, operator: User, desk: Desk
) -> None:
    assert await desk.facet.quote(spec()) is None
    made = await desk.facet.create(spec(quantity=2, duration_hours=3, name="flow-mine"))
    now = datetime.now(UTC)
    assert (made.context, made.reservation_id, made.name, made.region) == ("lab", "flow-mine", "flow-mine", "gpu")
    assert (made.status, made.instance_type, made.quantity) == (ReservationStatus.ACTIVE, "4xa100", 2)
    assert abs(made.start_time_utc - now) < timedelta(minutes=1)
    assert made.end_time_utc == made.start_time_utc + timedelta(hours=3)
    assert len(made.instances) == 2
    assert made.provider_metadata["users"] == (operator.name,)
    assert await desk.facet.get("flow-mine") == made
    assert await desk.facet.list({}) == (made,)
    job = await desk.submit(instance_type="4xa100", reservation_id="flow-mine")
    wait_until(lambda: show_job(accounted_cluster, job).startswith("RUNNING flow-mine "))
    assert show_job(accounted_cluster, job).split()[2] in made.instances
    await desk.facet.release("flow-mine")
    await desk.facet.release("flow-mine")
    released = await desk.facet.get("flow-mine")
    assert released.status is ReservationStatus.CANCELED
    assert await desk.facet.list({}) == (released,)
    assert await desk.facet.list({"status": "active"}) == ()
    assert show_job(accounted_cluster, job).startswith("RUNNING")
    wait_until(lambda: "ACTIVE" not in accounted_cluster.run("scontrol", "-o", "show", "res").replace("INACTIVE", ""))


async def test_a_name_can_be_used_again(desk: Desk, accounted_cluster: SlurmCluster) -> None:
    await desk.facet.create(spec(name="flow-again"))
    with pytest.raises(Conflict, match="with this name already") as refused:
        await desk.facet.create(spec(name="flow-again"))
    assert refused.value.field == "name"
    await desk.facet.release("flow-again")
    assert list_names(accounted_cluster) == []
    later = datetime.now(UTC) + timedelta(hours=2)
    again = await desk.facet.create(spec(name="flow-again", start_time_utc=later))
    assert (again.status, again.start_time_utc) == (ReservationStatus.SCHEDULED, later.replace(microsecond=0))
    await desk.facet.release("flow-again")


async def test_nodes_that_are_in_use_are_not_reserved(
    accounted_cluster: SlurmCluster, operator: User, desk: Desk
) -> None:
    accounted_cluster.drain("node3", "test")
    job = accounted_cluster.run(
        *("sbatch", "--parsable", "--nodelist=node2", "--time=60", "--wrap=sleep 600"), user=operator
    )
    wait_until(lambda: show_job(accounted_cluster, job).startswith("RUNNING"))
    with pytest.raises(
        CapacityError, match="can't be reserved now for 3 h: 1 of 2 in partition gpu are free"
    ) as refused:
        await desk.facet.create(spec(quantity=2, duration_hours=3))
    assert refused.value.field == "instance_type"
    slots = await desk.facet.availability({"instance_type": "4xa100"})
    assert [slot["quantity"] for slot in slots] == [1, 2]
    ends = datetime.fromisoformat(slots[0]["end_time"])
    assert timedelta(minutes=55) < ends - datetime.now(UTC) < timedelta(minutes=61)
    assert slots[1]["start_time"] == slots[0]["end_time"]
    assert await desk.facet.availability({"instance_type": "4xa100", "quantity": 3}) == ()
    assert await desk.facet.availability({"instance_type": "4xa100", "region": "mars"}) == ()
    one = await desk.facet.create(spec(instance_type="a100", quantity=3))
    assert (one.instances, one.instance_type, one.quantity) == (("node1",), "4xa100", 1)
    both = await desk.facet.create(spec(quantity=2, start_time_utc=ends + timedelta(minutes=1)))
    assert both.instances == ("node1", "node2")
    assert [made.reservation_id for made in await desk.facet.list({})] == [both.reservation_id, one.reservation_id]


async def test_a_reservation_that_can_not_be_made_leaves_nothing(desk: Desk, accounted_cluster: SlurmCluster) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    refusals: list[tuple[dict[str, Any], type[FlowError], str]] = [
        ({"instance_type": "8xa100"}, CapacityError, "instance_type"),
        ({"instance_type": "it_RrgkIZz6c9BZu5gi"}, ConfigError, "instance_type"),
        ({"region": "mars"}, ConfigError, "region"),
        ({"name": "x; rm -rf ~"}, ConfigError, "name"),
        ({"start_time_utc": past}, ConfigError, "start_time_utc"),
        ({"auto_renew": True}, Unsupported, "auto_renew"),
        ({"volumes": ["x"]}, Unsupported, "volumes"),
        ({"ssh_keys": ["x"]}, Unsupported, "ssh_keys"),
        ({"startup_script": "true"}, Unsupported, "startup_script"),
        ({"project_id": "x"}, Unsupported, "project_id"),
    ]
    for fields, error, field in refusals:
        with pytest.raises(error) as refused:
            await desk.facet.create(spec(**fields))
        assert refused.value.field == field
        assert str(refused.value).isprintable()
    assert list_names(accounted_cluster) == []
    for stranger in ("nobody", "x'; touch /tmp/x '\n", "\x1b[31m" * 50):
        for call in (desk.facet.get, desk.facet.release):
            with pytest.raises(NotFound) as unknown:
                await call(stranger)
            assert str(unknown.value).isprintable()


async def test_everybody_sees_reservations_and_only_an_operator_changes_them(
    cluster: SlurmCluster, user: User, make_desk: MakeDesk
) -> None:
    desk = make_desk(cluster, user)
    assert await desk.facet.list({}) == ()
    cluster.add_reservation("flow-seen", user, "node2", Flags="DAILY")
    (seen,) = await desk.facet.list({"region": ""})
    assert (seen.reservation_id, seen.status, seen.instances) == ("flow-seen", ReservationStatus.ACTIVE, ("node2",))
    assert seen.provider_metadata["repeats"]
    sentence = "only an operator of the cluster has the permission .* on login node 'lab'; ask its administrators"
    with pytest.raises(AuthError, match=sentence):
        await desk.facet.create(spec())
    with pytest.raises(AuthError, match=sentence):
        await desk.facet.release("flow-seen")
    assert (await desk.facet.get("flow-seen")).status is ReservationStatus.ACTIVE
    job = await desk.submit(instance_type="a100", reservation_id="flow-seen")
    wait_until(lambda: show_job(cluster, job) == "RUNNING flow-seen node2 gpu")
    end_job(cluster, user, job, "node2")


async def test_a_reservation_that_repeats_is_released_only_once_it_is_not_used(
    accounted_cluster: SlurmCluster, operator: User, desk: Desk
) -> None:
    accounted_cluster.add_reservation("flow-daily", operator, "node2", Flags="DAILY")
    job = await desk.submit(instance_type="a100", reservation_id="flow-daily")
    wait_until(lambda: show_job(accounted_cluster, job).startswith("RUNNING"))
    with pytest.raises(Conflict, match="tasks run in reservation flow-daily, which repeats"):
        await desk.facet.release("flow-daily")
    assert (await desk.facet.get("flow-daily")).status is ReservationStatus.ACTIVE
    end_job(accounted_cluster, operator, job, "node2")
    await desk.facet.release("flow-daily")
    assert list_names(accounted_cluster) == []


def test_the_exact_command_is_described(desk: Desk) -> None:
    start = datetime(2031, 1, 2, 3, 4, tzinfo=UTC)
    described = desk.facet.describe_create(spec(name="mine", quantity=2, region="gpu", start_time_utc=start))
    assert described == (
        "scontrol create reservation ReservationName=mine StartTime=2031-01-02T03:04:00 Duration=60"
        " Nodes=<nodes with 2 x 4xa100> PartitionName=gpu Users=<you>"
    )
    assert desk.facet.describe_release("mine") == "scontrol delete ReservationName=mine; tasks in it go on"
    for text in (desk.facet.describe_create(spec(region="\x1b[31m")), desk.facet.describe_release("\x1b' x")):
        assert text.isprintable()


async def test_a_controller_that_is_down_changes_nothing(
    cluster: SlurmCluster, user: User, make_desk: MakeDesk
) -> None:
    desk = make_desk(cluster, user)
    cluster.stop_controller()
    for call in (desk.facet.list({}), desk.facet.create(spec()), desk.facet.availability({"instance_type": "a100"})):
        with pytest.raises(Unreachable, match="slurmctld"):
            await call
