"""What tasks over SSH have in common with local ones: the machine's capacity, its ports, a terminal, images."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from testbed.hosts_lab import Lab, ended, running, submit, until
from testbed.waiting import until as until_true

from flow_core.agent.calls import CONTEXT
from flow_core.agent.locks import exclusive_lock
from flow_core.config import Context
from flow_core.errors import ConfigError, Conflict, NotFound, Unsupported
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider
from flow_core.providers.over_ssh.code_folder import find_code

pytestmark = pytest.mark.needs("sshd")


async def test_local_tasks_and_tasks_over_ssh_share_gpus_ports_and_reservations(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = lab.start()
    monkeypatch.setenv("FLOW_STATE_DIR", str(lab.servers[0].home / ".local/state/flow"))
    here = LocalProvider(Context("mine", "local", {"gpus": "a100:2"}))
    port = free_port()
    local = TaskConfig.parse({"command": "sleep 600", "instance_type": "a100", "ports": [port]})
    holder = await here.submit(local)
    await until_true(lambda: _runs(here, holder.task_id))
    with pytest.raises(Conflict, match=f"^ports: port {port} is reserved by task {holder.task_id} of context 'mine' "):
        await submit(far, "true", ports=[port])
    both = await submit(far, "sleep 600", instance_type="a100:2")
    both = await until(far, both, lambda now: now.message == "waiting for 2 x a100: 1 of 2 free")
    await here.cancel_task(holder.task_id, force=True)
    await running(far, both)
    behind = await here.submit(TaskConfig.parse({"command": "true", "instance_type": "a100"}))
    with pytest.raises(NotFound):
        await far.get_task(behind.task_id)  # it belongs to a local context
    await far.cancel_task(both.task_id, force=True)
    await until_true(lambda: _is_over(here, behind.task_id))
    kept = await here.reservations.create(ReservationSpec(instance_type="a100:2"))
    assert [one.reservation_id for one in await far.reservations.list({})] == [kept.reservation_id]
    task = await submit(far, "true", instance_type="a100", reservation_id=kept.reservation_id)
    assert (await ended(far, task)).provider_metadata["reservation"] == kept.reservation_id
    server = await running(far, await submit(far, "sleep 600", ports=[port]))
    with pytest.raises(
        Conflict, match=rf"^ports: port {port} is reserved by task {server.task_id} that came over SSH \("
    ):
        await here.submit(local)
    await here.close()


async def test_a_port_goes_to_one_task_of_a_machine_and_only_if_nothing_listens_on_it(lab: Lab) -> None:
    provider = lab.start()
    port = free_port()
    first = await running(provider, await submit(provider, "sleep 600", ports=[port]))
    said = rf"^ports: port {port} is reserved by task {first.task_id} of context 'lab' \(running\); end it, or choose"
    with pytest.raises(Conflict, match=said):
        await submit(provider, "true", ports=[port])
    await provider.cancel_task(first.task_id, force=True)
    await ended(provider, first)
    assert (await ended(provider, await submit(provider, "true", ports=[port]))).status is TaskStatus.COMPLETED
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(Conflict, match=f"^ports: .* listens on port {port}; "),
    ):
        await submit(provider, "true", ports=[port])


async def test_a_task_may_have_a_terminal(lab: Lab) -> None:
    provider = lab.start()
    task = await ended(provider, await submit(provider, "[ -t 0 ] && [ -t 1 ] && echo out; echo err >&2", tty=True))
    assert lab.log(task) == b"out\nerr\n"


async def test_a_relative_working_dir_is_a_folder_of_the_uploaded_code(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = lab.start()
    (tmp_path / "code" / "inner").mkdir(parents=True)
    (tmp_path / "code" / "inner" / "said").write_text("inside\n")
    monkeypatch.chdir(tmp_path / "code")
    for wanted in ("inner", "/workspace/inner"):
        task = await submit(provider, "cat said", upload_code=True, working_dir=wanted)
        await ended(provider, task)
        assert lab.log(task) == b"inside\n"
    with_image = TaskConfig.parse({"command": "true", "image": "ubuntu", "working_dir": "/etc"})
    assert find_code(with_image) == tmp_path / "code"
    assert find_code(TaskConfig.parse({"command": "true", "working_dir": "~/there"})) is None


async def test_a_task_on_two_machines_can_not_have_a_volume(lab: Lab) -> None:
    provider = lab.start(2)
    await provider.volumes.create(1, "data", "file", "one")
    mounts = [{"source": "volume://data", "target": "/d"}]
    with pytest.raises(Unsupported, match=r"^volumes: a volume is on one machine; "):
        await submit(provider, "true", num_instances=2, data_mounts=mounts)


async def test_settings_that_fit_no_image_are_refused_before_anything_is_sent(lab: Lab, tmp_path: Path) -> None:
    lab.start()
    with pytest.raises(ConfigError, match=r"^working_dir: 'here' must be a path inside the image, starting with /$"):
        await submit(lab.open(), "true", image="ubuntu", working_dir="here")
    odd = lab.open(Context("lab", "hosts", {**lab.context.settings, "container": "lxc"}))
    with pytest.raises(ConfigError, match=r"^container: 'lxc' is neither podman nor docker$"):
        await submit(odd, "true", image="ubuntu")


async def test_the_refusal_names_a_machine_without_a_container_engine(lab: Lab, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "bash", "uname", "cat", "sleep", "kill", "python3"):
        (programs / name).symlink_to(
            next(path for path in (Path("/usr/bin", name), Path("/bin", name)) if path.exists())
        )
    provider = lab.start(env={"PATH": str(programs)})
    said = "^image: a container needs podman or docker on 'one', and podman is not on PATH, docker is not on PATH; "
    with pytest.raises(Unsupported, match=said):
        await submit(provider, "true", image="ubuntu")
    assert await provider.list_tasks() == ()


async def test_a_submit_that_is_cancelled_half_way_leaves_nothing_on_either_machine(lab: Lab) -> None:
    provider = lab.start(2)
    await provider.list_tasks()
    with exclusive_lock(lab.root(1) / "contexts" / CONTEXT / "volumes" / ".lock"):
        going = asyncio.create_task(submit(provider, "true", num_instances=2, instance_type="a100"))
        await until_true(lambda: list(lab.tasks(0).glob("task_*/spec.json")))
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert not list(lab.tasks(0).glob("task_*"))
    last = await submit(provider, "true", region="two")  # after the call that waited for the same lock
    assert (await ended(provider, last)).status is TaskStatus.COMPLETED
    assert [task.task_id for task in await provider.list_tasks()] == [last.task_id]


async def _runs(provider: LocalProvider, task_id: str) -> bool:
    return (await provider.get_task(task_id)).is_running


async def _is_over(provider: LocalProvider, task_id: str) -> bool:
    return (await provider.get_task(task_id)).is_terminal


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
