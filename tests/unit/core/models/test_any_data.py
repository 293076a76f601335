"""Whatever is given for a model is read, or refused in a sentence that names the field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.sentences import is_a_sentence

from flow_core import ConfigError, TaskConfig
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task_config import MountSpec, Retries, VolumeSpec

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=10),
    st.dates(),
    st.datetimes(),
    st.sampled_from(
        ["a100", "volume://data", "s3://bucket/x", "/data", "\x1b[31m", "\0", "\ud800", "x" * 5000, 10**400]
    ),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10) | st.integers(), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)
FIELD_NAMES = st.sampled_from([*TaskConfig.model_fields, *TaskConfig.RETIRED, "nonsense", "\x1b[31m", "x" * 5000])
MOUNT_FIELDS = st.sampled_from([*VolumeSpec.model_fields, *MountSpec.model_fields, "target"])
NEARLY = st.dictionaries(FIELD_NAMES, NESTED | st.lists(st.dictionaries(MOUNT_FIELDS, NESTED, max_size=4), max_size=3))


@pytest.mark.parametrize("model", [TaskConfig, VolumeSpec, MountSpec, Retries, ReservationSpec])
@given(fields=NESTED | NEARLY | NEARLY.map(lambda fields: {"command": "true"} | fields))
@limit_examples(15)
def test_any_data_is_a_task_or_refused(model: Any, fields: Any) -> None:
    try:
        read = model.parse(fields, source="task.yaml")
    except ConfigError as error:
        refused = error
    else:
        assert model.parse(read.model_dump()) == read
        return
    assert is_a_sentence(refused), str(refused)
    assert str(refused).startswith("task.yaml")


def test_data_that_holds_itself_or_far_too_much_is_refused() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    many: Any = "x"
    for _ in range(40):
        many = [many, many]
    for options in (circle, {"bomb": many}):
        with pytest.raises(ConfigError, match=r"provider_options\.slurm: (is nested|holds more)"):
            TaskConfig.parse({"command": "true", "provider_options": {"slurm": options}})
