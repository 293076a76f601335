"""Volumes that the agent of a machine tells of, as models."""

from __future__ import annotations

from flow_core.agent import volumes
from flow_core.agent.record_fields import date_of
from flow_core.models.volume import Volume


def volume_of(told: volumes.Volume, context: str) -> Volume:
    return Volume(
        context=context,
        volume_id=told.volume_id,
        name=told.name,
        size_gb=told.size_gb,
        interface="file" if told.interface == "file" else "block",
        region=told.region,
        attached_to=told.attached_to,
        created_at=date_of(told.created_at),
        status="attached" if told.attached_to else "available",
        path=told.path,
        provider_metadata={"path": told.path},
    )
