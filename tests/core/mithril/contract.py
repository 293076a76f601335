"""The published description of the API, held against what is asked and answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

UNDOCUMENTED = ("/v2/users/",)


class Contract:
    """An OpenAPI document, its `nullable` told to JSON Schema in its own words."""

    def __init__(self, path: Path) -> None:
        self._document = _plain(json.loads(path.read_text(encoding="utf-8")))

    def complaints(
        self, method: str, path: str, query: dict[str, list[str]], body: Any, status: int, answer: Any
    ) -> Iterator[str]:
        """What a request or its answer has that the description doesn't allow."""
        if path.startswith(UNDOCUMENTED) or status in (401, 404):
            return
        operation = self._operation(method, path)
        if operation is None:
            yield f"{method} {path} is not in the description"
            return
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query" and parameter.get("required") and parameter["name"] not in query:
                yield f"{method} {path} needs {parameter['name']}"
        if "requestBody" in operation:
            yield from self._of_schema(f"body of {method} {path}", operation["requestBody"], body)
        elif body is not None:
            yield f"{method} {path} takes no body"
        if status < 300 and str(status) not in operation["responses"]:
            yield f"{method} {path} is not answered with {status}"
        elif status < 300:
            yield from self._of_schema(f"answer to {method} {path}", operation["responses"][str(status)], answer)

    def _operation(self, method: str, path: str) -> Any:
        for template, operations in self._document["paths"].items():
            pattern = re.sub(r"\\\{[^/]*\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in operations:
                return operations[method.lower()]
        return None

    def _of_schema(self, what: str, described: Any, value: Any) -> Iterator[str]:
        if "content" not in described:
            return
        schema = described["content"]["application/json"]["schema"]
        validator = Draft202012Validator({**schema, "components": self._document["components"]})
        for error in validator.iter_errors(value):
            yield f"{what}: {error.json_path} {error.message}"


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(one) for name, one in value.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if value.get("nullable") is True else plain
