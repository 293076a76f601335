"""Checks for ids of the cloud and for image references, to apply to input of the program.

`agent.ids` has the checks for the ids that this project creates.
"""

from __future__ import annotations

import re

_CLOUD_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")

_IMAGE_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_IMAGE_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_IMAGE_HOST}/)?{_IMAGE_PART}(?:/{_IMAGE_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,})?"
)
_IMAGE_CHARACTERS_MAX = 512


def is_image_reference(text: str) -> bool:
    """Returns whether the text is an image reference of docker and podman, which can't be one of their options."""
    return len(text) <= _IMAGE_CHARACTERS_MAX and _IMAGE.fullmatch(text) is not None


def is_cloud_id(text: str) -> bool:
    """Returns whether the text can be an id of the cloud's API, which is safe in paths, URLs, lists and known_hosts."""
    return _CLOUD_ID.fullmatch(text) is not None


def is_bid_id(text: str) -> bool:
    """Returns whether the text can be the id of a bid, which is also the id of its task."""
    return text.startswith("bid_") and is_cloud_id(text)
