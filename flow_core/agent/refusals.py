"""What the agent refuses. Standard library only.

The agent has no sentences for people: a refusal is a code with details, and the edge of each provider makes the
sentence of it (`flow_core/providers/over_agent/refusals`). Codes and details keep their meaning for ever, since an
older client may read them; what is new is a new detail or a new code.
"""

from __future__ import annotations

import json
from typing import Any

SAID = "flow refused: "
"""How a refusal begins that a process has no other way to tell than a line of text; JSON follows."""


class Refused(Exception):
    """Nothing was changed, or all of it was undone. `details` hold only what JSON can."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details

    def line(self) -> str:
        return SAID + json.dumps({"code": self.code, "details": self.details})
