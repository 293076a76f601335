"""What is imported is declared, and what is installed stands in NOTICE with its licence."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

from testbed.places import ROOT
from testbed.source_files import FILES, read_source

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = {
    re.split(r"[^A-Za-z0-9_.-]", text)[0].lower().replace("_", "-")
    for text in (
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["fast"],
        *PROJECT["optional-dependencies"]["emulator"],
    )
} | {re.split(r"[^A-Za-z0-9_.-]", text)[0] for text in PROJECT["optional-dependencies"]["s3"]}
LICENCES = dict(re.findall(r"^([a-z0-9-]+) {2,}(.+)$", (ROOT / "NOTICE").read_text(encoding="utf-8"), re.MULTILINE))


def installed(names: set[str]) -> dict[str, str]:
    """Those packages and all that they need, with the licence that their metadata name."""
    found: dict[str, str] = {}
    left = set(names)
    while left:
        name = left.pop()
        try:
            there = distribution(name)
        except PackageNotFoundError:
            continue  # for another system, or an extra that isn't installed
        found[name] = there.metadata.get("License-Expression") or ""
        wanted = [text for text in there.requires or [] if "extra ==" not in text]
        more = {re.split(r"[^A-Za-z0-9_.-]", text)[0].lower().replace("_", "-") for text in wanted}
        left |= more - found.keys()
    return found


def test_everything_that_is_imported_is_declared() -> None:
    known = packages_distributions()
    others = (
        {name.partition(".")[0] for file in FILES for _, name in read_source(file).imports}
        - sys.stdlib_module_names
        - {"flow_core", "flow_tui"}
    )
    owners = {name: {one.lower().replace("_", "-") for one in known.get(name, ())} for name in others}
    assert {name for name, packages in owners.items() if packages and not packages & DECLARED} == set()


def test_every_package_that_is_installed_has_its_licence_in_the_notice() -> None:
    found = installed(DECLARED)
    assert {"asyncssh", "bittty", "pydantic-core", "rich"} <= found.keys()
    assert found.keys() - LICENCES.keys() == set()
    assert {name: LICENCES[name] for name, licence in found.items() if licence and licence not in LICENCES[name]} == {}
