"""The task of a submit form as a text in the editor: the last text, and whether it was accepted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from textual.app import App

from flow_core.errors import ConfigError
from flow_tui.dialogs.submit.editor import edit
from flow_tui.dialogs.submit.task_text import SOURCE, ignored_fields, in_context, read_task_text, task_text

_SCHEMA = "task.schema.json"
_AT_ONCE_S = 0.4  # less than anybody needs to look at a text
_CAME_BACK = "Your editor returned at once. If it opens a window, add its wait flag (code --wait)."
_AS_BEFORE = "the form is as it was, and ctrl+e opens the text again"


class TaskFile:
    """The task of one form as a text. `refused` is the last text that was not accepted, kept until one is."""

    def __init__(self, refused: str | None = None) -> None:
        self.refused = refused
        self._taken: tuple[str, Mapping[str, str]] | None = None

    async def edit(self, app: App[Any], entered: Mapping[str, str]) -> dict[str, str] | None:
        """What the form is to be filled with; None when nothing was changed. Raises FlowError, also with the refusal.

        The text is the one that was refused, the one that filled the form as it still is, or a new one.
        """
        before, schema = await asyncio.to_thread(self._text_of, entered)
        began = time.monotonic()
        edited = await edit(app, before, name=SOURCE, beside={_SCHEMA: schema})
        if edited.text == before or not edited.text.strip():
            if time.monotonic() - began < _AT_ONCE_S:
                failed = f"{edited.editor} ended with exit code {edited.exit_code}" if edited.exit_code else ""
                app.notify(failed or _CAME_BACK, severity="warning", markup=False)
            return None
        self.refused = edited.text
        if edited.exit_code:
            raise ConfigError(f"{edited.editor} ended with exit code {edited.exit_code}; {_AS_BEFORE}")
        try:
            filling = await asyncio.to_thread(read_task_text, edited.text)
        except ConfigError as error:
            raise ConfigError(f"{error}; {_AS_BEFORE}") from None
        self.refused, self._taken = None, (edited.text, filling)
        if warning := await asyncio.to_thread(ignored_fields, edited.text):
            app.notify(warning, severity="warning", markup=False)
        return filling

    def _text_of(self, entered: Mapping[str, str]) -> tuple[str, str]:
        from flow_core.models.schema import task_schema  # deferred: loads pydantic

        schema = json.dumps(task_schema())
        kept = self.refused
        if kept is None and self._taken is not None:
            taken, filling = self._taken  # what is empty in it may not even be shown
            as_it_was = filling.items() <= {**dict.fromkeys(filling, ""), **entered}.items()
            kept = taken if as_it_was else None
        text = task_text(entered, _SCHEMA) if kept is None else in_context(kept, entered.get("context", ""))
        return text, schema
