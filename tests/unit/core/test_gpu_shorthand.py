"""The GPU shorthand: what it reads, what it refuses, and that it reads back what it writes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.sentences import is_a_sentence
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.gpu_shorthand import MAX_COUNT, GpuRequest, parse_gpu


@each(
    ("text", "request_meant"),
    [
        ("a100", GpuRequest("a100", 1)),
        ("a100:4", GpuRequest("a100", 4)),
        ("4xa100", GpuRequest("a100", 4)),
        ("4 x A100", GpuRequest("a100", 4)),
        ("h100x8", GpuRequest("h100", 8)),
        (" 8xH100 ", GpuRequest("h100", 8)),
        ("h100-sxm5x8", GpuRequest("h100-sxm5", 8)),
        ("rtx4090", GpuRequest("rtx4090", 1)),
        ("rtx4090x2", GpuRequest("rtx4090", 2)),
        ("2xrtx4090", GpuRequest("rtx4090", 2)),
        ("rtx4090:2", GpuRequest("rtx4090", 2)),
        ("a100-80gb:2", GpuRequest("a100-80gb", 2)),
        ("a100-80gbx2", GpuRequest("a100-80gb", 2)),
        ("gpu", GpuRequest(count=1)),
        ("gpu:2", GpuRequest(count=2)),
        ("gpu:40gb", GpuRequest(min_memory_gb=40)),
        ("gpu:40 GB", GpuRequest(min_memory_gb=40)),
        ("cpu", GpuRequest(count=0, cpus=0)),
        ("8xcpu", GpuRequest(count=0, cpus=8)),
        ("cpu:8", GpuRequest(count=0, cpus=8)),
    ],
)
def test_every_form_of_the_grammar_is_read(text: str, request_meant: GpuRequest) -> None:
    assert parse_gpu(text) == request_meant


@each(
    ("text", "expected"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("4xa100:2", "twice"),
        ("4xh100x8", "twice"),
        ("h100x8:2", "twice"),
        ("h100x8x2", "twice"),
        ("0xa100", "between 1 and 1024"),
        ("a100:1025", "between 1 and 1024"),
        ("a100:" + "9" * 50, "between 1 and 1024"),
        ("gpu:0gb", "memory must be between"),
        ("gpu:" + "9" * 5000 + "gb", "memory must be between"),
        ("4", "no GPU request"),
        ("a100:", "no GPU request"),
        ("a100;rm", "no GPU request"),
        ("a" * 100, "no GPU request"),
        ("a1" * 50_000, "no GPU request"),
        ("a100_80gb", r"did you mean a100-80gb\?"),
        ("a100_80gb:2", r"did you mean a100-80gb:2\?"),
        ("_" * 60, "write for example"),
        ("cpu-small", "did you mean cpu, or 8xcpu"),
        ("cpu_small", "did you mean cpu, or 8xcpu"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_the_reason(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as refused:
        parse_gpu(text)
    assert refused.value.field == "gpu"
    assert len(str(refused.value)) < 200


def test_a_request_without_a_model_is_written_as_any_gpu() -> None:
    assert str(GpuRequest(count=2)) == "gpu:2"
    assert str(GpuRequest("a100", 4)) == "4xa100"
    assert str(GpuRequest(min_memory_gb=40)) == "gpu:40gb"
    assert str(GpuRequest(count=0, cpus=0)) == "cpu"
    assert str(GpuRequest(count=0, cpus=8)) == "8xcpu"


def test_only_a_request_for_cpus_needs_no_gpu() -> None:
    assert parse_gpu("gpu:2").needs_gpu
    assert not parse_gpu("cpu").needs_gpu


COUNTS = st.integers(1, MAX_COUNT)
MODELS = st.from_regex(r"[a-z]{1,3}[0-9]{2,4}(-[0-9]{1,3}gb)?", fullmatch=True).filter(lambda name: "x" not in name)
REQUESTS = st.one_of(
    st.builds(GpuRequest, MODELS, COUNTS),
    st.builds(GpuRequest, count=COUNTS),
    st.builds(GpuRequest, min_memory_gb=COUNTS),
    st.builds(GpuRequest, count=st.just(0), cpus=st.integers(0, MAX_COUNT)),
)


@given(REQUESTS)
def test_what_is_written_reads_back_as_the_same(meant: GpuRequest) -> None:
    assert parse_gpu(str(meant)) == meant


@given(
    st.text(max_size=80)
    | st.from_regex(r"[0-9 ]{0,3}x? ?[a-zA-Z-]{0,6}[0-9]{0,5}[:x.]?[0-9]{0,6}(gb|x)?", fullmatch=True)
)
@example("٣xa100")
@example("h100x٨")
@example("gpu:٤٠gb")
@example("a100:" + "9" * 4000)
@limit_examples(50)
def test_any_text_is_read_back_or_refused_in_a_sentence(text: str) -> None:
    try:
        meant = parse_gpu(text)
    except ConfigError as error:
        refused = error
    else:
        assert parse_gpu(str(meant)) == meant
        return
    assert is_a_sentence(refused)
    assert str(refused).isprintable()
