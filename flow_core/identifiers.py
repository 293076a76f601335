"""Identifiers that come from outside: one check for each kind. Each is made where the identifier enters the program."""

from __future__ import annotations

import re

_CLOUD_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")
_TASK_ID = re.compile(r"task_[a-z2-7]{10}")
_VOLUME_ID = re.compile(r"vol_[a-z2-7]{10}")
_VOLUME_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

_IMAGE_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_IMAGE_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_IMAGE_HOST}/)?{_IMAGE_PART}(?:/{_IMAGE_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,})?"
)
_IMAGE_CHARACTERS_MAX = 512


def is_image_reference(text: str) -> bool:
    """Whether it names a container image as docker and podman write it; it is then no option of theirs."""
    return len(text) <= _IMAGE_CHARACTERS_MAX and _IMAGE.fullmatch(text) is not None


def is_cloud_id(text: str) -> bool:
    """Whether it can be an id of the cloud's API, and is safe in a path, an address, a list and known_hosts."""
    return _CLOUD_ID.fullmatch(text) is not None


def is_bid_id(text: str) -> bool:
    """Whether it can be the id of a bid, which is also the id of its task."""
    return text.startswith("bid_") and is_cloud_id(text)


def is_task_id(text: str) -> bool:
    """Whether it can be the id of a task of this machine or of a host."""
    return _TASK_ID.fullmatch(text) is not None


def is_volume_id(text: str) -> bool:
    """Whether it can be the id of a volume of this machine or of a host."""
    return _VOLUME_ID.fullmatch(text) is not None


def is_volume_label(text: str) -> bool:
    """Whether the name of a volume is one plain word, as a list of volumes and a path hold it."""
    return _VOLUME_LABEL.fullmatch(text) is not None
