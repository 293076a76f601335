"""The interface between the API and its machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class MachineVolume:
    """A volume of a machine. Its bytes outlive the machine."""

    fid: str
    name: str
    size_gb: int
    interface: Literal["Block", "File"]


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One machine of a bid or a reservation. `index` counts from 0 within `private_ips`, those of all its machines.

    `gpu_type` is the platform's name, such as H100.
    """

    instance_fid: str
    order_fid: str
    name: str
    index: int
    private_ips: tuple[str, ...]
    startup_script: str | None
    public_keys: tuple[str, ...]
    volumes: tuple[MachineVolume, ...]
    gpu_type: str = ""
    gpu_count: int = 0


class NodeFleet(Protocol):
    """The machines of one emulator. Its coroutines belong to one event loop; none takes long."""

    @property
    def ssh_port(self) -> int:
        """A port of loopback that leads to the newest machine that takes the client's key."""

    async def start(self) -> None:
        """Lets that port answer. Calling it again is safe. Raises OSError."""

    async def limitations(self) -> str:
        """Returns what machines can't do on this system and why, as a sentence; "" if they can do everything."""

    async def boot(self, spec: NodeSpec) -> int:
        """Starts a machine; again, if it was halted with its disk kept. The startup script runs on the first boot only.

        Returns its own SSH port on loopback, which answers from now on, for any user with one of the keys.
        Raises ProviderError, OSError.
        """

    async def warn(self, instance_fid: str, signal: str | None) -> None:
        """Writes a text to /opt/mithril/MITHRIL_SIGNAL.yml, or removes it. Does nothing for an unknown machine."""

    async def halt(self, instance_fid: str, *, keeps_disk: bool) -> None:
        """Ends every process and session on a machine. Calling it again is safe."""

    async def delete_volume(self, volume_fid: str) -> None:
        """Deletes a volume's bytes. Calling it again is safe."""

    async def close(self) -> None:
        """Halts everything and deletes all files. Calling it again is safe."""
