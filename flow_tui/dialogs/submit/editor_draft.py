"""The task of a submit form as a text for the editor: the last text, and whether it was accepted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from textual.app import App

from flow_core.errors import ConfigError
from flow_tui.dialogs.submit.editor import edit
from flow_tui.dialogs.submit.task_text import (
    SOURCE,
    describe_ignored_fields,
    format_task,
    read_task_text,
    replace_context,
)

_SCHEMA = "task.schema.json"
_RETURNED_AT_ONCE_S = 0.4  # less time than a user needs to read a text
_RETURNED_AT_ONCE = "Your editor returned at once. If it opens a window, add its wait flag (code --wait)."
_FORM_UNCHANGED = "the form is as it was, and ctrl+e opens the text again"


class EditorDraft:
    """The text of one form's task for the editor.

    `refused` is the last text that was not accepted; None after an accepted one.
    """

    def __init__(self, refused: str | None = None) -> None:
        self.refused = refused
        self._accepted: tuple[str, Mapping[str, str]] | None = None

    async def edit(self, app: App[Any], entered: Mapping[str, str]) -> dict[str, str] | None:
        """Returns the values for the form; None if the text was not changed. Raises FlowError, also for a wrong text.

        The text is the refused text, the accepted text if the form still has its values, or else a new text.
        """
        before, schema = await asyncio.to_thread(self._make_text, entered)
        began = time.monotonic()
        edited = await edit(app, before, name=SOURCE, beside={_SCHEMA: schema})
        if edited.text == before or not edited.text.strip():
            if time.monotonic() - began < _RETURNED_AT_ONCE_S:
                failed = f"{edited.editor} ended with exit code {edited.exit_code}" if edited.exit_code else ""
                app.notify(failed or _RETURNED_AT_ONCE, severity="warning", markup=False)
            return None
        self.refused = edited.text
        if edited.exit_code:
            raise ConfigError(f"{edited.editor} ended with exit code {edited.exit_code}; {_FORM_UNCHANGED}")
        try:
            filling = await asyncio.to_thread(read_task_text, edited.text)
        except ConfigError as error:
            raise ConfigError(f"{error}; {_FORM_UNCHANGED}") from None
        self.refused, self._accepted = None, (edited.text, filling)
        if warning := await asyncio.to_thread(describe_ignored_fields, edited.text):
            app.notify(warning, severity="warning", markup=False)
        return filling

    def _make_text(self, entered: Mapping[str, str]) -> tuple[str, str]:
        from flow_core.models.schema import task_schema  # lazy import: loads pydantic

        schema = json.dumps(task_schema())
        earlier_text = self.refused
        if earlier_text is None and self._accepted is not None:
            accepted, filling = self._accepted  # the form may not show its empty fields
            is_unchanged = filling.items() <= {**dict.fromkeys(filling, ""), **entered}.items()
            earlier_text = accepted if is_unchanged else None
        text = (
            format_task(entered, _SCHEMA)
            if earlier_text is None
            else replace_context(earlier_text, entered.get("context", ""))
        )
        return text, schema
