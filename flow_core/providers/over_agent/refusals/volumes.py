"""Refusals of volumes."""

from __future__ import annotations

from flow_core.agent import volumes
from flow_core.errors import Conflict, NotFound
from flow_core.providers.contract.volume_errors import block_volume_in_use_error, volume_not_deleted_error
from flow_core.providers.over_agent.refusals import Details, Sentence
from flow_core.providers.over_agent.refusals.quoting import escape, escape_all, get_text


def _no_volume(details: Details, machine: str) -> NotFound:
    return NotFound(f"no volume {get_text(details, 'wanted')[:70]!r} in context {get_text(details, 'context')!r}")


def _volume_broken(details: Details, machine: str) -> Conflict:
    return Conflict(f"the record of volume {escape(details, 'volume_id')} is broken: {escape(details, 'why')}")


def _name_taken(details: Details, machine: str) -> Conflict:
    return Conflict(
        f"a volume called {get_text(details, 'name')!r} exists already in context {get_text(details, 'context')!r}"
    )


def _volume_in_use(details: Details, machine: str) -> Conflict:
    return volume_not_deleted_error(get_text(details, "volume"), escape_all(details, "tasks"))


def _block_volume_in_use(details: Details, machine: str) -> Conflict:
    return block_volume_in_use_error(get_text(details, "volume"), escape_all(details, "tasks"))


def _task_broken(details: Details, machine: str) -> Conflict:
    return Conflict(f"a volume can't be attached to task {escape(details, 'task_id')}: {escape(details, 'why')}")


def _task_ended(details: Details, machine: str) -> Conflict:
    return Conflict(f"task {escape(details, 'task_id')} has ended; a volume can only be attached to an unfinished task")


def _container_runs(details: Details, machine: str) -> Conflict:
    return Conflict(
        f"task {escape(details, 'task_id')} runs in a container; a volume can't be attached to it after its start"
    )


def _target_taken(details: Details, machine: str) -> Conflict:
    return Conflict(f"task {escape(details, 'task_id')} already has a mount at {escape(details, 'target')}")


SENTENCES: dict[str, Sentence] = {
    volumes.NO_VOLUME: _no_volume,
    volumes.VOLUME_BROKEN: _volume_broken,
    volumes.NAME_TAKEN: _name_taken,
    volumes.VOLUME_IN_USE: _volume_in_use,
    volumes.BLOCK_VOLUME_IN_USE: _block_volume_in_use,
    volumes.TASK_BROKEN: _task_broken,
    volumes.TASK_OVER: _task_ended,
    volumes.CONTAINER_RUNS: _container_runs,
    volumes.TARGET_TAKEN: _target_taken,
}
