"""The errors of a download."""

from __future__ import annotations


class DownloadError(Exception):
    """The data can't be downloaded. The text is a sentence for the task's message."""


class UnsupportedKey(Exception):
    """An object can't become a file here. The text is the reason, without the address."""
