"""Converts what scontrol prints when it refuses a change to a reservation to an error for the user."""

from __future__ import annotations

import re

from flow_core.errors import AuthError, CapacityError, ConfigError, Conflict, FlowError, NotFound, ProviderError
from flow_core.providers.slurm.slurm_errors import build_slurm_error, read_first_error

_NO_PERMISSION = re.compile("permission denied|Invalid user id", re.IGNORECASE)
"""The second one is that of clusters without accounting."""


def build_reservation_refusal(stderr: bytes, title: str) -> FlowError:
    """Returns the error for what scontrol printed. The texts are those of Slurm 22.05 to 25.11."""
    text = stderr.decode("utf-8", "replace")
    if _NO_PERMISSION.search(text):
        return AuthError(
            f"only an operator of the cluster has the permission to make and release reservations on {title}; ask its"
            " administrators"
        )
    for pattern, kind, sentence, field in _REFUSALS:
        if re.search(pattern, text, re.IGNORECASE):
            return kind(sentence, field=field)
    error, line = build_slurm_error(stderr, title), read_first_error(text)
    return ProviderError(f"Slurm refused the reservation: {line}") if type(error) is ProviderError and line else error


_REFUSALS: tuple[tuple[str, type[FlowError], str, str | None], ...] = (
    ("Requested reservation is in use", Conflict, "tasks run in this reservation", None),
    ("Requested reservation is invalid", NotFound, "there is no such reservation any more", None),
    (
        "Duplicate reservation name|reservation name .*exists",
        Conflict,
        "name: there is a reservation with this name already; choose another one",
        "name",
    ),
    (
        "nodes are busy|overlaps with another reservation|Requested node.* not available",
        CapacityError,
        "the nodes were taken in the meantime; try again, or choose another time",
        None,
    ),
    (
        "Invalid time|Invalid start time",
        ConfigError,
        "start_time_utc: Slurm doesn't accept this time; choose a later one",
        "start_time_utc",
    ),
    ("Invalid partition", ConfigError, "region: Slurm doesn't know this partition", "region"),
)
