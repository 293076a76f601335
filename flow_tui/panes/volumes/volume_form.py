"""The form that creates a volume."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from flow_core.errors import ConfigError
from flow_core.models.volume import Volume
from flow_tui.dialogs.field import ChoiceInput, Field, LineInput
from flow_tui.dialogs.form import Form
from flow_tui.dialogs.submit.form_to_config import parse_size_gb

Create = Callable[[str, int, str, str], Awaitable[Volume]]
"""(context name, size in GB, name, interface) -> the volume."""


_TYPES = {"block (one task)": "block", "file (many tasks)": "file"}
ConfirmCreate = Callable[[str, int, str, str], Awaitable[None]]
"""(context name, size in GB, name, interface); raises FlowError if the user refuses."""


class VolumeForm(Form[Volume]):
    """A form for the properties of a volume. It creates and answers the volume; None if the user closes it."""

    SEND: ClassVar[str] = "Create"
    SENDING: ClassVar[str] = "creating…"
    FIELD_OF: ClassVar[Mapping[str, str]] = {
        "name": "name",
        "size_gb": "size_gb",
        "interface": "interface",
        "context": "context",
    }

    def __init__(
        self,
        contexts: Sequence[str],
        create: Create,
        *,
        confirm: ConfirmCreate | None = None,
        preset: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("New volume")
        self._contexts = contexts
        self._create = create
        self._confirm = confirm
        self._initial_values = dict(preset or {})

    def make_fields(self) -> Iterable[Field]:
        initial = self._initial_values.get
        yield Field("name", "name", LineInput(initial("name", ""), placeholder="optional; 3 to 64 of a-z, 0-9 and -"))
        yield Field("size_gb", "size (GB)", LineInput(initial("size_gb", "10"), placeholder="100"))
        yield Field("interface", "type", ChoiceInput(tuple(_TYPES), _find_type_text(initial("interface", ""))))
        yield Field("context", "context", ChoiceInput(self._contexts, initial("context", "")))

    async def confirm(self, entered: Mapping[str, str]) -> None:
        if self._confirm is not None:
            await self._confirm(*await self._read(entered))

    async def send(self, entered: Mapping[str, str]) -> Volume:
        return await self._create(*await self._read(entered))

    async def _read(self, entered: Mapping[str, str]) -> tuple[str, int, str, str]:
        if not entered["context"]:
            raise ConfigError("no context is configured", field="context")
        name, size_gb = await asyncio.to_thread(_parse_fields, entered)
        return entered["context"], size_gb, name, _TYPES[entered["interface"]]


def _find_type_text(interface: str) -> str:
    return next((text for text, kind in _TYPES.items() if kind == interface), "")


def _parse_fields(entered: Mapping[str, str]) -> tuple[str, int]:
    from flow_core.models.task_config import VolumeSpec  # lazy import: loads pydantic

    name, size_gb = entered["name"].strip(), parse_size_gb(entered["size_gb"])
    VolumeSpec.parse({"name": name, "size_gb": size_gb, "interface": _TYPES[entered["interface"]]})
    return name, size_gb
