"""A volume is the same after a way as JSON, and one that says anything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flow_core.agent.volumes import Volume
from flow_core.providers.over_agent.volume_records import volume_of

VOLUME = Volume("vol_aaaaaaaaaa", "data", 2, "block", "here", 1.5, 7, ("task_aaaaaaaaaa",), "/volumes/data")
SENT = json.loads(json.dumps(VOLUME._asdict()))


def test_it_is_the_same_after_a_way_as_json() -> None:
    assert Volume.parse(SENT) == VOLUME
    assert volume_of(Volume.parse(SENT), "lab").status == "attached"


@pytest.mark.parametrize("wrong", [True, -1, 1e300, float("nan"), {"a": []}, [None], ["../x"], "../x", "\x1b", None])
@pytest.mark.parametrize("name", Volume._fields)
def test_a_field_that_can_be_anything_is_either_taken_or_named(name: str, wrong: Any) -> None:
    taken = _parsed({**SENT, name: wrong})
    if isinstance(taken, str):
        assert name.rpartition("_")[2] in taken
        return
    assert (taken.volume_id, taken.name, taken.attached_to) == (VOLUME.volume_id, VOLUME.name, VOLUME.attached_to)
    volume_of(taken, "lab")


@pytest.mark.parametrize("data", [None, [], "text", {}])
def test_what_is_no_volume_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        Volume.parse(data)


def _parsed(data: Any) -> Volume | str:
    try:
        return Volume.parse(data)
    except ValueError as error:
        return str(error)
