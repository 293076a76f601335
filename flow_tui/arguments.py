"""The arguments of the command line. Imports nothing heavy, so that --help and --version are fast."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from flow_core import __version__

PROGRAM = "flow-tui"
_EPILOG = "In the dashboard, press ? for the keys and ctrl+p for all actions."


class Arguments(NamedTuple):
    """The parsed command line. Empty `contexts` means all contexts; None means that an option was not given."""

    contexts: tuple[str, ...] = ()
    read_only: bool = False
    theme: str | None = None
    config: Path | None = None
    demo: bool = False


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Parses the command line. Exits for --help and --version (0), and for invalid arguments (2)."""
    parser = _make_parser()
    parsed = parser.parse_args(argv)
    if parsed.demo and (parsed.context or parsed.config):
        parser.error("--demo has a context of its own: leave out --context and --config")
    return Arguments(tuple(dict.fromkeys(parsed.context)), parsed.read_only, parsed.theme, parsed.config, parsed.demo)


def make_printable(text: str) -> str:
    """Returns the text without line breaks and control characters, so that foreign text can't control the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{PROGRAM}: {make_printable(message)}; {PROGRAM} --help lists the options\n")


def _make_parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM,
        description="A dashboard for GPU tasks on this machine, on your hosts and in the cloud.",
        epilog=_EPILOG,
        allow_abbrev=False,
        add_help=False,
    )
    add = parser.add_argument
    add("--context", metavar="NAME", action="append", default=[], help="show only this context; may be repeated")
    add("--read-only", action="store_true", help="show everything, change nothing")
    add("--theme", metavar="NAME", help="the theme to start with")
    add("--config", metavar="FILE", type=Path, help="read this configuration file instead of the default one")
    add("--demo", action="store_true", help="open a sample project; needs no account and stores nothing")
    add("--version", action="version", version=f"{PROGRAM} {__version__}", help="print the version and exit")
    add("-h", "--help", action="help", help="print this help and exit")
    return parser
