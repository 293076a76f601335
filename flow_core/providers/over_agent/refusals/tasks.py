"""Refusals of tasks and of their supervisors."""

from __future__ import annotations

from flow_core.agent import agent_copy, supervisor_start, task_exec, tasks
from flow_core.agent.containers import container_exec
from flow_core.agent.record_fields import Fields
from flow_core.errors import ConfigError, Conflict, FlowError, NotFound, ProviderError, Unreachable, Unsupported
from flow_core.providers.over_agent.refusals import Details, Sentence
from flow_core.providers.over_agent.refusals.quoting import escape, get_integer, get_text


def _supervisor_silent(details: Details, machine: str) -> FlowError:
    return Unreachable(f"the task's supervisor did not answer within {Fields(details).moment('seconds'):g} s")


def _supervisor_unsupported(details: Details, machine: str) -> FlowError:
    return Unsupported(escape(details, "said"))


def _supervisor_failed(details: Details, machine: str) -> FlowError:
    return ProviderError(f"the task's supervisor did not start: {escape(details, 'said') or 'it ended at once'}")


def _no_python(details: Details, machine: str) -> FlowError:
    return ConfigError("this Python does not know its own path, so no task can be started")


def _copy_unsafe(details: Details, machine: str) -> FlowError:
    return ProviderError(f"the agent program isn't safe: {escape(details, 'why')}")


def _copy_failed(details: Details, machine: str) -> FlowError:
    home, why = get_text(details, "home"), escape(details, "why")
    return ProviderError(f"the agent program can't be copied to {home!r}: {why}")


def _no_task(details: Details, machine: str) -> FlowError:
    return NotFound(f"no task {get_text(details, 'task_id')!r} in context {get_text(details, 'context')!r}")


def _not_cancelled(details: Details, machine: str) -> FlowError:
    task_id, problem, folder = (escape(details, name) for name in ("task_id", "problem", "folder"))
    advice = f"update flow, or end what runs of it by hand; its folder is {folder}"
    return Conflict(f"task {task_id} can't be cancelled: {problem}; {advice}")


def _no_node(details: Details, machine: str) -> FlowError:
    ranks, node = Fields(details).whole("ranks"), get_integer(details, "node")
    nodes = f"the nodes 0 to {ranks - 1}" if ranks > 1 else "one node, 0"
    return ConfigError(f"node: task {escape(details, 'task_id')} has {nodes}, and no {node}", field="node")


def _not_entered(details: Details, machine: str) -> FlowError:
    return Conflict(f"task {escape(details, 'task_id')} can't be entered: {escape(details, 'problem')}")


def _not_running(details: Details, machine: str) -> FlowError:
    task_id, status = escape(details, "task_id"), escape(details, "status")
    return Conflict(f"task {task_id} is {status}; you can enter only a running task")


def _node_ended(details: Details, machine: str) -> FlowError:
    node, task_id = get_integer(details, "node"), escape(details, "task_id")
    return Conflict(f"node {node} of task {task_id} has ended; you can enter only a running task")


def _folder_unusable(details: Details, machine: str) -> FlowError:
    return ProviderError(f"the state directory can't be used: {escape(details, 'why')}")


def _container_closed(details: Details, machine: str) -> FlowError:
    return Unreachable(f"the container can't be entered: {escape(details, 'why')}")


def _engine_gone(details: Details, machine: str) -> FlowError:
    return Unreachable(f"{escape(details, 'path')} is no longer on {machine}")


SENTENCES: dict[str, Sentence] = {
    supervisor_start.SUPERVISOR_SILENT: _supervisor_silent,
    supervisor_start.SUPERVISOR_UNSUPPORTED: _supervisor_unsupported,
    supervisor_start.SUPERVISOR_FAILED: _supervisor_failed,
    supervisor_start.NO_PYTHON: _no_python,
    agent_copy.COPY_UNSAFE: _copy_unsafe,
    agent_copy.COPY_FAILED: _copy_failed,
    tasks.NO_TASK: _no_task,
    tasks.BROKEN_NOT_CANCELLED: _not_cancelled,
    task_exec.NO_NODE: _no_node,
    task_exec.BROKEN_NOT_ENTERED: _not_entered,
    task_exec.NOT_RUNNING: _not_running,
    task_exec.NODE_ENDED: _node_ended,
    task_exec.FOLDER_UNUSABLE: _folder_unusable,
    container_exec.CONTAINER_CLOSED: _container_closed,
    container_exec.ENGINE_GONE: _engine_gone,
}
