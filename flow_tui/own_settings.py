"""Reads the dashboard's own settings in the config file, and collects what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from flow_core.config import Config
from flow_core.errors import ConfigError, printable
from flow_tui.action_table import ACTIONS
from flow_tui.key_names import parse_key, parse_keys, spell_key
from flow_tui.keymap import find_clash
from flow_tui.terminal.prefix import RELEASE_KEY
from flow_tui.themes import DEFAULT

_SETTINGS = ("theme", "read_only", "shell_release", "keys")
_QUIT = "ctrl+c"
_ACTION_IDS = tuple(action.id for action in ACTIONS)


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """The settings of the file, with the default for each one that is missing or invalid.

    `keys` maps action ids to Textual's names of keys. `problems` has one error for each invalid part.
    """

    theme: str
    read_only: bool
    release_key: str
    keys: Mapping[str, tuple[str, ...]]
    problems: tuple[ConfigError, ...]


def read_own_settings(config: Config, themes: Collection[str]) -> OwnSettings:
    """Reads the table `dashboard` of the file. `themes` are the names of the available themes."""
    reader = _SettingsReader(config)
    for name in config.dashboard:
        if name not in _SETTINGS:
            reader.report(str(name), f"is not a setting of the dashboard; known are: {', '.join(_SETTINGS)}")
    theme, read_only = reader.theme(themes), reader.read_only()
    release_key, keys = reader.release_key(), reader.keys()
    problems = sorted(reader.problems, key=lambda problem: problem.line or 0)
    return OwnSettings(theme, read_only, release_key, keys, tuple(problems))


def explain_unlock(*, by_option: bool, by_setting: bool) -> str:
    """Returns what the user has to do to end read-only mode, which the option or the setting has started."""
    restart = "restart without --read-only" if by_option else "restart"
    return f"set dashboard.read_only to false in the configuration and {restart}" if by_setting else restart


class _SettingsReader:
    """A reader of the settings. It collects a problem for each invalid part."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.problems: list[ConfigError] = []

    def report(self, where: str, reason: str) -> None:
        self.problems.append(self._config.problem(f"dashboard.{where}", reason))

    def theme(self, themes: Collection[str]) -> str:
        theme = self._config.dashboard.get("theme")
        if theme is None or theme in themes:
            return DEFAULT if theme is None else str(theme)
        hint = _suggest(str(theme), themes) or f"there are: {', '.join(sorted(themes))}."
        self.report("theme", f"there is no theme {printable(repr(theme))}; {hint} Using {DEFAULT}.")
        return DEFAULT

    def read_only(self) -> bool:
        """Reads `read_only`. An invalid value counts as true, because the user wanted to prevent changes."""
        value = self._config.dashboard.get("read_only", False)
        if not isinstance(value, bool):
            self.report("read_only", "must be true or false; the dashboard stays read-only until you correct this")
            return True
        return value

    def release_key(self) -> str:
        value = self._config.dashboard.get("shell_release")
        if value is None:
            return RELEASE_KEY
        key = parse_key(value) if isinstance(value, str) else None
        if key is None:
            default = spell_key(RELEASE_KEY)
            self.report(
                "shell_release", f"{printable(repr(value))} is not a key; write one such as ctrl+g. Using {default}."
            )
        return key or RELEASE_KEY

    def keys(self) -> dict[str, tuple[str, ...]]:
        table = self._config.dashboard.get("keys")
        if table is None:
            return {}
        if not isinstance(table, dict):
            self.report("keys", "must be a table of action ids and keys")
            return {}
        read = {str(action_id): self._parse_action_keys(str(action_id), value) for action_id, value in table.items()}
        own = {action_id: keys for action_id, keys in read.items() if keys}
        while clash := find_clash(ACTIONS, own):
            action_id, other_id, key = clash
            self.report(f"keys.{action_id}", f"{spell_key(key)} is already the key of {other_id}")
            del own[action_id]
        return own

    def _parse_action_keys(self, action_id: str, value: object) -> tuple[str, ...]:
        """Returns the keys of an action; empty if they are invalid."""
        where = f"keys.{action_id}"
        if action_id not in _ACTION_IDS:
            hint = _suggest(action_id, _ACTION_IDS) or "? shows the id of each action"
            self.report(where, f"there is no action {printable(repr(action_id))}; {hint}")
            return ()
        written = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        keys = parse_keys(written) if isinstance(written, str) else None
        if not keys:
            self.report(where, f"{printable(repr(value))} is not a key; write it like x, ctrl+x, f5 or question_mark")
            return ()
        if _QUIT in keys:
            self.report(where, f"{_QUIT}, pressed twice, always quits and can't be the key of an action")
            return ()
        return keys


def _suggest(name: str, known: Collection[str]) -> str:
    found = get_close_matches(name, list(known), n=1)
    return f"did you mean {found[0]}?" if found else ""
