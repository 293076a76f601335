"""Reservations as records: what the clock does to them, and what a broken file does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_core.agent.capacity import reservation_records
from flow_core.agent.capacity.reservation_records import ReservationRecord
from flow_core.agent.records import MalformedRecord, write_json

MOMENTS = st.floats(0, 1e6)


def hold(name: str = "res_aaaaaaaaaa", **fields: object) -> ReservationRecord:
    plain = ReservationRecord(name, "local", "me", "n", "1xa100", 1, 1, ("a", "b"), 1000.0, 1100.0, 100.0, False, 900.0)
    return plain._replace(**fields)


HOLDS = st.builds(
    lambda start, duration, renew: hold(start=start, end=start + duration, duration_s=duration, auto_renew=renew),
    MOMENTS,
    st.floats(0.001, 1e5),
    st.booleans(),
)


@given(HOLDS, st.lists(MOMENTS, min_size=1, max_size=6))
def test_whatever_the_clock_shows_a_reservation_is_never_in_two_states_or_goes_back(
    start: ReservationRecord, moments: list[float]
) -> None:
    before = start
    for now in moments:
        after = before.at_time(now)
        assert after.at_time(now) == after
        assert after.begun >= before.begun
        assert not before.over or after == before
        if after.is_active:
            assert after.start <= now < after.end <= now + after.duration_s * (1 + 1e-9) + 1e-6
        assert not (after.auto_renew and after.over)
        before = after


def test_it_begins_ends_and_stays_ended() -> None:
    assert not hold().at_time(999).is_active
    assert hold().at_time(1000).is_active
    assert hold().at_time(1099).at_time(1100).over == "expired"
    assert hold().at_time(1100).at_time(1050).over == "expired"
    assert hold().at_time(5000).over == "expired"


def test_one_that_renews_itself_keeps_its_beat_however_long_nobody_looked() -> None:
    renewed = hold(auto_renew=True).at_time(1050).at_time(1425)
    assert (renewed.start, renewed.end, renewed.over) == (1000, 1500, "")


def test_a_clock_set_back_lengthens_nothing_by_more_than_the_duration() -> None:
    assert hold().at_time(1050).at_time(500) == hold(begun=True, start=500, end=600)
    assert hold(auto_renew=True).at_time(90_000).at_time(1000).end == 1100


def test_what_is_over_moves_out_of_the_way_and_what_is_broken_keeps_nobody_from_anything(tmp_path: Path) -> None:
    reservation_records.save_record(tmp_path, hold("res_aaaaaaaaaa"))
    reservation_records.save_record(tmp_path, hold("res_bbbbbbbbbb", end=1200.0, duration_s=200.0, created_at=800.0))
    (tmp_path / "reservations" / "res_cccccccccc.json").write_text("{")
    (tmp_path / "reservations" / "res_dddddddddd.json").mkdir()
    (tmp_path / "reservations" / "notes.txt").write_text("mine")
    (tmp_path / "reservations" / ".res_aaaaaaaaaa.json.99").write_text("half of i")
    reservation_records.remove_staging_files(tmp_path)
    assert len(list((tmp_path / "reservations").iterdir())) == 6, "and only what was half written is swept away"
    assert [one.reservation_id for one in reservation_records.update_and_load_live(tmp_path, 1050)] == [
        "res_bbbbbbbbbb",
        "res_aaaaaaaaaa",
    ]
    assert [one.reservation_id for one in reservation_records.update_and_load_live(tmp_path, 1150)] == [
        "res_bbbbbbbbbb"
    ]
    (past,) = reservation_records.list_files(tmp_path / "reservations" / "past")
    assert ReservationRecord.read(past).over == "expired"


@pytest.mark.parametrize(
    "change",
    [
        {"start": "soon"},
        {"end": float("nan")},
        {"end": 1e300},
        {"duration_s": 0},
        {"gpus": None},
        {"gpus": [1]},
        {"quantity": 0},
        {"over": "perhaps"},
        {"begun": "yes"},
        {"reservation_id": "res_zzzzzzzzzz"},
        {"version": 99, "gpus": None},
        {"version": 0},
    ],
)
def test_a_record_that_is_not_ours_is_told_from_one_that_is(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "res_aaaaaaaaaa.json"
    write_json(path, hold()._asdict())
    assert ReservationRecord.read(path) == hold()
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(MalformedRecord):
        ReservationRecord.read(path)


def test_a_renewal_that_can_not_be_written_counts_all_the_same(tmp_path: Path) -> None:
    reservation_records.save_record(tmp_path, hold(auto_renew=True))
    (tmp_path / "reservations" / "past").rmdir()
    (tmp_path / "reservations" / "past").write_text("in the way")
    (renewed,) = reservation_records.update_and_load_live(tmp_path, 1250)
    assert renewed.end == 1300


def test_a_task_may_take_what_its_reservation_keeps_and_others_what_none_does() -> None:
    active = hold(begun=True)
    assert reservation_records.select_open_gpus(("a", "b", "c"), None, [active]) == ("c",)
    assert reservation_records.select_open_gpus(("a", "b", "c"), active.reservation_id, [active]) == ("a", "b")
    assert reservation_records.select_open_gpus(("a", "b", "c"), active.reservation_id, [hold()]) == ()
    assert reservation_records.select_open_gpus(("a", "b", "c"), active.reservation_id, []) == ("a", "b", "c")


def test_of_two_that_keep_the_same_gpu_the_first_made_has_it() -> None:
    first, second = hold("res_aaaaaaaaaa", begun=True), hold("res_bbbbbbbbbb", begun=True, gpus=("b", "c"))
    kept = reservation_records.find_reserved_gpus([first, second])
    assert {gpu: one.reservation_id for gpu, one in kept.items()} == {
        "a": "res_aaaaaaaaaa",
        "b": "res_aaaaaaaaaa",
        "c": "res_bbbbbbbbbb",
    }


GPUS = ("a", "b", "c", "d")
SEVERAL = st.lists(
    st.tuples(st.sets(st.sampled_from(GPUS), min_size=1), st.booleans(), st.sampled_from(["", "expired"])), max_size=4
)


@given(SEVERAL)
def test_each_gpu_is_open_to_one_reservation_or_to_everybody_else(several: list[tuple[set[str], bool, str]]) -> None:
    holds_there = [
        hold(f"res_{number}", gpus=tuple(sorted(gpus)), begun=begun, over=over)
        for number, (gpus, begun, over) in enumerate(several)
    ]
    live = [one for one in holds_there if not one.over]
    owners = [reservation_records.select_open_gpus(GPUS, one.reservation_id, live) for one in live] + [
        reservation_records.select_open_gpus(GPUS, None, live)
    ]
    assert sorted(gpu for open_gpus in owners for gpu in open_gpus) == sorted(GPUS)


def test_of_a_newer_version_what_is_known_counts_and_the_rest_is_kept(tmp_path: Path) -> None:
    reservation_records.save_record(tmp_path, hold("res_aaaaaaaaaa"))
    path = tmp_path / "reservations" / "res_aaaaaaaaaa.json"
    write_json(path, {**json.loads(path.read_text()), "version": 2, "shared_with": ["bob"]})
    (one,) = reservation_records.update_and_load_live(tmp_path, 1050)
    assert list(reservation_records.find_reserved_gpus([one])) == list(hold().gpus)
    written = json.loads(path.read_text())
    assert (written["version"], written["shared_with"], written["begun"]) == (2, ["bob"], True)
