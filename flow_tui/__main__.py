"""The program: arguments, then config, then the app."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from flow_core.errors import ConfigError, FlowError
from flow_tui.arguments import PROGRAM, Arguments, one_line, parse_arguments
from flow_tui.colour_depth import colour_depth

if TYPE_CHECKING:
    from flow_core.config import Config
    from flow_tui.app import FlowApp

_SYSTEMS = ("linux", "darwin")
_FRAMES_PER_SECOND = "240"
_COLOUR_SYSTEM = "TEXTUAL_COLOR_SYSTEM"
_KEY_LOGS = ("TEXTUAL", "TEXTUAL_LOG")  # Textual's log and console show every key, those of a passphrase included
_REFUSED = 2
_INTERRUPTED = 130


def main() -> NoReturn:
    """Runs the dashboard. Ends with 0 when it was left, 1 at a fault of ours, 2 when it could not start."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """The same, with the exit code returned."""
    said = parse_arguments(argv)
    # Everything that follows is imported only here and below, so that --help answers at once.
    from flow_tui import crash_report

    crash_report.install()
    try:
        _check_terminal()
        return _outcome(_run_demo(said) if said.demo else _run_app(said, _config(said)))
    except FlowError as error:
        print(f"{PROGRAM}: {one_line(str(error))}", file=sys.stderr)
        return _REFUSED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _check_terminal() -> None:
    if sys.platform not in _SYSTEMS:
        raise FlowError(f"this runs on Linux and macOS; {sys.platform} is neither, but WSL would do on Windows")
    # Textual reads keys from stdin and paints on stderr.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise FlowError("this needs a terminal: stdin, stdout and stderr must not be redirected")
    if os.environ.get("TERM") == "dumb":
        raise FlowError("this terminal calls itself dumb (TERM=dumb), and a dashboard can't be drawn on it")


def _config(said: Arguments) -> Config:
    from flow_core.config_file import load_config

    if said.config is not None and not said.config.exists():
        raise ConfigError("the config file does not exist", source=str(said.config))
    config = load_config(said.config)
    known = [context.name for context in config.contexts]
    for name in said.contexts:
        if name not in known:
            raise ConfigError(f"no context is called {name!r}; there are: {', '.join(known)}", field="context")
    return config


def _run_demo(said: Arguments) -> FlowApp:
    from flow_tui.demo import demo  # deferred: only who asks for it needs it

    with demo() as config:
        return _run_app(said, config)


def _run_app(said: Arguments, config: Config) -> FlowApp:
    app = _open_app(said, config)
    app.run()
    return app


def _open_app(said: Arguments, config: Config) -> FlowApp:
    gc.disable()  # until the first rows are shown: what is loaded now stays, and need not be looked through
    os.environ.setdefault("TEXTUAL_FPS", _FRAMES_PER_SECOND)  # Textual reads it once, while it is imported
    for name in _KEY_LOGS:
        os.environ.pop(name, None)
    depth = colour_depth(os.environ)
    os.environ[_COLOUR_SYSTEM] = depth.value  # Textual reads it once, too
    from flow_tui.app import FlowApp

    del os.environ[_COLOUR_SYSTEM]  # tasks and editors find out by themselves
    app = FlowApp(
        config,
        contexts=said.contexts,
        read_only=said.read_only,
        theme=said.theme,
        is_demo=said.demo,
        colours=depth,
    )
    if said.theme is not None and said.theme not in app.available_themes:
        known = ", ".join(sorted(app.available_themes))
        raise ConfigError(f"no theme is called {said.theme!r}; there are: {known}", field="theme")
    return app


def _outcome(app: FlowApp) -> int:
    from flow_tui import crash_report

    if app.crash is not None:
        crash_report.report_crash(app.crash)
        return 1
    return app.return_code or 0


if __name__ == "__main__":
    main()
