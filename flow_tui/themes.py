"""Loads themes from YAML files, those of the program and of the user. The file's name is the theme's name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from flow_core.agent.regular_files import read_regular_file
from flow_core.errors import ConfigError
from flow_tui.colour_reduction import Rgb, contrast_ratio

COLOURS = (
    "primary",
    "secondary",
    "accent",
    "background",
    "surface",
    "panel",
    "foreground",
    "success",
    "warning",
    "error",
)
DEFAULT = "flow-dark"
_LIGHT = "flow-light"
_SURFACES = ("background", "surface", "panel")
_BACKGROUNDS = frozenset({"log-match"})
_MARKS = frozenset({"frame"})
_TEXT_CONTRAST, _MARK_CONTRAST = 4.5, 3.0
_STEPS = 20
_PLAIN_LINE = re.compile(r'(?P<indent>  )?(?P<name>[a-z-]+): (?:"(?P<colour>#[0-9a-f]{6})"|(?P<word>true|false))')
_PACKAGE = Path(__file__).parent
_THEME_BYTES_MAX = 256 << 10


def load_themes(user_dir: Path | None = None) -> tuple[tuple[Theme, ...], tuple[ConfigError, ...]]:
    """Loads the program's themes, and the user's, which replace equal names. Returns a problem for each bad file."""
    themes = {theme.name: _complete_theme(theme) for theme in _load_shipped()}
    problems = []
    for file in _theme_files(user_dir) if user_dir else ():
        try:
            theme = _read_theme(file)
        except ConfigError as problem:
            problems.append(problem)
            continue
        themes[theme.name] = _complete_theme(replace(theme, variables=complete_variables(theme)))
    return tuple(themes.values()), tuple(problems)


def variable_defaults(*, dark: bool = True) -> dict[str, str]:
    """Returns defaults of the program's own variables. Textual refuses a style sheet with undefined variables."""
    name = DEFAULT if dark else _LIGHT
    return next(dict(theme.variables) for theme in _load_shipped() if theme.name == name)


def complete_variables(theme: Theme) -> dict[str, str]:
    """Returns a theme's own variables, and defaults for the others, adapted to the brightness of its surfaces."""
    missing = {name: value for name, value in variable_defaults(dark=theme.dark).items() if name not in theme.variables}
    if not missing:
        return dict(theme.variables)
    generated = theme.to_color_system().generate()
    behind = [Rgb(*Color.parse(generated[name]).rgb) for name in _SURFACES]
    return {name: _add_contrast(name, value, behind, theme.dark) for name, value in missing.items()} | theme.variables


def _complete_theme(theme: Theme) -> Theme:
    """Sets the colours of cursor text and scroll bars, because the ones that Textual derives may be unreadable."""
    generated = theme.to_color_system().generate()
    cursor = Rgb(*Color.parse(generated["block-cursor-background"]).rgb)
    text = max(("#000000", "#ffffff"), key=lambda candidate: contrast_ratio(Rgb(*Color.parse(candidate).rgb), cursor))
    own = {"block-cursor-foreground": text, "scrollbar": theme.variables["frame"]}
    own |= dict.fromkeys(("scrollbar-hover", "scrollbar-active"), generated["primary"])
    behind = ("scrollbar-background", "scrollbar-background-hover", "scrollbar-background-active")
    return replace(theme, variables=own | dict.fromkeys(behind, generated["panel"]) | theme.variables)


def _add_contrast(name: str, value: str, behind: Sequence[Rgb], dark: bool) -> str:
    """Returns the colour, moved towards white or black until it has enough contrast to every surface."""
    if name in _BACKGROUNDS:
        return value
    min_contrast = _MARK_CONTRAST if name in _MARKS else _TEXT_CONTRAST
    colour, end = Color.parse(value), Color.parse("white" if dark else "black")
    for step in range(_STEPS + 1):
        moved = colour.blend(end, step / _STEPS)
        if all(contrast_ratio(Rgb(*moved.rgb), surface) >= min_contrast for surface in behind):
            return moved.hex
    return end.hex


@lru_cache(maxsize=1)
def _load_shipped() -> tuple[Theme, ...]:
    return tuple(_read_theme(file) for file in _theme_files(_shipped_dir()))


def _shipped_dir() -> Path:
    """Returns the folder of the program's themes: in an installed package, or beside the packages in a checkout."""
    installed = _PACKAGE / "_themes"
    return installed if installed.is_dir() else _PACKAGE.parent / "themes"


def _theme_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


def _read_theme(file: Path) -> Theme:
    try:
        text = read_regular_file(file, _THEME_BYTES_MAX).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigError(f"can't be read: {reason}", source=str(file)) from None
    if (fields := _parse_plain_fields(text)) is not None:
        try:
            return _ThemeFile(file, fields, {}).theme()
        except ConfigError:
            pass  # The parser below raises it again, with the line.
    from flow_core.models.yaml_file import parse_table  # lazy import: see _parse_plain_fields

    table = parse_table(text, str(file), text_fields=("dark", "variables", *COLOURS))
    return _ThemeFile(file, table.fields, table.lines).theme()


def _parse_plain_fields(text: str) -> dict[str, Any] | None:
    """Parses a file with one `name: value` a line, as the program's own themes have it; None for any other YAML.

    The YAML parser takes longer to load than everything else that a theme needs, at every start.
    """
    fields: dict[str, Any] = {}
    table = fields
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line == "variables:":
            table = fields["variables"] = {}
            continue
        found = _PLAIN_LINE.fullmatch(line)
        if found is None or bool(found["indent"]) != (table is not fields) or found["name"] in table:
            return None
        table[found["name"]] = found["colour"] or found["word"]
    return fields


class _ThemeFile:
    """The fields of one file. An error names the field and its line, if the lines are known."""

    def __init__(self, file: Path, fields: dict[Any, Any], lines: Mapping[str, int]) -> None:
        self._file = file
        self._fields = fields
        self._lines = lines

    def theme(self) -> Theme:
        fields = dict(self._fields)
        variables = fields.pop("variables", {})
        if not isinstance(variables, dict):
            raise self._make_error("variables", "must be a table of names and colours")
        dark = str(fields.pop("dark", "true")).lower()
        if dark not in ("true", "false"):
            raise self._make_error("dark", "must be true or false")
        for name in fields:
            if name not in COLOURS:
                raise self._make_error(
                    str(name), f"is not a field of a theme; known are: dark, variables, {', '.join(COLOURS)}"
                )
        if "primary" not in fields:
            raise self._make_error("primary", "is missing; a theme needs at least this colour")
        colours = {name: self._check_colour(name, value) for name, value in fields.items()}
        own = {str(name): self._check_colour(f"variables.{name}", value) for name, value in variables.items()}
        theme = Theme(self._file.stem, colours["primary"], dark=dark == "true", variables=own)
        for name, value in colours.items():
            setattr(theme, name, value)
        return theme

    def _check_colour(self, name: str, value: object) -> str:
        try:
            if not isinstance(value, str) or not value:
                raise self._make_error(name, "is not a colour; write it in quotes, such as '#4fb8a8'")
            Color.parse(value)
        except ColorParseError:
            raise self._make_error(name, f"{value!r} is not a colour; write it like '#4fb8a8'") from None
        return value

    def _make_error(self, name: str, reason: str) -> ConfigError:
        return ConfigError(f"{name}: {reason}", field=name, source=str(self._file), line=self._lines.get(name))
