"""Converts an agent's reports of volumes to models."""

from __future__ import annotations

from flow_core.agent import volumes
from flow_core.agent.utc_time import to_utc_datetime
from flow_core.models.volume import Volume


def to_volume(report: volumes.StoredVolume, context: str) -> Volume:
    """Converts the report of a volume."""
    return Volume(
        context=context,
        volume_id=report.volume_id,
        name=report.name,
        size_gb=report.size_gb,
        interface="file" if report.interface == "file" else "block",
        region=report.region,
        attached_to=report.attached_to,
        created_at=to_utc_datetime(report.created_at),
        status="attached" if report.attached_to else "available",
        path=report.path,
        provider_metadata={"path": report.path},
    )
