"""GPUs and volumes that are refused, and the names of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_core.errors import CapacityError, ConfigError, Conflict
from flow_core.gpu_matching import Gpu
from flow_core.gpu_shorthand import parse_gpu
from flow_core.providers.local.capacity.gpus import find_gpus


async def test_more_than_there_is_is_refused_at_once(machine):
    with pytest.raises(CapacityError, match="2 x a100"):
        await machine.submit("true", instance_type="a100:3")
    with pytest.raises(CapacityError):
        await machine.submit("true", instance_type="h100")
    assert await machine.provider.list_tasks() == ()


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [("a100", True), ("a100-80gb", True), ("a100-40gb", True), ("a10", False), ("h100", False), ("gpu:81gb", True)],
)
def test_a_driver_name_is_matched_by_what_people_write(wanted, fits):
    gpu = Gpu("GPU-1", "NVIDIA A100-SXM4-80GB", 80, "GPU-1", True)
    assert gpu.fits(parse_gpu(wanted)) is fits
    assert gpu.short_model == "a100"


def test_a_pretend_gpu_needs_a_model(monkeypatch):
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "cpu")
    with pytest.raises(ConfigError):
        find_gpus()


@pytest.mark.parametrize(("size", "name"), [(-1, "abc"), (0, "abc"), (20000, "abc"), (1, "A"), (1, "../x")])
async def test_a_volume_that_cannot_be_is_refused(machine, size, name):
    with pytest.raises(ConfigError):
        await machine.provider.volumes.create(size, name, "block", None)


async def test_a_volume_name_is_taken_once_and_deletion_follows_no_link(machine, tmp_path):
    volume = await machine.provider.volumes.create(1, "data", "block", None)
    with pytest.raises(Conflict):
        await machine.provider.volumes.create(1, "data", "file", None)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (Path(volume.provider_metadata["path"]) / "link").symlink_to(outside)
    await machine.provider.volumes.delete("data")
    assert (outside / "precious").exists()
