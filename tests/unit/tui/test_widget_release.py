from __future__ import annotations

import gc
import weakref
from typing import Any

from testbed.themed_app import ThemedApp
from textual._styles_cache import StylesCache
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from flow_tui.widget_release import release_removed_widgets


class _Form(ModalScreen[None]):
    def compose(self) -> Any:
        yield Static("a text")
        yield TextArea("a field")


async def _open_and_close(app: ThemedApp) -> list[weakref.ref[Any]]:
    """Returns the widgets of a dialog that was shown, and the objects that hold their painted lines."""
    form = _Form()
    await app.push_screen(form)
    widgets = [form, *form.walk_children()]
    kept = [weakref.ref(one) for one in [*widgets, *(widget._styles_cache for widget in widgets)]]
    assert all(isinstance(one(), StylesCache) for one in kept[len(widgets) :])
    await app.pop_screen()
    return kept


async def test_the_widgets_of_a_closed_dialog_are_freed() -> None:
    app = ThemedApp()
    async with app.run_test() as pilot:
        kept = await _open_and_close(app)
        await _open_and_close(app)  # another one takes the place of what Textual holds for the last one
        await pilot.pause()
        release_removed_widgets(app)
        gc.collect()
        assert [one() for one in kept if one() is not None] == []


async def test_a_widget_that_is_still_shown_learns_of_another_theme() -> None:
    app = ThemedApp()
    async with app.run_test() as pilot:
        shown, themes = Static("shown"), list[str]()
        await app.mount(shown)
        shown.watch(app, "theme", lambda theme: themes.append(theme), init=False)
        release_removed_widgets(app)
        app.theme = "textual-light"
        await pilot.pause()
        assert themes == ["textual-light"]
