"""Lists the recorded shells and plays the chosen one."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from flow_core.config import state_dir
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.key_names import spell_key
from flow_tui.screens.replay import open_replay
from flow_tui.services import Services
from flow_tui.terminal.cast_reader import read_cast_title

_LISTED = 500


async def play(services: Services) -> None:
    """Lists the recordings, and plays the one that the user chooses."""
    found = await list_recordings()
    if not found:
        key = spell_key(services.release_key)
        services.notify(f"nothing is recorded yet; {key} r in a shell starts a recording")
        return
    chosen = await services.ask(Pick("Recordings", found))
    if chosen is not None:
        await services.ask(await open_replay(Path(chosen)))


async def list_recordings() -> list[PickOption]:
    """Returns the recordings in the state directory, newest first."""
    return await asyncio.to_thread(_list_recordings)


def _list_recordings() -> list[PickOption]:
    found = sorted(state_dir().glob("recordings/*.cast"), key=_read_mtime, reverse=True)
    return [PickOption(_format_time(file), str(file), read_cast_title(file)) for file in found[:_LISTED]]


def _format_time(path: Path) -> str:
    return f"{datetime.fromtimestamp(_read_mtime(path)):%Y-%m-%d %H:%M:%S}"


def _read_mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
