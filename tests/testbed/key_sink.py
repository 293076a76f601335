"""Writes whatever is typed at it into a file, byte for byte."""

from __future__ import annotations

import os
import sys
import tty

tty.setraw(0)
with open(sys.argv[1], "wb", buffering=0) as sink:
    os.write(1, b"listening\r\n")
    while typed := os.read(0, 4096):
        sink.write(typed)
