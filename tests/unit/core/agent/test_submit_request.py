"""A submit as the agent is asked for it: any table may come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.agent.refusals import Refused
from flow_core.agent.submit_request import SubmitRequest
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.submit import build_submit_request
from flow_core.providers.over_agent.refusals import to_error

_FULL = {
    "command": ["echo", "ü"],
    "instance_type": "a100:2",
    "env": {"A": "b"},
    "ports": [8080],
    "retries": 2,
    "max_run_time_hours": 1,
    "idempotency_key": "once",
    "volumes": [{"name": "weights", "size_gb": 5}],
    "data_mounts": [{"source": "/", "target": "/in", "options": {"read_only": True}}],
}

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _request(**fields: Any) -> dict[str, Any]:
    return build_submit_request(TaskConfig.parse({"command": "true", **fields}), {"gpus": "a100:2"})


def test_a_request_means_the_same_once_it_was_sent():
    request = _request(**_FULL)
    assert SubmitRequest.parse(json.loads(json.dumps(request))) == SubmitRequest.parse(request)


@given(name=st.sampled_from(sorted(SubmitRequest._fields)), value=_JSON)
def test_whatever_a_request_holds_is_understood_or_refused(name, value):
    try:
        json.dumps(SubmitRequest.parse({**_request(**_FULL), name: value}))
    except Refused as refused:
        to_error(refused, "'gpu1'")


@given(table=_JSON, name=st.sampled_from(["gpus", "retries", "data_mounts", "volumes"]), key=st.text(max_size=12))
def test_the_tables_within_it_too(table, name, key):
    request = _request(**_FULL)
    inner = request[name][0] if isinstance(request[name], list) else request[name]
    inner[key if key not in inner else sorted(inner)[len(key) % len(inner)]] = table
    try:
        SubmitRequest.parse(request)
    except Refused:
        pass


@each("task_id", ["task_../../../x", "task_abc", "../task_abcdefghij", "task_abcdefghij\n", 5, None])
def test_no_task_id_leads_out_of_the_folder_of_tasks(task_id):
    with pytest.raises(Refused) as refusal:
        SubmitRequest.parse({**_request(), "task_id": task_id})
    assert "task_id" in str(to_error(refusal.value))
