"""The one table of actions: footer, help, palette and key bindings all read it.

An action's id is "place.verb"; the verb is the method `action_verb` of the place: the dashboard for
"app", a pane for the rest. A place may say `why_not(verb)`: the sentence that the user reads when the
action can't be done now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.binding import Binding

from flow_tui.key_names import short_key, written_key


@dataclass(frozen=True, slots=True)
class Action:
    """Something a key can do. `label` is a word or two, `tooltip` a sentence. `changes` hides it when read-only."""

    id: str
    keys: str
    label: str
    tooltip: str
    in_footer: bool = False
    changes: bool = False

    @property
    def place(self) -> str:
        return self.id.partition(".")[0]

    @property
    def verb(self) -> str:
        return self.id.partition(".")[2]

    @property
    def current_keys(self) -> tuple[str, ...]:
        """The user's keys, else ours."""
        return _own.get(self.id) or tuple(self.keys.split(","))

    @property
    def shown_key(self) -> str:
        """The first of its keys as it stands in the footer and the palette."""
        return short_key(self.current_keys[0])


_own: dict[str, tuple[str, ...]] = {}


_MOVES = (
    ("cursor_down", "j,down", "down", "One row down"),
    ("cursor_up", "k,up", "up", "One row up"),
    ("first", "g,home", "first", "To the first row"),
    ("last", "G,end", "last", "To the last row"),
    ("page_down", "pagedown", "page down", "One page down"),
    ("page_up", "pageup", "page up", "One page up"),
)


def _moves(place: str) -> tuple[Action, ...]:
    return tuple(Action(f"{place}.{verb}", keys, label, tooltip) for verb, keys, label, tooltip in _MOVES)


def _sorts(place: str) -> tuple[Action, ...]:
    return (
        Action(f"{place}.sort", "o", "sort", "Sort by the next column"),
        Action(f"{place}.reverse_sort", "O", "reverse", "Turn the order round"),
    )


ACTIONS: tuple[Action, ...] = (
    Action("app.help", "question_mark", "help", "The keys of this pane, searchable", True),
    Action("app.new_task", "ctrl+n", "new task", "Submit a task", True, True),
    Action("app.write_task", "ctrl+e", "YAML in editor", "Write a new task as YAML in $EDITOR", False, True),
    Action("app.palette", "ctrl+p,colon", "palette", "Every action by name", True),
    Action("app.show_tasks", "1", "tasks", "The tasks pane; again for full size"),
    Action("app.show_instances", "2", "instances", "The instances pane; again for full size"),
    Action("app.show_volumes", "3", "volumes", "The volumes pane; again for full size"),
    Action("app.show_logs", "4", "logs", "The logs pane; again for full size"),
    Action("app.show_shell", "5", "shell", "The shell pane; again for full size"),
    Action("app.next_pane", "tab,right", "next pane", "To the next pane in view"),
    Action("app.previous_pane", "shift+tab,left", "previous pane", "To the previous pane in view"),
    Action("app.zoom", "plus,z", "zoom", "This pane in full size, and back"),
    Action("app.back", "escape", "back", "Clear the filter, then leave full size, then go to the tasks"),
    Action("app.previous_screen", "minus", "last", "The pane that was in front before"),
    Action("app.refresh", "ctrl+r,R", "refresh", "Refresh every context now"),
    Action(
        "app.attend",
        "exclamation_mark",
        "contexts",
        "Answer the questions of hosts, or see what is wrong: contexts, config and past warnings",
    ),
    Action("app.action_log", "at", "actions", "The audit log: each change with its exact call, user, time and result"),
    Action("app.recordings", "f8", "recordings", "Play a recorded shell"),
    Action("app.next_theme", "f9", "theme", "The next theme"),
    Action(
        "app.quit",
        "q",
        "quit",
        "Leave the dashboard; your tasks continue to run. Asks first while a shell is open",
        True,
    ),
    *_moves("tasks"),
    Action("tasks.filter", "slash", "filter", "Show matching tasks: text, status:, context:, ! for not", True),
    Action("tasks.logs", "l", "logs", "The log of this task", True),
    Action("tasks.shell", "s", "shell", "A shell in this task", True, True),
    Action(
        "tasks.kept_shell",
        "K",
        "persistent shell",
        "A shell that tmux keeps on the node; opens the same one again",
        False,
        True,
    ),
    Action("tasks.everywhere", "A", "run on all nodes", "Run one command on every node of this task", False, True),
    Action("tasks.detail", "d,enter", "detail", "Everything known of this task", True),
    Action("tasks.metrics", "m", "metrics", "How busy its machine is: GPUs, their processes, load and memory"),
    Action("tasks.rerun", "r", "rerun", "The submit form, filled from this task", False, True),
    Action("tasks.cancel", "ctrl+d", "cancel", "End this task; asks first", True, True),
    Action("tasks.prune", "X", "prune", "Remove ended tasks, by age or number; shows what would go first", False, True),
    Action(
        "tasks.limit",
        "e",
        "price limit",
        "Change the most that an instance of it may cost; asks first",
        False,
        True,
    ),
    Action("tasks.pause", "p", "pause", "Give its machines back and keep its place; asks first", False, True),
    Action("tasks.resume", "P", "resume", "Bid again for machines of a paused task; asks first", False, True),
    Action("tasks.copy", "y", "copy", "Copy its id, name, command, YAML, log path or ssh command", True),
    Action("tasks.spec", "Y", "copy YAML", "Copy what it was submitted with as YAML, without secrets"),
    *_sorts("tasks"),
    *_moves("instances"),
    Action("instances.submit_here", "enter", "submit", "Submit a task on this instance type", True, True),
    Action("instances.filter", "slash", "filter", "Show matching instance types", True),
    *_sorts("instances"),
    *_moves("volumes"),
    Action("volumes.create", "c", "create", "Create a volume", True, True),
    Action("volumes.attach", "a", "attach", "Attach this volume to a task", True, True),
    Action("volumes.delete", "ctrl+d", "delete", "Destroy this volume and its data; asks first", True, True),
    Action("volumes.users", "u,enter", "used by", "The tasks that hold this volume", True),
    Action("volumes.copy", "y", "copy", "Copy the volume's id"),
    Action("volumes.filter", "slash", "filter", "Show matching volumes", True),
    *_sorts("volumes"),
    Action("logs.scroll_down", "j,down", "down", "One line down"),
    Action("logs.scroll_up", "k,up", "up", "One line up"),
    Action("logs.scroll_home", "g,home", "start", "To the first line"),
    Action("logs.page_down", "pagedown,space", "page down", "One page down"),
    Action("logs.page_up", "pageup", "page up", "One page up"),
    Action("logs.scroll_left", "left", "left", "To the left, where lines are cut"),
    Action("logs.scroll_right", "right", "right", "To the right, where lines are cut"),
    Action("logs.half_page_down", "ctrl+d", "half down", "Half a page down"),
    Action("logs.half_page_up", "ctrl+u", "half up", "Half a page up"),
    Action("logs.follow", "f,G,end", "follow", "To the end, and stay there", True),
    Action("logs.search", "slash", "search", "Find a regular expression", True),
    Action("logs.next_match", "n", "next", "To the next match", True),
    Action("logs.previous_match", "N", "previous", "To the previous match"),
    Action("logs.toggle_wrap", "w", "wrap", "Wrap long lines, or cut them", True),
    Action("logs.toggle_time", "t", "time", "Show when each line was written", True),
    Action("logs.cycle_stream", "e", "stream", "Both streams, stdout only, stderr only", True),
    Action("logs.previous_log", "left_parenthesis", "previous log", "The log of the previous rank or attempt"),
    Action("logs.next_log", "right_parenthesis", "next log", "The log of the next rank or attempt"),
)

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}


def actions_of(place: str) -> tuple[Action, ...]:
    """A place's actions, in the order of the table."""
    return tuple(action for action in ACTIONS if action.place == place)


def bindings_of(place: str) -> list[Binding]:
    """Key bindings for a place's widget; the dashboard carries them out."""
    return [
        Binding(action.keys, f"screen.act('{action.id}')", action.label, id=action.id, tooltip=action.tooltip)
        for action in actions_of(place)
    ]


def use_keys(own: Mapping[str, Sequence[str]]) -> None:
    """Sets the user's keys by action id, for every text of this process that names a key. The others become ours."""
    _own.clear()
    _own.update({action_id: tuple(keys) for action_id, keys in own.items()})


def key_for(action_id: str) -> str:
    """The first key of an action as it stands in a sentence: "ctrl+n", "?"."""
    return written_key(BY_ID[action_id].current_keys[0])


def find_clash(own: Mapping[str, Sequence[str]]) -> tuple[str, str, str] | None:
    """The first of the user's keys, by action id, that is also the key of another action where both act.

    Returns the action's id, that of the other action and the key; None where each key has one meaning. Of two of the
    user's own keys, the later one is the one that clashes. Overlaps among our own keys are on purpose.
    """
    ids = list(own)
    for number, action_id in enumerate(ids):
        action = BY_ID[action_id]
        for other in ACTIONS:
            if other.id == action_id or other.id in ids[number + 1 :] or not _share_a_place(action, other):
                continue
            taken = own.get(other.id) or other.keys.split(",")
            for key in own[action_id]:
                is_ours = key in action.keys.split(",") and key in other.keys.split(",")
                if key in taken and not is_ours:
                    return action_id, other.id, key
    return None


def _share_a_place(one: Action, other: Action) -> bool:
    return one.place == other.place or "app" in (one.place, other.place)
