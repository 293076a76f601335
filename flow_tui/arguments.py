"""What the command line may say. Loads nothing heavy, so that --help and --version answer at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from flow_core import __version__

PROGRAM = "flow-tui"
_EPILOG = "Inside, press ? for the keys and ctrl+p for every command."


class Arguments(NamedTuple):
    """The command line, read. `contexts` is empty when all are meant; None is for what was not said."""

    contexts: tuple[str, ...] = ()
    read_only: bool = False
    theme: str | None = None
    config: Path | None = None
    demo: bool = False


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Reads the command line. Ends the program for --help, --version (0) and for what can't be read (2)."""
    parser = _parser()
    said = parser.parse_args(argv)
    if said.demo and (said.context or said.config):
        parser.error("--demo has a context of its own: leave out --context and --config")
    return Arguments(tuple(dict.fromkeys(said.context)), said.read_only, said.theme, said.config, said.demo)


def one_line(text: str) -> str:
    """The text without line breaks and terminal control: what came from outside can't paint."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{PROGRAM}: {one_line(message)}; {PROGRAM} --help lists what there is\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM,
        description="A dashboard for GPU tasks, on this machine and wherever else your contexts point.",
        epilog=_EPILOG,
        allow_abbrev=False,
        add_help=False,
    )
    add = parser.add_argument
    add("--context", metavar="NAME", action="append", default=[], help="show only this context; may be repeated")
    add("--read-only", action="store_true", help="look, but change nothing")
    add("--theme", metavar="NAME", help="colours to start with")
    add("--config", metavar="FILE", type=Path, help="read this file instead of the usual one")
    add("--demo", action="store_true", help="look around in a sample project; needs no account and keeps nothing")
    add("--version", action="version", version=f"{PROGRAM} {__version__}", help="print the version and leave")
    add("-h", "--help", action="help", help="print this and leave")
    return parser
