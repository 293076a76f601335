"""Actions of keys: their texts, the code that carries them out, and the reason why one can't be done now."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from textual.binding import Binding

from flow_core.lazy_module import LazyModule as LazyModule

TargetT = TypeVar("TargetT")
AsyncRun = Callable[[TargetT], Coroutine[Any, Any, None]]
Run = Callable[[TargetT], None] | AsyncRun[TargetT]
"""A plain function runs immediately. A coroutine function runs in a worker, so that no key waits for a host."""


def always_enabled(_: object) -> str | None:
    """Returns None: the `disabled_reason` of an action that can always be done."""
    return None


@dataclass(frozen=True, slots=True)
class Action(Generic[TargetT]):
    """An action of a key. `run` gets the pane, or the services if the action belongs to the whole dashboard.

    `id` is "pane.verb". `keys` are the default keys, separated by commas, as Textual names them. `label` is one or two
    words, `tooltip` a sentence. `disabled_reason` returns the sentence that the user reads if the action can't be done
    now; it is called for every frame of the footer, so it has to be cheap. `changes` hides the action in read-only
    mode. With `opens_shell`, keys that were typed together with the action's key are sent to the shell.
    """

    id: str
    keys: str
    label: str
    tooltip: str
    run: Run[TargetT]
    disabled_reason: Callable[[TargetT], str | None] = always_enabled
    in_footer: bool = False
    changes: bool = False
    opens_shell: bool = False

    @property
    def noun(self) -> str:
        """The pane, or "app" for the whole dashboard."""
        return self.id.partition(".")[0]

    @property
    def default_keys(self) -> tuple[str, ...]:
        return tuple(self.keys.split(","))


def defer(get_run: Callable[[], AsyncRun[TargetT]]) -> AsyncRun[TargetT]:
    """Returns a `run` that looks up the real one only when it is called.

    With `LazyModule`, a table of actions then doesn't import the modules of dialogs.
    """

    async def run(target: TargetT) -> None:
        await get_run()(target)

    return run


def make_bindings(actions: Sequence[Action[Any]]) -> list[Binding]:
    """Returns the key bindings of a pane. The dashboard carries them out."""
    return [
        Binding(action.keys, f"screen.act('{action.id}')", action.label, id=action.id, tooltip=action.tooltip)
        for action in actions
    ]
