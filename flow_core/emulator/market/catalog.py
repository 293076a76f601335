"""Instance types, regions, images, quotas. Names, ids and regions are the platform's; the rest is marked INVENTED."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class InstanceTypeRow:
    fid: str
    name: str
    gpu_type: str
    num_gpus: int
    gpu_memory_gb: int
    gpu_socket: str

    def as_json(self) -> dict[str, Any]:
        per_gpu = _MACHINES[self.gpu_type]
        is_whole = self.num_gpus == 8
        return {
            "fid": self.fid,
            "name": self.name,
            "num_cpus": per_gpu.cpus * self.num_gpus,
            "cpu_type": per_gpu.cpu_type,
            "ram_gb": per_gpu.ram_gb * self.num_gpus,
            "num_gpus": self.num_gpus,
            "gpu_type": self.gpu_type,
            "gpu_memory_gb": self.gpu_memory_gb,
            "gpu_socket": self.gpu_socket,
            "local_storage_gb": per_gpu.storage_gb * self.num_gpus,
            "network_type": "InfiniBand" if is_whole and per_gpu.has_infiniband else None,
            "ib_count": 8 if is_whole and per_gpu.has_infiniband else 0,
            "bridge_count": 4 if is_whole and per_gpu.has_infiniband else 0,
        }


@dataclass(frozen=True, slots=True)
class Region:
    name: str
    has_file_shares: bool


@dataclass(frozen=True, slots=True)
class Offering:
    """An instance type in a region: its capacity at the start, and its usual price per hour."""

    instance_type: str
    region: str
    capacity: int
    price_cents: int
    has_adjustable_memory: bool = False

    @property
    def minimum_cents(self) -> int:
        return self.price_cents // 4

    @property
    def reserved_cents(self) -> int:
        return self.price_cents * 3 // 2


@dataclass(frozen=True, slots=True)
class _Machine:
    cpus: int
    ram_gb: int
    storage_gb: int
    cpu_type: str
    has_infiniband: bool


# INVENTED, except the H100's row, which is the description's example: the hardware of a machine for each GPU.
_MACHINES = {
    "A100": _Machine(28, 220, 900, "AMD", True),
    "H100": _Machine(24, 225, 975, "Intel", True),
    "H200": _Machine(24, 250, 975, "Intel", True),
    "B200": _Machine(29, 240, 950, "Intel", True),
    "v6e": _Machine(22, 90, 200, "AMD", False),
}

INSTANCE_TYPES = (
    InstanceTypeRow("it_RrgkIZz6c9BZu5gi", "a100-80gb.sxm.1x", "A100", 1, 80, "SXM4"),
    InstanceTypeRow("it_TiAPxzKNi4xO0IAr", "a100-80gb.sxm.2x", "A100", 2, 80, "SXM4"),
    InstanceTypeRow("it_4TugeYWOov5FllEf", "a100-80gb.sxm.4x", "A100", 4, 80, "SXM4"),
    InstanceTypeRow("it_Sg1nDx1I8NFep60J", "a100-80gb.sxm.8x", "A100", 8, 80, "SXM4"),
    InstanceTypeRow("it_5ECSoHQjLBzrp5YM", "h100-80gb.sxm.8x", "H100", 8, 80, "SXM5"),
    InstanceTypeRow("it_XqgKWbhZ5gznAYsG", "h100-80gb.sxm.8x", "H100", 8, 80, "SXM5"),
    InstanceTypeRow("it_7RHoQUztab9lU9Ne", "h200.8x", "H200", 8, 141, "SXM5"),
    InstanceTypeRow("it_q0o0UtmD4bgy36kb", "neb-b200.sxm.8x", "B200", 8, 192, "SXM6"),
    InstanceTypeRow("it_tcjiKnwIK0jX21t3", "b200-192gb.1x", "B200", 1, 192, "SXM6"),
    InstanceTypeRow("it_WCJ0NkfuADQ7yexV", "b200-192gb.2x", "B200", 2, 192, "SXM6"),
    InstanceTypeRow("it_OS38SJAdsS1l6QFU", "b200-192gb.4x", "B200", 4, 192, "SXM6"),
    InstanceTypeRow("it_nFEHySv5IMnHKbKi", "b200-192gb.8x", "B200", 8, 192, "SXM6"),
    InstanceTypeRow("it_iBJ0PZl0NszKMxPu", "v6e-1", "v6e", 1, 32, ""),
    InstanceTypeRow("it_tGQ0hu1bV2rY2fEO", "v6e-4", "v6e", 4, 32, ""),
    InstanceTypeRow("it_2vblKKB0L8sRG8K7", "v6e-8", "v6e", 8, 32, ""),
)

# INVENTED: which regions have file shares.
REGIONS = (
    Region("us-central1-a", True),
    Region("us-central1-b", True),
    Region("us-central2-a", False),
    Region("us-central5-a", True),
    Region("eu-central1-a", True),
    Region("eu-central1-b", False),
    Region("me-central1-a", False),
)

# INVENTED: the offered types of each region, their number, and their price.
OFFERINGS = (
    Offering("it_RrgkIZz6c9BZu5gi", "us-central1-a", 24, 140),
    Offering("it_RrgkIZz6c9BZu5gi", "us-central5-a", 16, 130),
    Offering("it_TiAPxzKNi4xO0IAr", "us-central1-a", 12, 280),
    Offering("it_4TugeYWOov5FllEf", "us-central1-a", 8, 560),
    Offering("it_Sg1nDx1I8NFep60J", "us-central1-a", 10, 1120),
    Offering("it_Sg1nDx1I8NFep60J", "us-central1-b", 6, 1080),
    Offering("it_5ECSoHQjLBzrp5YM", "us-central1-a", 8, 1760),
    Offering("it_5ECSoHQjLBzrp5YM", "us-central5-a", 20, 1680),
    Offering("it_XqgKWbhZ5gznAYsG", "eu-central1-b", 6, 1840),
    Offering("it_7RHoQUztab9lU9Ne", "us-central1-a", 4, 2480),
    Offering("it_7RHoQUztab9lU9Ne", "us-central1-b", 4, 2400),
    Offering("it_q0o0UtmD4bgy36kb", "me-central1-a", 4, 3360),
    Offering("it_tcjiKnwIK0jX21t3", "us-central2-a", 8, 440, True),
    Offering("it_WCJ0NkfuADQ7yexV", "us-central2-a", 6, 880, True),
    Offering("it_OS38SJAdsS1l6QFU", "us-central2-a", 4, 1760, True),
    Offering("it_nFEHySv5IMnHKbKi", "us-central2-a", 4, 3520),
    Offering("it_nFEHySv5IMnHKbKi", "eu-central1-a", 2, 3600),
    Offering("it_iBJ0PZl0NszKMxPu", "us-central5-a", 16, 135),
    Offering("it_tGQ0hu1bV2rY2fEO", "us-central5-a", 8, 540),
    Offering("it_2vblKKB0L8sRG8K7", "us-central5-a", 4, 1080),
)

TYPES_BY_FID = {kind.fid: kind for kind in INSTANCE_TYPES}
REGION_NAMES = frozenset(region.name for region in REGIONS)

SPOT, RESERVATIONS, STORAGE = "Spot", "Reservations", "Storage"
DEFAULT_QUOTAS = {SPOT: 64, RESERVATIONS: 32, STORAGE: 200_000}  # INVENTED

# INVENTED: the images that machines boot from.
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
