"""Puts providers of tests into the registry."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from flow_core import providers
from flow_core.config import Context
from flow_core.prompter import Prompter
from flow_core.providers.contract.provider import Provider
from flow_core.providers.contract.provider_type import ProviderType


def register(
    patch: pytest.MonkeyPatch, name: str, opens: Callable[[Context, Prompter | None], Provider], **fields: Any
) -> None:
    """`opens` opens the contexts of this provider while the patch lasts. `fields` are further ones of ProviderType."""
    module = ModuleType(f"{name}_provider")
    module.PROVIDER = ProviderType(opens, **fields)  # type: ignore[attr-defined]
    patch.setitem(sys.modules, module.__name__, module)
    patch.setitem(providers.PROVIDERS, name, module.__name__)
