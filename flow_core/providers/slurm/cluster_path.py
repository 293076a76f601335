"""Paths on the cluster, in a script for sh."""

from __future__ import annotations

from flow_core.ssh.quoting import quote_word


def quote_path(path: str) -> str:
    """Quotes a path for sh. Only `~` or `~/` at its start is expanded, to the home there."""
    if path == "~":
        return '"$HOME"'
    return f'"$HOME"/{quote_word(path[2:])}' if path.startswith("~/") else quote_word(path)
