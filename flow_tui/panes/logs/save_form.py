"""The form that asks where to save a log, and what of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from flow_core.errors import ConfigError, FlowError, printable
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.field import ChoiceInput, Field, LineInput
from flow_tui.dialogs.form import Form


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """What to save, one of the words of the form, and where. `replaces` allows to replace an existing file."""

    what: str
    path: Path
    replaces: bool


class SaveLogForm(Form[SaveRequest]):
    """A form for the path of a file. It asks before it replaces a file, and writes nothing itself."""

    SEND: ClassVar[str] = "Save"
    SENDING: ClassVar[str] = "checking…"
    FIELD_OF: ClassVar[Mapping[str, str]] = {"path": "path"}

    def __init__(self, path: str, words: Sequence[str]) -> None:
        super().__init__("Save the log")
        self._suggested = path
        self._words = words
        self._replaces = False

    def make_fields(self) -> Iterable[Field]:
        yield Field("path", "file", LineInput(self._suggested, placeholder="a path on this machine"))
        yield Field("what", "what", ChoiceInput(self._words))

    async def confirm(self, entered: Mapping[str, str]) -> None:
        path = _parse_path(entered["path"])
        if problem := await asyncio.to_thread(_find_problem, path):
            raise ConfigError(f"path: {problem}", field="path")
        self._replaces = await asyncio.to_thread(path.exists)
        if self._replaces:
            dialog = Confirm(
                "Replace the file?",
                [printable(str(path))],
                f"Write the log to {path}",
                loses="the content that the file has now",
                agree="Replace it",
                refuse="Keep the file",
            )
            if not await self.app.push_screen_wait(dialog):
                raise FlowError("The file was not changed.")

    async def send(self, entered: Mapping[str, str]) -> SaveRequest:
        return SaveRequest(entered["what"], _parse_path(entered["path"]), self._replaces)


def _parse_path(text: str) -> Path:
    if not text.strip():
        raise ConfigError("path: enter a path", field="path")
    try:
        return Path(text.strip()).expanduser().absolute()
    except RuntimeError:
        raise ConfigError("path: there is no such user", field="path") from None


def _find_problem(path: Path) -> str:
    """Returns why the file can't be written; "" if nothing is known."""
    if path.is_dir():
        return "this is a folder; add the name of a file"
    if not path.parent.is_dir():
        return f"there is no folder {printable(str(path.parent))}"
    if path.exists() and not path.is_file():
        return "this is not a regular file"
    return ""
