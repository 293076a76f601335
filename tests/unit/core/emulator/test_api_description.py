"""The check against the published description finds every deviation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testbed.api_description import Description

ROW = {
    "type": "object",
    "required": ["fid"],
    "properties": {"fid": {"type": "string"}, "note": {"$ref": "#/components/schemas/Note"}},
}
QUERY = [
    {"in": "query", "name": "project", "required": True, "schema": {"type": "string"}},
    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}},
    {"in": "query", "name": "status_in", "schema": {"type": "array", "items": {"enum": ["on", "off"]}}},
]
PATHS = {
    "/v2/things": {
        "get": {
            "parameters": QUERY,
            "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": ROW}}}}},
        },
        "post": {
            "requestBody": {"content": {"application/json": {"schema": ROW}}},
            "responses": {"201": {"content": {"application/json": {"schema": ROW}}}},
        },
    },
    "/v2/things/{thing}": {"delete": {"responses": {"204": {}}}},
    "/v2/reservation/availability": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {}}}}}}},
}


@pytest.fixture
def description(tmp_path: Path) -> Description:
    path = tmp_path / "openapi.json"
    schemas = {"Note": {"type": "string", "nullable": True}}
    path.write_text(json.dumps({"paths": PATHS, "components": {"schemas": schemas}}))
    return Description(path)


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (("GET", "/v2/things", {"project": ["p"], "limit": ["100"], "status_in": ["on,off"]}, None), ""),
        (("GET", "/v2/things", {}, None), "needs project"),
        (("GET", "/v2/things", {"project": ["p"], "limit": ["101"]}, None), "limit may not be"),
        (("GET", "/v2/things", {"project": ["p"], "limit": ["many"]}, None), "limit may not be"),
        (("GET", "/v2/things", {"project": ["p"], "status_in": ["on", "off"]}, None), "status_in may not be"),
        (("GET", "/v2/things", {"project": ["p"], "pages": ["1"]}, None), "takes no pages"),
        (("GET", "/v2/things", {"project": ["p"]}, {"a": 1}), "takes no body"),
        (("POST", "/v2/things", {}, {"fid": 1}), "not of type 'string'"),
        (("POST", "/v2/things", {}, None), "not of type 'object'"),
        (("DELETE", "/v2/things/a", {}, None), ""),
        (("DELETE", "/v2/things/a/b", {}, None), "not described"),
        (("GET", "/v2/users/a", {}, None), ""),
    ],
)
def test_a_request_that_is_not_described_is_complained_about(
    description: Description, request_: Any, complaint: str
) -> None:
    *where, body = request_
    complaints = list(description.requested(*where, b"" if body is None else json.dumps(body).encode()))
    assert bool(complaints) is bool(complaint)
    assert complaint in "".join(complaints)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (("GET", "/v2/things", 200, [{"fid": "a", "note": None}]), ""),
        (("GET", "/v2/things", 200, [{"note": "n"}]), "'fid' is a required property"),
        (("GET", "/v2/things", 200, [{"fid": "a", "note": 5}]), "not valid"),
        (("GET", "/v2/things", 401, {"detail": "who?"}), ""),
        (("GET", "/v2/things", 500, {"detail": "oops"}), "not declared"),
        (("POST", "/v2/things", 200, {"fid": "a"}), "not declared"),
        (("DELETE", "/v2/things/a", 204, None), ""),
        (("DELETE", "/v2/things/a", 204, "x"), "has a body"),
    ],
)
def test_an_answer_that_is_not_described_is_complained_about(
    description: Description, answer: Any, complaint: str
) -> None:
    *where, body = answer
    complaints = list(description.complaints(*where, b"" if body is None else json.dumps(body).encode()))
    assert bool(complaints) is bool(complaint)
    assert complaint in "".join(complaints)
