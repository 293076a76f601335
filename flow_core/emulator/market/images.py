"""What machines boot from. INVENTED: the platform's images are not published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core.emulator.http.checking import Query, query_of
from flow_core.emulator.http.messages import Answer, Request, answer
from flow_core.emulator.http.router import Routes
from flow_core.emulator.market.catalog import REGION_NAMES

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()
DEFAULT_IMAGE = "imgver_Ub2204Cuda12x8Aa"


def _image(fid: str, name: str, stable: bool, driver: str | None, cuda: str | None) -> dict[str, Any]:
    return {
        "image_version_fid": fid,
        "image_version_name": name,
        "os": "Ubuntu 22.04",
        "kernel": "6.8.0",
        "stable": stable,
        "supported_regions": sorted(REGION_NAMES),
        "deactivated_at": None,
        "nvidia_driver": driver,
        "cuda": cuda,
        "cuda_toolkit": cuda,
        "nvidia_container_toolkit": "1.17.8" if driver else None,
        "packages": None,
    }


IMAGES = (
    _image(DEFAULT_IMAGE, "ubuntu-22.04-cuda-12.8", True, "570.133.20", "12.8"),
    _image("imgver_Ub2204Cuda13x0Bb", "ubuntu-22.04-cuda-13.0", False, "580.65.06", "13.0"),
)
CPU_IMAGES = (_image("imgver_Ub2204CpuOnlyCc0", "ubuntu-22.04-cpu", True, None, None),)
IMAGE_FIDS = frozenset(image["image_version_fid"] for image in IMAGES)


class OfRegion(Query):
    region: str


@routes.get("/v2/image-versions")
async def get_images(world: World, request: Request) -> Answer:
    return answer(IMAGES)


@routes.get("/v2/mcc-image-versions")
async def get_cpu_images(world: World, request: Request) -> Answer:
    region = query_of(request, OfRegion).region
    return answer([image for image in CPU_IMAGES if region in image["supported_regions"]])
