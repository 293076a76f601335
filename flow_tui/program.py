"""The program: parses the arguments, loads the config and runs the app."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, FlowError
from flow_tui.arguments import PROGRAM, Arguments, make_printable, parse_arguments
from flow_tui.colour_depth import detect_colour_depth
from flow_tui.last_screen.start_identity import StartIdentity

if TYPE_CHECKING:
    from flow_core.config import Config
    from flow_tui.app import FlowApp
    from flow_tui.last_screen.first_paint import HeldTerminal

SYSTEMS = ("linux", "darwin")
_FRAMES_PER_SECOND = "240"
_COLOUR_SYSTEM = "TEXTUAL_COLOR_SYSTEM"
_KEY_LOGS = ("TEXTUAL", "TEXTUAL_LOG")  # Textual's log and console show every key, also those of a passphrase
_EXIT_NOT_STARTED = 2


def run_program(argv: Sequence[str], held: HeldTerminal | None) -> int:
    """Runs the dashboard and returns the exit code. `held` is the terminal if the last screen is painted on it."""
    identity = StartIdentity(argv, os.environ)  # the demo and the app change the environment
    arguments = parse_arguments(argv)
    # Everything else is imported here and below, so that --help is fast.
    from flow_tui import crash_report

    crash_report.install()
    try:
        _check_terminal()
        app = _run_demo(arguments, held) if arguments.demo else _run_contexts(arguments, identity, held)
        return _exit_code(app)
    except FlowError as error:
        if held is not None:
            held.restore()
        print(f"{PROGRAM}: {make_printable(str(error))}", file=sys.stderr)
        return _EXIT_NOT_STARTED


def _check_terminal() -> None:
    if sys.platform not in SYSTEMS:
        raise FlowError(f"this program runs on Linux and macOS, not on {sys.platform}; on Windows, use WSL")
    # Textual reads keys from stdin and paints on stderr.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise FlowError("this needs a terminal: stdin, stdout and stderr must not be redirected")
    if os.environ.get("TERM") == "dumb":
        raise FlowError(
            "this terminal (TERM=dumb) can't show a dashboard; set TERM, for example to xterm-256color, or use another"
            " terminal"
        )


def _load_config(arguments: Arguments) -> Config:
    from flow_core.config_file import load_config

    if arguments.config is not None and not arguments.config.exists():
        raise ConfigError("the config file does not exist", source=str(arguments.config))
    config = load_config(arguments.config)
    names = [context.name for context in config.contexts]
    for name in arguments.contexts:
        if name not in names:
            raise ConfigError(f"no context is called {name!r}; there are: {', '.join(names)}", field="context")
    return config


def _run_demo(arguments: Arguments, held: HeldTerminal | None) -> FlowApp:
    from flow_tui.demo import demo, preload  # lazy import: only --demo needs it

    with demo() as wait_for_config:
        app_type = _load_app()  # while the emulator starts
        preload()
        return _run_app(_open_app(app_type, arguments, wait_for_config(), held))


def _run_contexts(arguments: Arguments, identity: StartIdentity, held: HeldTerminal | None) -> FlowApp:
    from flow_tui.last_screen.screen_keeper import ScreenKeeper  # lazy import: the demo keeps nothing

    config = _load_config(arguments)
    app = _open_app(_load_app(), arguments, config, held)
    app.screen_keeper = ScreenKeeper(identity, config.path)
    return _run_app(app)


def _run_app(app: FlowApp) -> FlowApp:
    try:
        app.run()
    finally:
        if app.held_terminal is not None:
            app.held_terminal.restore()  # the app ended before it took the terminal over
    return app


def _load_app() -> type[FlowApp]:
    os.environ.setdefault("TEXTUAL_FPS", _FRAMES_PER_SECOND)  # Textual reads it only while it is imported
    for name in _KEY_LOGS:
        os.environ.pop(name, None)
    os.environ[_COLOUR_SYSTEM] = detect_colour_depth(os.environ).value  # Textual reads this, too, only then
    from flow_tui.app import FlowApp

    del os.environ[_COLOUR_SYSTEM]  # tasks and editors must detect the colours themselves
    return FlowApp


def _open_app(app_type: type[FlowApp], arguments: Arguments, config: Config, held: HeldTerminal | None) -> FlowApp:
    app = app_type(
        config,
        contexts=arguments.contexts,
        read_only=arguments.read_only,
        theme=arguments.theme,
        is_demo=arguments.demo,
        colours=detect_colour_depth(os.environ),
    )
    app.held_terminal = held
    if arguments.theme is not None and arguments.theme not in app.available_themes:
        names = ", ".join(sorted(app.available_themes))
        raise ConfigError(f"no theme is called {arguments.theme!r}; there are: {names}", field="theme")
    return app


def _exit_code(app: FlowApp) -> int:
    from flow_tui import crash_report

    if app.crash is not None:
        crash_report.report_crash(app.crash)
        return 1
    return app.return_code or 0
