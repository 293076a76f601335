"""Which editor is opened, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testbed.far_side import CONTEXTS, FarSide

from flow_core.errors import FlowError
from flow_tui.dialogs.submit.editor import find_editor
from flow_tui.dialogs.submit.submit_form import SubmitForm


async def test_without_a_terminal_or_an_editor_one_sentence_says_so(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("VISUAL", "true"), ("EDITOR", "true")):
        monkeypatch.setenv(name, value)
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        await question.press("submit.edit")
        await question.shows("flow-tui can't open an editor in this terminal")
        monkeypatch.setenv("VISUAL", "no-such-editor --wait")
        await question.press("submit.edit")
        await question.shows("$VISUAL names 'no-such-editor', which was not found")


def test_the_editor_is_the_users_else_the_first_there_is(tmp_path: Path) -> None:
    for name in ("nano", "vi", "code"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    here = {"PATH": str(tmp_path)}
    assert find_editor(here | {"VISUAL": "code --wait", "EDITOR": "vi"}) == ["code", "--wait"]
    assert find_editor(here | {"VISUAL": " ", "EDITOR": "vi"}) == ["vi"]
    assert find_editor(here) == ["nano"] or find_editor(here)[0].endswith("/nano")
    (tmp_path / "nano").unlink()
    assert find_editor(here) == ["vi"]
    (tmp_path / "vi").unlink()
    for environment, said in (({}, "there is no editor"), ({"EDITOR": "'vi"}, r"\$EDITOR can't be read: no closing")):
        with pytest.raises(FlowError, match=said):
            find_editor(here | environment)
