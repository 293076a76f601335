"""Applies the terminal modes of an SSH client (RFC 4254, section 8) to a terminal."""

from __future__ import annotations

import termios
from collections.abc import Mapping

_CHARACTERS = {
    1: "VINTR", 2: "VQUIT", 3: "VERASE", 4: "VKILL", 5: "VEOF", 6: "VEOL", 7: "VEOL2", 8: "VSTART", 9: "VSTOP",
    10: "VSUSP", 12: "VREPRINT", 13: "VWERASE", 14: "VLNEXT", 18: "VDISCARD",
}  # fmt: skip
_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6
_FLAGS = {
    30: (_IFLAG, "IGNPAR"), 31: (_IFLAG, "PARMRK"), 32: (_IFLAG, "INPCK"), 33: (_IFLAG, "ISTRIP"),
    34: (_IFLAG, "INLCR"), 35: (_IFLAG, "IGNCR"), 36: (_IFLAG, "ICRNL"), 38: (_IFLAG, "IXON"),
    39: (_IFLAG, "IXANY"), 40: (_IFLAG, "IXOFF"), 41: (_IFLAG, "IMAXBEL"), 42: (_IFLAG, "IUTF8"),
    50: (_LFLAG, "ISIG"), 51: (_LFLAG, "ICANON"), 53: (_LFLAG, "ECHO"), 54: (_LFLAG, "ECHOE"),
    55: (_LFLAG, "ECHOK"), 56: (_LFLAG, "ECHONL"), 57: (_LFLAG, "NOFLSH"), 58: (_LFLAG, "TOSTOP"),
    59: (_LFLAG, "IEXTEN"), 60: (_LFLAG, "ECHOCTL"), 61: (_LFLAG, "ECHOKE"), 70: (_OFLAG, "OPOST"),
    72: (_OFLAG, "ONLCR"), 73: (_OFLAG, "OCRNL"), 74: (_OFLAG, "ONOCR"), 75: (_OFLAG, "ONLRET"),
}  # fmt: skip
_DISABLED = 255
_IUTF8 = 0x4000  # Python names it from 3.14 on; the same number on Linux and macOS


def apply_modes(terminal: int, modes: Mapping[int, int]) -> None:
    """Sets the modes that this system knows. Speeds and other opcodes have no meaning on a pseudo terminal."""
    settings = termios.tcgetattr(terminal)
    for opcode, value in modes.items():
        if (index := getattr(termios, _CHARACTERS.get(opcode, ""), None)) is not None:
            settings[_CC][index] = bytes([value]) if value < _DISABLED else b"\0"
        elif opcode in _FLAGS:
            which, name = _FLAGS[opcode]
            flag = getattr(termios, name, _IUTF8 if name == "IUTF8" else 0)
            settings[which] = settings[which] | flag if value else settings[which] & ~flag
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
