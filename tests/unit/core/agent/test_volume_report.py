"""A volume survives a round trip through JSON, and an invalid one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testbed.tables import each

from flow_core.agent.volumes import StoredVolume
from flow_core.providers.over_agent.volume_conversion import to_volume

VOLUME = StoredVolume("vol_aaaaaaaaaa", "data", 2, "block", "here", 1.5, 7, ("task_aaaaaaaaaa",), "/volumes/data")
SENT = json.loads(json.dumps(VOLUME._asdict()))


def test_it_survives_a_round_trip_through_json() -> None:
    assert StoredVolume.parse(SENT) == VOLUME
    assert to_volume(StoredVolume.parse(SENT), "lab").status == "attached"


@each("wrong", [True, -1, 1e300, float("nan"), {"a": []}, [None], ["../x"], "../x", "\x1b", None])
@each("name", StoredVolume._fields)
def test_an_arbitrary_field_is_either_accepted_or_named_in_the_error(name: str, wrong: Any) -> None:
    parsed = _parse({**SENT, name: wrong})
    if isinstance(parsed, str):
        assert name.rpartition("_")[2] in parsed
        return
    assert (parsed.volume_id, parsed.name, parsed.attached_to) == (VOLUME.volume_id, VOLUME.name, VOLUME.attached_to)
    to_volume(parsed, "lab")


@each("data", [None, [], "text", {}])
def test_anything_but_a_volume_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        StoredVolume.parse(data)


def _parse(data: Any) -> StoredVolume | str:
    try:
        return StoredVolume.parse(data)
    except ValueError as error:
        return str(error)
