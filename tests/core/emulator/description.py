"""The published description, with the allowed deviations in it, held against every answer."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from core.emulator.deviations import MORE_SHAPES, TEXT_DETAIL, UNDECLARED_STATUSES, UNDESCRIBED
from jsonschema import Draft202012Validator, FormatChecker

FORMATS = FormatChecker(("email", "uuid"))


@FORMATS.checks("datetime", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("duration")
def _is_duration(value: object) -> bool:
    days_and_time = r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"
    return not isinstance(value, str) or re.fullmatch(days_and_time, value) is not None


def with_deviations(document: Any) -> Any:
    """The description as the emulator is to follow it."""
    document = copy.deepcopy(document)
    for method, path in UNDESCRIBED:
        document["paths"].setdefault(path, {}).setdefault(method, _undescribed(path))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status in UNDECLARED_STATUSES:
                operation["responses"].setdefault(str(status), {"description": ""}).setdefault(
                    "content", {"application/json": {"schema": TEXT_DETAIL}}
                )
            if (method, path) in MORE_SHAPES:
                content = operation["responses"]["200"]["content"]["application/json"]
                content["schema"] = {"anyOf": [content["schema"], *MORE_SHAPES[method, path][1]]}
    return document


def _undescribed(path: str) -> Any:
    names = re.findall(r"\{(\w+)\}", path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    good = {"description": "", "content": {"application/json": {"schema": {}}}}
    return {
        "parameters": parameters,
        "responses": {"200": good, "202": good},
        "security": [{"MithrilAPIKey": []}],
    }


class Description:
    """What an answer has that it may not have."""

    def __init__(self, path: Path) -> None:
        self._document = _plain(with_deviations(json.loads(path.read_text(encoding="utf-8"))))

    @property
    def operations(self) -> list[tuple[str, str]]:
        return [(method.upper(), path) for path, all in self._document["paths"].items() for method in all]

    def complaints(self, method: str, path: str, status: int, body: bytes) -> Iterator[str]:
        """One sentence each."""
        where = f"{method} {path} -> {status}"
        found = self.operation_of(method, path)
        if found is None:
            if status not in (404, 405):
                yield f"{where}: not described"
            return
        answer = self._document["paths"][found[1]][found[0].lower()]["responses"].get(str(status))
        if answer is None:
            yield f"{where}: not declared"
        elif status == 204:
            if body:
                yield f"{where}: has a body"
        else:
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            validator = Draft202012Validator(
                {**schema, "components": self._document["components"]}, format_checker=FORMATS
            )
            for error in validator.iter_errors(json.loads(body)):
                yield f"{where}: {error.json_path} {error.message}"

    def operation_of(self, method: str, path: str) -> tuple[str, str] | None:
        """The one that answers this, as it stands in `operations`."""
        fitting = [
            (known, template) for known, template in self.operations if known == method and _fits(template, path)
        ]
        return min(fitting, key=lambda one: one[1].count("{"), default=None)


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def _plain(value: Any) -> Any:
    """`nullable` in JSON Schema's own words."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(one) for name, one in value.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if value.get("nullable") is True else plain
