"""What the user reads when slurmrestd refuses, fails or answers nonsense, and the tokens that it gets."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from testbed.rest_recordings import NEW, OLD, load
from testbed.tables import each

from flow_core.errors import AuthError, ConfigError, Conflict, FlowError, NotFound, ProviderError, Unreachable
from flow_core.providers.slurm.discovery.node import Condition
from flow_core.providers.slurm.discovery.offers import build_offer, list_groups
from flow_core.providers.slurm.rest.cluster import decode_cluster
from flow_core.providers.slurm.rest.rest_answer import (
    AccessDenied,
    RestAnswer,
    build_rest_error,
    describe_faults,
    parse_body,
)
from flow_core.providers.slurm.rest.token import Token, TokenSource
from flow_core.providers.slurm.submit.site import NodeKind

TITLE = "slurmrestd at http://login:6820"
TOKEN = Token("secret.secret.secret", "SLURM_JWT")
DOWN = "slurmctld does not answer slurmrestd at http://login:6820"
REFUSED = "does not accept the token of SLURM_JWT for user alice; make a new one with `scontrol token`"


def fault(number: int, error: str = "", description: str = "", key: str = "error_number") -> dict[str, Any]:
    return {"errors": [{key: number, "error": error, "description": description, "source": "x"}]}


@each(
    "status, body, took_s, error, words",
    [
        # as Slurm 22.05 answers
        (500, fault(2017, "Invalid job id specified"), 0.1, NotFound, "does not know this job"),
        (500, fault(-1, "Unspecified error", "Unable to find JobId=1"), 0.1, AuthError, REFUSED),
        (500, fault(-1, "Unspecified error", key="errno"), 0.1, AuthError, REFUSED),
        (500, fault(-1, "Unspecified error", "Failed while looking for jobs"), 9.1, Unreachable, DOWN),
        (500, fault(5005, "Zero Bytes were transmitted", key="error_code"), 0.1, AuthError, REFUSED),
        (500, fault(1800, "Unable to contact slurm controller", key="error_code"), 9.0, Unreachable, DOWN),
        (500, fault(1000, "Unexpected message received"), 9.0, Unreachable, DOWN),
        (500, fault(2002, "Access/permission denied"), 0.1, AccessDenied, "does not allow POST x to user alice"),
        (500, fault(2056, "Requested operation is presently disabled"), 0.1, Conflict, "does not allow it"),
        (500, fault(2084, "Job has already finished"), 0.1, Conflict, "has already ended"),
        (400, fault(9001, "Failure during parsing"), 0.1, ProviderError, "Slurm refused POST x: Failure during"),
        (401, None, 0.1, AuthError, REFUSED),
        (404, None, 0.1, NotFound, "check rest_url"),
        # as Slurm 24.11 answers
        (404, fault(2017, "Invalid job id specified"), 0.1, NotFound, "does not know this job"),
        (511, fault(1007, "Protocol authentication error"), 0.1, AuthError, REFUSED),
        (502, fault(1800, "Unable to contact slurm controller"), 9.0, Unreachable, DOWN),
        (500, fault(1, "Operation not permitted", "Signal request failed"), 9.0, Unreachable, DOWN),
        (500, fault(2014, "Requested node configuration"), 0.1, ProviderError, "Requested node configuration"),
        # what stands before it
        (502, None, 0.1, Unreachable, "can't answer now"),
        (503, None, 0.1, Unreachable, "can't answer now"),
        (429, None, 0.1, Unreachable, "try again"),
        (302, None, 0.1, ProviderError, "redirects POST x"),
        (200, None, 0.1, ProviderError, "is not JSON; check rest_url"),
        (500, None, 0.1, ProviderError, "failed at POST x"),
        (500, {"errors": "x"}, 0.1, ProviderError, "failed at POST x"),
        (500, {"errors": [3, {}, {"error": ["x"]}]}, 9.0, Unreachable, DOWN),
    ],
)
def test_each_failure_has_its_sentence(
    status: int, body: dict[str, Any] | None, took_s: float, error: type[FlowError], words: str
) -> None:
    found = build_rest_error(RestAnswer(status, body, took_s), "POST x", TITLE, "alice", TOKEN)
    assert type(found) is error
    assert words in str(found)
    assert found.status == status
    assert "secret" not in str(found)


def test_an_expired_token_is_named_as_the_reason() -> None:
    token = Token("a.b.c", "/home/alice/token", time.time() - 300)
    error = build_rest_error(RestAnswer(511, fault(1007), 0.1), "GET jobs", TITLE, "alice", token)
    assert str(error) == "the token of /home/alice/token expired 5 min ago; make a new one with `scontrol token`"


def test_what_slurm_says_is_one_printable_line() -> None:
    answer = RestAnswer(500, fault(2000, f"\x1b[2Jbad\nnews {TOKEN.text} " + "x" * 500))
    assert describe_faults(answer.faults, TOKEN).startswith("␛[2Jbad")
    assert "<token> xxx" in describe_faults(answer.faults, TOKEN)
    assert len(describe_faults(answer.faults, TOKEN)) <= 300
    assert describe_faults((), TOKEN) == "it gives no reason"


@each("data", [b"", b"[]", b"3", b"<html>", b"\xff", b"[" * 100_000, b'{"a": ' * 50_000])
def test_what_is_no_object_is_no_body(data: bytes) -> None:
    assert parse_body(data) is None


def test_a_number_of_thousands_of_digits_spoils_no_answer() -> None:
    assert parse_body(b'{"a": ' + b"9" * 5000 + b', "b": 1}') == {"a": float("inf"), "b": 1}


def make_token(**claims: Any) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


async def test_the_token_of_a_file_is_read_again_for_every_request(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    tokens = TokenSource(path)
    for text in (make_token(sun="alice", exp=1), make_token(exp=1 << 39)):
        path.write_text(f"SLURM_JWT={text}\n")  # as scontrol prints it
        token = await tokens.read()
        assert (token.text, token.place) == (text, str(path))
        assert text not in repr(token)
        assert token.describe_expiry().startswith("expired ") == (text == make_token(sun="alice", exp=1))


async def test_without_a_file_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    text = make_token(exp=time.time() - 5)
    monkeypatch.setenv("SLURM_JWT", f" {text}\n")
    token = await TokenSource(None).read()
    assert (token.text, token.place, token.describe_expiry()) == (text, "SLURM_JWT", "")


@each("mode", [0o640, 0o604, 0o660, 0o601])
async def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    path.write_text(make_token())
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"^rest_token_file: others can read .*chmod 600") as refused:
        await TokenSource(path).read()
    assert refused.value.field == "rest_token_file"


@each("text", ["", "  \n", "no token", "a.b", "a.b.c\nx", "a b.c.d", "\xff.b.c", "a.b.c" + "!" * 3])
async def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(AuthError, match=r"no token for slurmrestd; make a new one"):
        await TokenSource(path).read()


async def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        os.chmod(tmp_path, 0o700)
        with pytest.raises(ConfigError, match=r"^rest_token_file: "):
            await TokenSource(path).read()


async def test_without_any_token_the_user_is_told_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JWT", raising=False)
    with pytest.raises(AuthError, match=r"scontrol token.*rest_token_file or SLURM_JWT$"):
        await TokenSource(None).read()


@each("claims", [{}, {"exp": "soon"}, {"exp": True}, {"exp": -1}, {"exp": 1e400}, {"exp": 1 << 60}])
async def test_a_token_without_a_readable_expiry_never_counts_as_expired(
    monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any]
) -> None:
    monkeypatch.setenv("SLURM_JWT", make_token(**claims))
    assert (await TokenSource(None).read()).describe_expiry() == ""


READY, PLANNED = Condition.READY, Condition.PLANNED


@each("version, conditions, free", [(OLD, [READY, READY, PLANNED], [4, 2]), (NEW, [PLANNED] * 3, [0, 0])])
def test_the_nodes_and_partitions_are_the_same_in_every_version(
    version: int, conditions: list[Condition], free: list[int]
) -> None:
    answer = load("cluster", version)
    state, facts = decode_cluster(answer, answer, "alice")
    assert state.unreadable == 0
    assert [node.name for node in state.nodes] == ["node1", "node2", "node3"]
    assert all(node.gpus == {"a100": 4} and node.cpus == 8 for node in state.nodes)
    assert [node.condition for node in state.nodes] == conditions
    assert all(node.memory_mb > 10_000 for node in state.nodes)
    assert [node.used_gpus["a100"] for node in state.nodes] == [2, 2, 0]
    gpu, debug = state.partitions
    assert (gpu.name, gpu.time_limit_s, gpu.max_nodes, gpu.state) == ("gpu", None, None, "UP")
    assert (debug.name, debug.time_limit_s) == ("debug", 1800)
    assert gpu.memory_per_cpu_mb in (256, 1000)
    assert gpu.is_default is (version == OLD)  # later ones do not tell
    memory_mb = state.nodes[0].memory_mb
    assert facts.kinds == (
        NodeKind("gpu", gpu.is_default, 3, 8, memory_mb, (("a100", 4),), ("a100",), None),
        NodeKind("debug", False, 1, 8, memory_mb, (("a100", 4),), ("a100",), 1800),
    )
    offers = [build_offer(state, group, "lab") for group in list_groups(state)]
    rows = [(row.instance_type, row.region, row.free_gpus, row.total_gpus) for row in offers]
    assert rows == [("4xa100", "gpu", free[0], 12), ("4xa100", "debug", free[1], 4)]


@each(
    "fields, condition",
    [
        ({"state": "idle", "state_flags": ["DRAIN"]}, Condition.DRAINED),
        ({"state": ["IDLE", "DRAIN"]}, Condition.DRAINED),
        ({"state": "down", "state_flags": []}, Condition.DOWN),
        ({"state": ["DOWN", "NOT_RESPONDING"]}, Condition.DOWN),
        ({"state": ["IDLE", "POWERED_DOWN"]}, Condition.POWERED_DOWN),
        ({"state": ["MIXED", "PLANNED"]}, Condition.PLANNED),
        ({"state": "mixed"}, Condition.READY),
    ],
)
def test_a_node_has_a_condition_in_each_form(fields: dict[str, Any], condition: Condition) -> None:
    row = {**load("cluster", OLD)["nodes"][0], "state_flags": [], "reason": "bad \x1b[2J disk", **fields}
    (node,) = decode_cluster({"nodes": [row]}, {}, "alice")[0].nodes
    assert node.condition is condition
    assert node.reason == "bad ␛[2J disk"


def test_rows_that_can_not_be_read_are_counted() -> None:
    nodes = {"nodes": [{}, {"name": "a"}, {"state": "idle"}, {"name": "a", "state": [3]}, "x"]}
    partitions = {"partitions": [{}, {"name": 3}, {"name": "p", "maximums": [], "partition": "x"}]}
    state, facts = decode_cluster(nodes, partitions, "alice")
    assert (state.unreadable, state.nodes, [one.name for one in state.partitions]) == (6, (), ["p"])
    assert facts.kinds == ()


@each("version", [OLD, NEW])
def test_no_value_of_a_node_or_a_partition_is_too_odd(version: int) -> None:
    answer = load("cluster", version)
    for kind in ("nodes", "partitions"):
        for field in answer[kind][0]:
            for value in (None, -1, "\x1b", [], {"x": 1}, 1 << 70, [None]):
                changed = {**answer, kind: [{**answer[kind][0], field: value}]}
                state, _ = decode_cluster(changed, changed, "alice")
                assert all(build_offer(state, group, "lab") for group in list_groups(state))
