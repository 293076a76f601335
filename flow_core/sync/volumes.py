"""Volumes, for blocking code."""

from __future__ import annotations

from flow_core.client.volumes import AsyncVolumeResource
from flow_core.sync.twin import BlockingTwin, make_blocking


class VolumeResource(BlockingTwin[AsyncVolumeResource]):
    """The volumes of one context. Every call accepts the name of a volume in place of its id."""

    create = make_blocking(AsyncVolumeResource.create)
    delete = make_blocking(AsyncVolumeResource.delete)
    attach = make_blocking(AsyncVolumeResource.attach)
    mount = make_blocking(AsyncVolumeResource.mount)
    list = make_blocking(AsyncVolumeResource.list)
