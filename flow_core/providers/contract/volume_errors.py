"""Errors with the names of the tasks that use a volume."""

from __future__ import annotations

from collections.abc import Sequence

from flow_core.errors import Conflict


def block_volume_in_use_error(volume: str, tasks: Sequence[str]) -> Conflict:
    """Returns the error for a second task of a block volume. `tasks` are names, or ids if no name is known."""
    return Conflict(
        f"{volume!r} is in use by {', '.join(tasks) or 'another task'}. A block volume serves one task at a time: "
        "wait for it, or use a file volume."
    )


def volume_not_deleted_error(volume: str, tasks: Sequence[str]) -> Conflict:
    """Returns the error for deleting a volume that an unfinished task uses."""
    return Conflict(f"{volume!r} is in use by {', '.join(tasks) or 'a task'}. End that first, then delete the volume.")
