"""The description of the API finds what it doesn't allow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from core.mithril.contract import Contract

ROW = {
    "type": "object",
    "required": ["fid"],
    "properties": {"fid": {"type": "string"}, "note": {"$ref": "#/components/schemas/Note"}},
}
PATHS = {
    "/v2/things": {
        "get": {
            "parameters": [{"name": "project", "in": "query", "required": True}],
            "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": ROW}}}}},
        },
        "post": {
            "requestBody": {"content": {"application/json": {"schema": ROW}}},
            "responses": {"201": {"content": {"application/json": {"schema": ROW}}}},
        },
    },
    "/v2/things/{thing}": {"delete": {"responses": {"204": {}}}},
}


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    path = tmp_path / "openapi.json"
    schemas = {"Note": {"type": "string", "nullable": True}}
    path.write_text(json.dumps({"paths": PATHS, "components": {"schemas": schemas}}))
    return Contract(path)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("GET", "/v2/things", {"project": ["p"]}, None, 200, [{"fid": "a", "note": None}]), ""),
        (("GET", "/v2/things", {}, None, 200, []), "needs project"),
        (("GET", "/v2/things", {"project": ["p"]}, {"a": 1}, 200, []), "takes no body"),
        (("GET", "/v2/things", {"project": ["p"]}, None, 200, [{"note": "n"}]), "'fid' is a required property"),
        (("GET", "/v2/things", {"project": ["p"]}, None, 200, [{"fid": "a", "note": 5}]), "not valid"),
        (("POST", "/v2/things", {}, {"fid": 1}, 201, {"fid": "a"}), "body of POST"),
        (("POST", "/v2/things", {}, {"fid": "a"}, 200, {"fid": "a"}), "not answered with 200"),
        (("DELETE", "/v2/things/a", {}, None, 204, None), ""),
        (("DELETE", "/v2/things/a/b", {}, None, 204, None), "not in the description"),
        (("GET", "/v2/users/a", {}, None, 200, {}), ""),
    ],
)
def test_a_call_that_is_not_described_is_complained_about(contract: Contract, call: Any, said: str) -> None:
    complaints = list(contract.complaints(*call))
    assert bool(complaints) is bool(said)
    assert said in "".join(complaints)
