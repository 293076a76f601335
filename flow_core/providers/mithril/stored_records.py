"""Finds the records that are stored on this machine for bids of a list, most of which may have none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_FEW = 20


def find_stored(folder: Path, bid_ids: Sequence[str]) -> Sequence[str]:
    """Returns those of the bids that may have a record in this folder, by listing it once. Few bids aren't worth it.

    Returns all if the folder can't be listed: reading each record then gives the reason.
    """
    if len(bid_ids) <= _FEW:
        return bid_ids
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        return ()
    except OSError:
        return bid_ids
    return [bid_id for bid_id in bid_ids if f"{bid_id}.json" in names]
