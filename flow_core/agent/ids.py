"""The ids of tasks, volumes and reservations, and the names of volumes."""

from __future__ import annotations

import re

# The patterns are strings: `re` compiles each on its first use, and many processes use none of them.
TASK_ID = r"task_[a-z2-7]{10}"
RESERVATION_ID = r"res_[a-z2-7]{10}"
_VOLUME_ID = r"vol_[a-z2-7]{10}"
_VOLUME_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"


def is_task_id(text: str) -> bool:
    return re.fullmatch(TASK_ID, text) is not None


def is_volume_id(text: str) -> bool:
    return re.fullmatch(_VOLUME_ID, text) is not None


def is_reservation_id(text: str) -> bool:
    return re.fullmatch(RESERVATION_ID, text) is not None


def is_volume_name(text: str) -> bool:
    """Returns whether the name is one plain word, which is safe in a path and in a list of volumes."""
    return re.fullmatch(_VOLUME_NAME, text) is not None


def check_task_id(text: str) -> str:
    """Returns the id. Raises ValueError."""
    if not is_task_id(text):
        raise ValueError("task_id must be the id of a task")
    return text


def check_volume_id(text: str) -> str:
    """Returns the id. Raises ValueError."""
    if not is_volume_id(text):
        raise ValueError("volume_id must be the id of a volume")
    return text


def check_reservation_id(text: str) -> str:
    """Returns the id. Raises ValueError."""
    if not is_reservation_id(text):
        raise ValueError("its id is none that a reservation can have")
    return text
