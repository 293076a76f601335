"""What an error may say."""

from __future__ import annotations

from flow_core import FlowError

LONGEST_SENTENCE = 600


def is_a_sentence(error: FlowError) -> bool:
    """Something to read, without control characters, and short enough to be read."""
    text = str(error)
    return bool(text.strip()) and text.isprintable() and len(text) <= LONGEST_SENTENCE
