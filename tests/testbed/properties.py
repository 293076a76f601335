"""The settings of property tests.

`make test` replays the examples that `make fuzz` has stored and then generates the same examples in every run.
`make fuzz` generates new ones and stores each example that fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings
from hypothesis.database import DirectoryBasedExampleDatabase, ReadOnlyDatabase

STORED = Path(__file__).parents[1] / "stored_examples"
EXPLORE = "FLOW_TEST_EXPLORE"
SEED = int(os.environ.get(EXPLORE, "0"))
MORE = 10 if EXPLORE in os.environ else 1
"""How many times as many examples `make fuzz` tries."""

T = TypeVar("T")


def load_property_settings() -> None:
    stored = DirectoryBasedExampleDatabase(STORED)
    settings.register_profile(
        "repeat", max_examples=25, deadline=None, print_blob=True, database=ReadOnlyDatabase(stored)
    )
    settings.register_profile("explore", max_examples=25 * MORE, deadline=None, print_blob=True, database=stored)
    settings.load_profile("explore" if EXPLORE in os.environ else "repeat")


def limit_examples(count: int) -> settings:
    """A decorator for a property test: so many examples in `make test`, MORE times as many in `make fuzz`.

    All examples share the fixtures of the test.
    """
    return settings(max_examples=count * MORE, suppress_health_check=list(HealthCheck))


def seed_property_tests(items: Iterable[pytest.Item]) -> None:
    """Sets hypothesis' own attribute, because its public ways to set a seed turn the stored examples off."""
    for item in items:
        function = getattr(item, "obj", None)
        if function is not None and is_hypothesis_test(function):
            seeded(getattr(function, "__func__", function))


def seeded(test: T) -> T:
    """A decorator for state machines; every other property test gets its seed by itself."""
    test._hypothesis_internal_use_seed = SEED  # type: ignore[attr-defined]
    return test
