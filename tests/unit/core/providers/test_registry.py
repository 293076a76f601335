"""The registry of providers: a folder and one line make one, and nothing outside the folder names it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from testbed.places import ROOT
from testbed.provider_registry import register

from flow_core.config import Context
from flow_core.config_file import load_config
from flow_core.errors import ConfigError, Unsupported
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task_config import TaskConfig
from flow_core.prompter import Prompter
from flow_core.providers import PROVIDERS, get_provider_type, hosts, local, mithril, open_provider, slurm
from flow_core.providers.contract.config_schema import UsableSettings, drop_invalid
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.contract.provider_type import ProviderType
from flow_core.providers.contract.supported_fields import UnsupportedField, check_supported
from flow_core.providers.hosts import supported_fields as of_hosts
from flow_core.providers.local import supported_fields as of_local
from flow_core.providers.mithril import reservations as reservations_of_mithril
from flow_core.providers.mithril import supported_fields as of_mithril
from flow_core.providers.over_agent import reservation_conversion

OF_TASKS = (
    *of_local.UNSUPPORTED,
    *of_hosts.UNSUPPORTED,
    *of_hosts.UNSUPPORTED_ON_SEVERAL,
    *of_mithril.UNSUPPORTED,
)
OF_RESERVATIONS = (*reservation_conversion.UNSUPPORTED, *reservations_of_mithril.UNSUPPORTED)


class Toy(Provider):
    """A provider with nothing but what is required, and not even all of that."""

    poll = PollIntervals(busy_s=1, idle_s=1)

    def __init__(self, context: Context, person: Prompter | None) -> None:
        self.settings = context.settings


def _size_of(settings: Mapping[str, Any]) -> int:
    if not isinstance(size := settings.get("size", 1), int):
        raise ConfigError("size: must be a number", field="size")
    return size


def _usable(settings: Mapping[str, Any]) -> UsableSettings:
    return drop_invalid(settings, _size_of)


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_of_the_registry_is_a_folder_of_its_name(name: str) -> None:
    assert PROVIDERS[name] == f"flow_core.providers.{name}"
    assert isinstance(get_provider_type(name), ProviderType)
    assert {local.PROVIDER, hosts.PROVIDER, mithril.PROVIDER, slurm.PROVIDER} >= {get_provider_type(name)}


def test_a_provider_lacks_every_facet_that_it_does_not_override(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "toy", Toy)
    toy = open_provider(Context("mine", "toy"))
    assert isinstance(toy, Toy)
    facets = [name for name, value in vars(Provider).items() if isinstance(value, property)]
    required = {"poll", "config_schema"}
    assert [name for name in facets if name not in required and getattr(toy, name) is not None] == []


def test_the_config_file_takes_the_settings_that_the_provider_can_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, "toy", Toy, usable_settings=_usable)
    file = tmp_path / "config.yaml"
    file.write_text("contexts:\n  mine: {provider: toy, colour: red, size: big}\n")
    config = load_config(file)
    assert config.context("mine").settings == {"colour": "red"}
    (problem,) = config.problems
    assert (problem.field, problem.line) == ("contexts.mine.size", 2)
    assert "contexts.mine.size: must be a number" in str(problem)


def test_a_provider_may_have_a_context_that_no_file_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOY_KEY", raising=False)
    register(monkeypatch, "toy", Toy, has_own_context=lambda: "TOY_KEY" in os.environ)
    assert [context.name for context in load_config().contexts] == ["local"]
    monkeypatch.setenv("TOY_KEY", "x")
    config = load_config()
    assert [context.name for context in config.contexts] == ["local", "toy"]
    assert config.default == "local"


def test_every_unsupported_field_exists_and_its_refusal_names_it() -> None:
    assert {field.name for field in OF_TASKS} <= set(TaskConfig.model_fields)
    assert {field.name for field in OF_RESERVATIONS} <= set(ReservationSpec.model_fields)
    plain = TaskConfig(command="true")
    assert [field.name for field in OF_TASKS if field.is_used(plain)] == []
    odd = UnsupportedField[TaskConfig]("array", lambda task: task.array, "there are no arrays here")
    check_supported(plain, [odd])
    with pytest.raises(Unsupported, match=r"^array: there are no arrays here$") as refused:
        check_supported(TaskConfig(command="true", array="0-3"), [odd])
    assert refused.value.field == "array"


def test_nothing_outside_a_providers_folder_decides_by_its_name() -> None:
    """The config alone knows the default context, which is called as its provider is."""
    found = [f"{file}:{line}" for file in _sources() for line in _comparisons_with(file, {*PROVIDERS})]
    assert found == []


def test_nothing_decides_by_the_metadata_of_a_provider() -> None:
    found = [f"{file}:{line}" for file in _sources() for line in _reads_of_metadata(file)]
    assert found == []


def _sources() -> Iterator[Path]:
    for package in ("flow_core", "flow_tui"):
        yield from (ROOT / package).rglob("*.py")


def _comparisons_with(file: Path, names: set[str]) -> Iterator[int]:
    if file.relative_to(ROOT).parts[:2] == ("flow_core", "emulator"):
        return
    for node in _nodes(file, ".provider"):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            is_of_provider = any(isinstance(one, ast.Attribute) and one.attr == "provider" for one in sides)
            if is_of_provider and any(isinstance(one, ast.Constant) and one.value in names for one in sides):
                yield node.lineno


def _reads_of_metadata(file: Path) -> Iterator[int]:
    """`x.provider_metadata.get(...)` and `x.provider_metadata[...]`."""
    for node in _nodes(file, "provider_metadata"):
        is_read = isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr == "get")
        if is_read and isinstance(node.value, ast.Attribute) and node.value.attr == "provider_metadata":
            yield node.lineno


def _nodes(file: Path, word: str) -> Iterator[ast.AST]:
    """Of a file that has the word; the others have no node of interest, and to parse them all takes a second."""
    text = file.read_text(encoding="utf-8")
    return ast.walk(ast.parse(text)) if word in text else iter(())
