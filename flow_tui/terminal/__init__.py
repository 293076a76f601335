"""Bytes <-> cells: a terminal emulator behind a small interface of ours. No Textual in here."""
