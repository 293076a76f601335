"""Property tests generate the same examples in every run, and an example that `make fuzz` found is not forgotten."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from testbed.places import ROOT
from testbed.waiting import DEADLINE_S

CONFTEST = """
from pathlib import Path
from testbed import properties
properties.STORED = Path(__file__).parent / "stored"
properties.load_property_settings()
pytest_collection_modifyitems = lambda items: properties.seed_property_tests(items)
"""
TEST = """
import os
from hypothesis import given, settings, strategies as st
@settings(max_examples=20)
@given(st.integers(0, 10**9))
def test_a_number(number):
    print("number", number)
    assert number < int(os.environ["BELOW"])
"""


def test_an_example_is_stored_by_a_search_and_replayed_by_each_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_number.py").write_text(TEST, encoding="utf-8")
    first, second = (_numbers(tmp_path, below=10**9 + 1) for _ in range(2))
    assert first == second
    assert len(first) == 20
    _numbers(tmp_path, below=1234, FLOW_TEST_EXPLORE="7")
    assert _numbers(tmp_path, below=1234)[0] == 1234
    assert (tmp_path / "stored").is_dir()


def _numbers(folder: Path, below: int, **variables: str) -> list[int]:
    env = {k: v for k, v in os.environ.items() if k != "FLOW_TEST_EXPLORE"}
    env |= {
        "BELOW": str(below),
        "PYTHONPATH": f"{ROOT}/tests:{ROOT}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **variables,
    }
    plugins = ("-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider")  # those that it needs; the others take long
    command = [sys.executable, "-m", "pytest", "-s", *plugins, str(folder)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return [int(number) for number in re.findall(r"number (\d+)\n", done.stdout)]
