"""Refusals of the agent.

The agent writes no sentences for users. A refusal is a code with details; the providers turn it into a sentence
(`flow_core/providers/over_agent/refusals`). Codes and details never change their meaning, since an older client may
read them. A new fact gets a new detail or a new code.
"""

from __future__ import annotations

import json
from typing import Any

REFUSAL_PREFIX = "flow refused: "
"""Prefix of a refusal that a process can report only as a line of text; JSON follows."""


class Refused(Exception):
    """The agent refuses a call: it changed nothing, or undid every change. `details` fit JSON."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details

    def format_line(self) -> str:
        """Returns the refusal as a line of text."""
        return REFUSAL_PREFIX + json.dumps({"code": self.code, "details": self.details})
