"""Refusals of reservations."""

from __future__ import annotations

from flow_core.agent.capacity import availability, reservations
from flow_core.errors import CapacityError, ConfigError, Conflict, NotFound
from flow_core.providers.over_agent.refusals import Details, Sentence
from flow_core.providers.over_agent.refusals.quoting import escape, escape_all, get_integer, get_text


def _no_reservation(details: Details, machine: str) -> NotFound:
    return NotFound(f"no reservation {get_text(details, 'reservation_id')[:40]!r} on {machine}")


def _not_released(details: Details, machine: str) -> Conflict:
    return Conflict(f"reservation {escape(details, 'reservation_id')} can't be released: {escape(details, 'why')}")


def _starts_in_past(details: Details, machine: str) -> ConfigError:
    return ConfigError("start_time_utc: lies in the past", field="start_time_utc")


def _starts_too_late(details: Details, machine: str) -> ConfigError:
    return ConfigError("start_time_utc: lies more than ten years ahead", field="start_time_utc")


def _gpus_taken(details: Details, machine: str) -> CapacityError:
    requested = f"{get_integer(details, 'quantity')} x {escape(details, 'instance_type')}"
    free = f"{get_integer(details, 'free')} of {get_integer(details, 'total')} GPUs are free all that time"
    others = ", ".join(escape_all(details, "others"))
    return CapacityError(f"{requested} can't be reserved {escape(details, 'when')}: {free}; {others}")


SENTENCES: dict[str, Sentence] = {
    reservations.NO_RESERVATION: _no_reservation,
    reservations.NOT_GIVEN_BACK: _not_released,
    reservations.STARTS_IN_PAST: _starts_in_past,
    reservations.STARTS_TOO_LATE: _starts_too_late,
    availability.GPUS_TAKEN: _gpus_taken,
}
