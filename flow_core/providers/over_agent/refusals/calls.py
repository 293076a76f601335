"""Refusals of an agent over SSH: unknown or invalid calls, and parts of a task on several machines."""

from __future__ import annotations

from flow_core.agent import calls, multi_machine
from flow_core.errors import Conflict, FlowError, ProviderError
from flow_core.providers.over_agent.refusals import Details, Sentence
from flow_core.providers.over_agent.refusals.quoting import escape


def _unknown_call(details: Details, machine: str) -> FlowError:
    return ProviderError(
        f"the agent on {machine} does not know the call {escape(details, 'call')}: it is older than this flow; close"
        " every flow that is connected to it, and try again"
    )


def _invalid_arguments(details: Details, machine: str) -> FlowError:
    return ProviderError(f"the agent on {machine} can't process this call: {escape(details, 'why')}; update flow")


def _no_part(details: Details, machine: str) -> FlowError:
    return Conflict(f"task {escape(details, 'task_id')} on {machine} is no part of a task on several machines")


def _part_busy(details: Details, machine: str) -> FlowError:
    return Conflict(f"another client is starting task {escape(details, 'task_id')} on {machine}; it will run soon")


def _hold_expired(details: Details, machine: str) -> FlowError:
    return Conflict(
        f"the hold on the GPUs of task {escape(details, 'task_id')} on {machine} has expired; flow tries again soon"
    )


SENTENCES: dict[str, Sentence] = {
    calls.UNKNOWN_CALL: _unknown_call,
    calls.INVALID_ARGUMENTS: _invalid_arguments,
    multi_machine.NO_PART: _no_part,
    multi_machine.PART_BUSY: _part_busy,
    multi_machine.PART_LAPSED: _hold_expired,
}
