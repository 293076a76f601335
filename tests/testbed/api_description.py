"""The published description of the API, with the allowed deviations, and checks against it."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from testbed.api_deviations import MORE_SHAPES, TEXT_DETAIL, UNDECLARED_STATUSES, UNDESCRIBED

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
    """Finds what is wrong with a request or an answer."""

    def __init__(self, path: Path) -> None:
        self._document = _plain(with_deviations(json.loads(path.read_text(encoding="utf-8"))))
        self._validators: dict[int, Draft202012Validator] = {}  # by the schema's id(); the document keeps the schema
        paths = self._document["paths"]
        self.operations = [(method.upper(), path) for path, operations in paths.items() for method in operations]
        self._patterns = [(method, path, _pattern(path)) for method, path in self.operations]

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
            yield from self._errors_at(where, schema, json.loads(body))

    def requested(self, method: str, path: str, query: Mapping[str, Sequence[str]], body: bytes) -> Iterator[str]:
        """One sentence for each mistake of a request, also for what the API ignores, such as an unknown parameter."""
        where = f"{method} {path}"
        found = self.operation_of(method, path)
        if found is None:
            yield f"{where}: not described"
            return
        if (found[0].lower(), found[1]) in UNDESCRIBED:
            return
        operation = self._document["paths"][found[1]][found[0].lower()]
        parameters = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] == "query"}
        yield from (
            f"{where}: needs {name}" for name, one in parameters.items() if one.get("required") and name not in query
        )
        for name, texts in query.items():
            if name not in parameters:
                yield f"{where}: takes no {name}"
            elif not any(self._fit(parameters[name]["schema"], _readings(texts))):
                yield f"{where}: {name} may not be {texts}"
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            value = json.loads(body) if body else None
            yield from self._errors_at(where, schema, value)
        elif body:
            yield f"{where}: takes no body"

    def _fit(self, schema: Any, values: Iterable[Any]) -> Iterator[bool]:
        return (not any(self._errors(schema, value)) for value in values)

    def _errors_at(self, where: str, schema: Any, value: Any) -> Iterator[str]:
        return (f"{where}: {error.json_path} {error.message}" for error in self._errors(schema, value))

    def _errors(self, schema: Any, value: Any) -> Iterator[ValidationError]:
        if not schema:
            return iter(())  # it allows everything
        validator = self._validators.get(id(schema))
        if validator is None:
            whole = {**schema, "components": self._document["components"]}
            validator = self._validators[id(schema)] = Draft202012Validator(whole, format_checker=FORMATS)
        return validator.iter_errors(value)

    def operation_of(self, method: str, path: str) -> tuple[str, str] | None:
        """The one that answers this, as it stands in `operations`."""
        fitting = [
            (known, template)
            for known, template, pattern in self._patterns
            if known == method and pattern.fullmatch(path) is not None
        ]
        return min(fitting, key=lambda one: one[1].count("{"), default=None)


@cache
def published() -> Description | None:
    """None where FLOW_MITHRIL_OPENAPI is not set."""
    named = os.environ.get("FLOW_MITHRIL_OPENAPI")
    return Description(Path(named)) if named else None


@contextmanager
def check_requests() -> Iterator[None]:
    """Fails at its end if a request of this process meanwhile is not as described."""
    description, send = published(), httpx.AsyncHTTPTransport.handle_async_request
    complaints: list[str] = []

    async def check(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        url = request.url
        if description is not None and not url.path.startswith("/_emulator/"):
            query = {name: url.params.get_list(name) for name in url.params}
            complaints.extend(description.requested(request.method, url.path, query, await request.aread()))
        return await send(transport, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", check)
        yield
    assert complaints == []


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", template))


def _readings(texts: Sequence[str]) -> Iterator[Any]:
    """What a query may mean: text, a number, a truth, or a list with commas between its elements."""
    if len(texts) > 1:
        return
    text = texts[0]
    yield text
    yield text.split(",")
    if re.fullmatch(r"-?\d+", text):
        yield int(text)
    if text in ("true", "false"):
        yield text == "true"


def _plain(value: Any) -> Any:
    """`nullable` in JSON Schema's own words."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(one) for name, one in value.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if value.get("nullable") is True else plain
