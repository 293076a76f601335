"""Short requests of scripts: refused with a suggestion, or completed from defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.mithril_account import CloudLab, public_key
from testbed.waiting import until

from flow_core import AsyncFlow
from flow_core.config import Context
from flow_core.errors import ConfigError, Unsupported
from flow_core.providers.mithril import deferred_actions

CHEAPEST = r'is missing; the cheapest that fits is instance_type="\w+", for \$\d+\.\d\d/h now in \S+'


async def test_many_submits_at_once_have_names_of_their_own(lab: CloudLab, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    tasks = [await lab.flow.submit("true", instance_type="8xh100") for _ in range(5)]
    assert len({task.name for task in tasks}) == 5
    assert (await lab.flow.submit("true", instance_type="8xh100", name="mine")).name == "mine"
    assert (await lab.flow.run("true", instance_type="8xh100", name="other")).name.startswith("other-")


async def test_a_task_without_a_type_is_refused_with_what_to_write_and_what_it_costs(lab: CloudLab) -> None:
    for ask in (lab.flow.submit("true"), lab.flow.run("true"), lab.flow.dev_context().ensure_started()):
        with pytest.raises(ConfigError, match=CHEAPEST) as refused:
            await ask
        assert refused.value.field == "instance_type"
    assert "dev_context().start(instance_type=...)" in str(refused.value)
    named = str(refused.value).split('"')[1]
    found = await lab.flow.find_instances({"instance_type": named, "region": "us-central1-a"})
    assert f"${found[0].price_per_hour:.2f}" in str(refused.value)
    assert lab.bids == []


async def test_a_gpu_offered_only_in_other_sizes_is_refused_with_their_names(lab: CloudLab) -> None:
    with pytest.raises(ConfigError, match=r"h100 is offered only as 8xh100; did you mean 8xh100\?"):
        await lab.flow.submit("true", gpu="h100")
    with pytest.raises(ConfigError, match=r"a100 is offered only as 1xa100.*; did you mean 1xa100\?"):
        await lab.flow.run("true", instance_type="3xa100")
    assert lab.bids == []


async def test_so_many_gpus_are_asked_for_in_the_sizes_that_are_offered(lab: CloudLab) -> None:
    assert await lab.flow.normalize_instance_request(16, "h100") == ("8xh100", 2, None)
    kind, count, warning = await lab.flow.normalize_instance_request(3, "h100")
    assert (kind, count) == ("8xh100", 1)
    assert warning == "h100 is offered only as 8xh100: this is 8 GPUs for 3"
    kind, count, warning = await lab.flow.normalize_instance_request(3, "tpu-v9")
    assert (kind, count, warning) == ("1xtpu-v9", 3, "tpu-v9 is not offered now")


async def test_a_task_without_a_region_goes_to_the_region_of_its_volume(lab: CloudLab) -> None:
    flow = AsyncFlow(Context("cloud", "mithril", {**lab.context.settings, "region": ""}))
    offers = await flow.find_instances({"instance_type": "8xh100"}, limit=100)
    far = offers[-1].region
    assert far != offers[0].region
    await flow.create_volume(1, "data", region=far)
    await flow.create_volume(1, "more", region=far)
    volume = {"name": "data", "mount_path": "/data"}
    task = await flow.run("true", instance_type="8xh100", upload_code=False, volumes=[volume])
    assert task.region == far
    mounted = await flow.run("true", instance_type="8xh100", upload_code=False, mounts={"/x": "volume://more"})
    assert mounted.region == far
    await flow.create_volume(1, "other", region=offers[0].region)
    with pytest.raises(ConfigError, match=rf"a task has one region, and its volumes are .* in {far}"):
        await flow.run("true", instance_type="8xh100", volumes=[volume, {"name": "other", "mount_path": "/other"}])
    await flow.close()


async def test_the_default_key_is_the_one_kept_from_a_launch(lab: CloudLab, home: Path) -> None:
    (home / ".ssh/id_ed25519.pub").unlink()
    await lab.submit()
    (kept,) = [path.name for path in home.rglob("keys/sshkey_*")]
    assert await lab.flow.ensure_default_ssh_key() == kept
    (home / ".ssh" / "id_ed25519.pub").write_text(public_key("mine") + "\n")
    assert await lab.flow.ensure_default_ssh_key() == kept


async def test_the_owner_of_a_task_can_be_looked_up(lab: CloudLab) -> None:
    task = await lab.submit()
    user = await lab.flow.get_user(task.created_by)
    assert user is not None
    assert (user.user_id, user.name) == (lab.cloud.world.me.fid, "ada")
    assert await task.get_user() == user
    assert await (await task.refresh()).get_user() == user


async def test_an_unknown_reservation_is_none(lab: CloudLab) -> None:
    assert await lab.flow.get_reservation("res_none") is None


async def test_a_mount_that_is_pending_when_its_task_is_cancelled_says_nothing(
    lab: CloudLab, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred_actions, "_POLL_S", 0.02)
    task = await lab.submit()
    await lab.flow.create_volume(1, "datasets", region="us-central1-a")
    await lab.flow.mount_volume("datasets", task.task_id)
    mounts = lab.flow.provider_port()._deferred._under_way  # type: ignore[attr-defined]
    assert mounts
    await task.cancel()
    await until(lambda: not mounts)
    assert "mounting" not in caplog.text


async def test_a_log_of_one_stream_is_refused_since_the_cloud_keeps_one_log_for_both(lab: CloudLab) -> None:
    task = await lab.submit()
    for streams in ({"stderr": True}, {"stream": "stderr"}, {"source": "stdout"}):
        with pytest.raises(Unsupported, match="keeps what a task writes to stdout and stderr in one log"):
            await lab.flow.logs(task.task_id, **streams)  # type: ignore[call-overload]
