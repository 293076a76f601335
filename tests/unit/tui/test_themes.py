from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tables import each
from textual.app import App, ComposeResult
from textual.color import Color
from textual.theme import Theme
from textual.widgets import Static

from flow_tui.themes import COLOURS, complete_variables, load_themes, variable_defaults

SHIPPED, _ = load_themes()


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_the_two_shipped_themes_load_without_a_problem() -> None:
    themes, problems = load_themes()
    assert {"flow-dark", "flow-light"} <= {theme.name for theme in themes}
    assert problems == ()


@each("theme", SHIPPED, ids=lambda theme: theme.name)
def test_every_text_colour_of_a_shipped_theme_can_be_read_on_its_surfaces(theme: Theme) -> None:
    own = variable_defaults().keys() - {"log-match", "frame"}
    texts = {name: value for name, value in theme.variables.items() if name in own}
    texts["foreground"] = str(theme.foreground)
    for name, value in texts.items():
        for surface in (theme.background, theme.surface, theme.panel):
            ratio = contrast(Color.parse(str(surface)), Color.parse(value))
            assert ratio >= 4.5, f"{name} {value} on {surface} has a contrast of only {ratio:.1f}"


def contrast(one: Color, other: Color) -> float:
    """WCAG 2 contrast ratio."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Color) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    return 0.2126 * linear(colour.r) + 0.7152 * linear(colour.g) + 0.0722 * linear(colour.b)


def test_shipped_themes_set_every_field_and_the_same_variables() -> None:
    for theme in SHIPPED:
        assert all(getattr(theme, name) for name in COLOURS)
    assert len({frozenset(theme.variables) for theme in SHIPPED}) == 1


def test_a_user_theme_takes_its_name_from_its_file_and_our_variables_where_it_sets_none(tmp_path: Path) -> None:
    write(tmp_path, "ocean", "dark: false\nprimary: '#004488'\nvariables: {status-failed: '#aa0000'}\n")
    themes, problems = load_themes(tmp_path)
    ocean = next(theme for theme in themes if theme.name == "ocean")
    assert problems == ()
    assert not ocean.dark
    assert ocean.variables["status-failed"] == "#aa0000"
    assert ocean.variables.keys() >= variable_defaults(dark=False).keys()


@each("theme", [Theme("dusk", "#88c0d0", background="#434c5e", surface="#3b4252", panel="#4c566a")])
def test_what_a_theme_leaves_out_can_be_told_from_its_surfaces(theme: Theme) -> None:
    surfaces = [Color.parse(str(value)) for value in (theme.background, theme.surface, theme.panel)]
    for name, value in complete_variables(theme).items():
        if name != "log-match":
            least = min(contrast(surface, Color.parse(value)) for surface in surfaces)
            assert least >= (3.0 if name == "frame" else 4.5), f"{name} {value}: {least:.1f}"


def test_a_user_theme_named_like_ours_replaces_it(tmp_path: Path) -> None:
    write(tmp_path, "flow-dark", "primary: '#123456'\n")
    themes, _ = load_themes(tmp_path)
    assert [theme.primary for theme in themes if theme.name == "flow-dark"] == ["#123456"]


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("dark: true\nprimary: '#12'\n", "primary", 2),
        ("primary: red\nsparkle: blue\n", "sparkle", 2),
        ("primary: red\ndark: 3\n", "dark", 2),
        ("primary: red\nvariables:\n  muted: '#0000'\n  status-failed: nope\n", "variables.status-failed", 4),
        ("primary: red\nvariables: [a]\n", "variables", 2),
        ("primary: [red]\n", "primary", 1),
        ("dark: true\n", "primary", None),
        ("- red\n", None, 1),
        ("", "primary", None),
        ("primary: red\nprimary: blue\n", "primary", 2),
        ("primary: '#123456\n", None, 2),
        ("? [a, b]\n: red\n", None, 1),
    ],
)
def test_a_bad_theme_is_one_problem_with_its_place_and_the_others_stand(
    tmp_path: Path, text: str, field: str | None, line: int | None
) -> None:
    write(tmp_path, "bad", text)
    write(tmp_path, "good", "primary: '#336699'\n")
    themes, problems = load_themes(tmp_path)
    assert [(problem.source, problem.field, problem.line) for problem in problems] == [
        (str(tmp_path / "bad.yaml"), field, line)
    ]
    assert "good" in {theme.name for theme in themes}
    assert "bad" not in {theme.name for theme in themes}


def test_a_theme_file_that_is_not_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    _, problems = load_themes(tmp_path)
    assert [str(problem).endswith("is not UTF-8 text") for problem in problems] == [True]


def test_a_missing_folder_of_user_themes_is_no_problem(tmp_path: Path) -> None:
    assert load_themes(tmp_path / "none")[1] == ()


@pytest.mark.parametrize("name", ["flow-dark", "flow-light", "textual-light"])
async def test_every_own_variable_can_be_used_in_a_style_sheet_under_any_theme(name: str) -> None:
    class Painted(App[None]):
        CSS = "\n".join(f"#x {{ color: ${variable}; }}" for variable in variable_defaults())

        def get_theme_variable_defaults(self) -> dict[str, str]:
            return variable_defaults(dark=self.current_theme.dark)

        def compose(self) -> ComposeResult:
            yield Static("x", id="x")

        def on_mount(self) -> None:
            for theme in SHIPPED:
                self.register_theme(theme)
            self.theme = name

    app = Painted()
    async with app.run_test():
        assert app.theme == name
        assert app.query_one("#x").styles.color == Color.parse(app.theme_variables[list(variable_defaults())[-1]])
