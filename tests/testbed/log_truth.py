"""Logs read the plain way, to hold the clever ways to."""

from __future__ import annotations

from flow_core.agent.spool import RECORD, STDOUT, SpoolFiles, Stamp
from flow_core.logs.sidecar import SidecarIndex


def all_stamps(files: SpoolFiles) -> list[Stamp]:
    """Every whole record of a sidecar."""
    data = files.sidecar.read_bytes()
    whole = data[: len(data) - len(data) % RECORD.size]
    return [Stamp(offset, packed & 1, packed >> 1) for offset, packed in RECORD.iter_unpack(whole)]


def get_stream(stamps: SidecarIndex, offset: int) -> int:
    """The stream of a byte; stdout without a record."""
    stamp = stamps.find_stamp(offset)
    return STDOUT if stamp is None else stamp.stream
