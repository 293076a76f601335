"""What to find in a log."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from flow_core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Text to find in a log as it is shown; without `literal`, a regular expression of Python.

    Without `case_sensitive`, the search is case-sensitive if the pattern contains a capital letter. A match never spans
    lines.
    """

    pattern: str
    literal: bool = True
    case_sensitive: bool | None = None

    @property
    def source(self) -> str:
        """The regular expression to run."""
        return re.escape(self.pattern) if self.literal else self.pattern

    @property
    def ignores_case(self) -> bool:
        if self.case_sensitive is not None:
            return not self.case_sensitive
        shown = self.pattern if self.literal else re.sub(r"\\.", "", self.pattern)
        return not any(char.isupper() for char in shown)

    def check(self) -> None:
        """Raises ConfigError if the pattern is no regular expression. Compiles it, but doesn't run it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a pattern of the user may use what a later Python will refuse
                re.compile(self.source, re.MULTILINE)
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"not a regular expression: {error}", field="search") from None
