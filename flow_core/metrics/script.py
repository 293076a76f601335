"""What runs on the machine."""

from __future__ import annotations

from pathlib import Path

PERIOD_S = 2
_PATIENCE_S = 10


def sampling_script(period_s: int = PERIOD_S, patience_s: int = _PATIENCE_S) -> str:
    """A line of text for sh. It ends with its stdin, and takes with it whatever it started."""
    body = Path(__file__).with_name("sampling.sh").read_text(encoding="utf-8")
    return f"pause={period_s} limit={patience_s}\n{body}"
