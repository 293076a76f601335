"""Lines of JSON, logfmt and Python dicts as fields, in columns and unfolded."""

from __future__ import annotations

import json
import time
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.logs.analysis.levels import LogLevel
from flow_core.logs.analysis.structured import parse_structured
from flow_core.logs.analysis.structured_text import render_columns, render_unfolded


@each(
    ("line", "columns", "unfolded"),
    [
        (
            '{"ts":"03:04:05","level":"error","msg":"nan loss","step":420,"ok":true,"run":null}',
            "03:04:05 ERROR    nan loss step=420 ok=true run=null",
            ["ts: 03:04:05", "level: error", "msg: nan loss", "step: 420", "ok: true", "run: null"],
        ),
        (
            '{"a": 1e400, "a": 0.10, "big": 123456789012345678901234567890}',
            "a=1e400 a=0.10 big=123456789012345678901234567890",
            ["a: 1e400", "a: 0.10", "big: 123456789012345678901234567890"],
        ),
        (
            '{"error": {"codes": [1, 2], "causes": [{"at": "x"}]}, "text": "", "name": "a b"}',
            'error={"codes": [1, 2], "causes": [{"at": "x"}]} name="a b"',
            ["error:", "  codes: [1, 2]", "  causes:", "    -", "      at: x", "text: ", "name: a b"],
        ),
        (
            '{"message": "one\\ntwo\\u001b[31m"}',
            "one␊two␛[31m",
            ["message:", "  one", "  two␛[31m"],
        ),
        (
            "{'loss': 0.1, 'grad_norm': nan, 'learning_rate': 1e-05, 'epoch': 0.01}",
            "loss=0.1 grad_norm=nan learning_rate=1e-05 epoch=0.01",
            ["loss: 0.1", "grad_norm: nan", "learning_rate: 1e-05", "epoch: 0.01"],
        ),
        (
            "2026-01-02 03:04:00 INFO step=1 {'loss': 0.1, 'memory': '71.3GiB', 'shape': (1, 2)}   ",
            "2026-01-02 03:04:00 INFO step=1 loss=0.1 memory=71.3GiB shape=[1, 2]",
            ["2026-01-02 03:04:00 INFO step=1", "loss: 0.1", "memory: 71.3GiB", "shape: [1, 2]"],
        ),
        (
            '[rank0]: {"severity": "WARN", "event": "slow"}',
            "[rank0]: WARNING  slow",
            ["[rank0]:", "severity: WARN", "event: slow"],
        ),
        (
            'time=2026-01-02T03:04:05Z level=error msg="could not \\"pull\\"" n=3 empty=',
            '2026-01-02T03:04:05Z ERROR    could not "pull" n=3 empty=""',
            ["time: 2026-01-02T03:04:05Z", "level: error", 'msg: could not "pull"', "n: 3", "empty: "],
        ),
        ("step=100, loss=0.5, lr=1e-4", "step=100 loss=0.5 lr=1e-4", ["step: 100", "loss: 0.5", "lr: 1e-4"]),
        ('{"level": "zoom", "x": 1}', "level=zoom x=1", ["level: zoom", "x: 1"]),
    ],
)
def test_the_fields_of_a_line_are_shown_in_columns_and_unfolded(line: str, columns: str, unfolded: list[str]) -> None:
    found = parse_structured(line)
    assert found is not None
    assert render_columns(found) == columns
    assert render_unfolded(found) == unfolded


def test_the_time_the_level_and_the_message_are_known() -> None:
    found = parse_structured('{"lvl": 50, "message": "died", "msg": "x", "@timestamp": 1767323045}')
    assert found is not None
    assert (found.time, found.level, found.message) == ("1767323045", LogLevel.ERROR, "died")
    assert found.fields == (("lvl", "50"), ("message", "died"), ("msg", "x"), ("@timestamp", "1767323045"))


@each(
    "line",
    [
        "",
        "step 12 loss 0.5",
        "a=1",
        "a=1 hello",
        "x {}",
        "[1, 2]",
        "{1, 2}",
        "def f(): return {x}",
        '{"a": 1} trailing',
        '{"a": 1',
        "export HOME=${HOME}",
        "{'a': __import__('os')}",
        "{'a': " + "[" * 100 + "]" * 100 + "}",
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a": "' + "x" * 1024 * 1024 + '"}',
    ],
)
def test_other_lines_have_no_fields(line: str) -> None:
    assert parse_structured(line) is None


def test_a_long_line_is_shortened_in_columns_and_complete_when_unfolded() -> None:
    values = list(range(15_000))
    line = json.dumps({"event": "config", "values": values, "status": "end"})
    start = time.thread_time()
    found = parse_structured(line)
    assert found is not None
    assert len(render_columns(found)) < 300
    assert render_columns(found).endswith("… status=end")
    many = parse_structured(json.dumps({f"key{number}": "x" * 100 for number in range(1900)}))
    assert many is not None
    assert len(render_columns(many)) <= 16 * 1024 + 1
    assert len(render_unfolded(many)) == 1900
    nested = parse_structured(json.dumps({"a": [{"b": number} for number in range(5000)]}))
    assert nested is not None
    assert len(render_unfolded(nested)) == 2001
    assert time.thread_time() - start < 1


@each("deep", ['{"a": ' + "[" * 600 + "]" * 600 + "}", '{"a": ' * 600 + "1" + "}" * 600])
def test_deep_nesting_is_cut(deep: str) -> None:
    found = parse_structured(deep)
    assert found is not None
    assert "…" in render_columns(found)
    assert any("…" in line for line in render_unfolded(found))


@each("hostile", ["-" * 50_000 + "1", "(" * 50_000, "not " * 10_000, "1+" * 10_000 + "1", "'" * 50_001, "f(" * 9000])
def test_hostile_dicts_are_refused_in_time(hostile: str) -> None:
    start = time.thread_time()
    assert parse_structured(f"{{'a': {hostile}}}") is None
    assert time.thread_time() - start < 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
FIELDS = st.dictionaries(st.text(max_size=12), JSON, min_size=1, max_size=6)


@given(FIELDS, st.sampled_from(["", "[rank0]: ", "12:00:00 INFO "]))
def test_every_json_object_keeps_its_fields_and_shows_no_control_characters(fields: dict, prefix: str) -> None:  # type: ignore[type-arg]
    found = parse_structured(prefix + json.dumps(fields))
    assert found is not None
    assert [name for name, _ in found.fields] == list(fields)
    assert found.prefix == prefix.strip()
    for text in [render_columns(found), *render_unfolded(found)]:
        assert all(unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") for char in text)


@given(
    st.dictionaries(st.text(max_size=12), st.floats() | st.text(max_size=12) | st.booleans() | st.none(), min_size=1)
)
def test_every_python_dict_keeps_its_names(fields: dict[str, object]) -> None:
    found = parse_structured(repr(fields))
    assert found is not None
    assert [name for name, _ in found.fields] == list(fields)


@given(st.text(max_size=200) | st.text("{}[]\"':,=\\ nabultrefsx01.-", max_size=200))
def test_any_text_has_fields_or_none(text: str) -> None:
    found = parse_structured(text)
    if found is not None:
        assert found.fields
        render_columns(found)
        render_unfolded(found)
