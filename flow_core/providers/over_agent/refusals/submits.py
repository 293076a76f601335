"""Refusals of submits."""

from __future__ import annotations

from flow_core.agent import data_mounts, ports, submit, submit_request, user_paths
from flow_core.agent.capacity import reservation_choice
from flow_core.agent.containers import engine_choice
from flow_core.agent.layout import OVER_SSH
from flow_core.errors import (
    CapacityError,
    ConfigError,
    Conflict,
    FlowError,
    NotFound,
    ProviderError,
    Unsupported,
    printable,
)
from flow_core.providers.over_agent.refusals import HERE, Details, Sentence
from flow_core.providers.over_agent.refusals.quoting import escape, escape_all, get_integer, get_text

_SHOWN = 200


def _invalid_request(details: Details, machine: str) -> FlowError:
    return ProviderError(f"{machine} can't use this submit: {escape(details, 'why')}; update flow")


def _code_gone(details: Details, machine: str) -> FlowError:
    return ProviderError(f"the code of {escape(details, 'task_id')} was lost on its way to {machine}; submit it again")


def _withdrawn(details: Details, machine: str) -> FlowError:
    return Conflict(f"the submit of {escape(details, 'task_id')} to {machine} was withdrawn; submit it again")


def _key_of_other_task(details: Details, machine: str) -> FlowError:
    key, task_id = get_text(details, "key"), escape(details, "task_id")
    return Conflict(
        f"idempotency_key: {key!r} is that of task {task_id}, which has a different configuration",
        field="idempotency_key",
    )


def _key_of_pruned_task(details: Details, machine: str) -> FlowError:
    owner = "a task that was pruned"
    if details["task_id"] is not None:
        owner = f"task {escape(details, 'task_id')}, which has ended ({escape(details, 'status')}) and was pruned"
    key = get_text(details, "key")
    return Conflict(
        f"idempotency_key: {key!r} is that of {owner}; to run it again, choose another key", field="idempotency_key"
    )


def _no_current_folder(details: Details, machine: str) -> FlowError:
    field = escape(details, "field")
    return ConfigError(f"{field}: the folder this runs in is gone; write a path from /", field=field)


def _no_folder(details: Details, machine: str) -> FlowError:
    field, path = escape(details, "field"), get_text(details, "path")
    return ConfigError(f"{field}: {printable(repr(path))} is not a folder on {machine}", field=field)


def _s3_address_invalid(details: Details, machine: str) -> FlowError:
    shown = printable(repr(get_text(details, "source")[:_SHOWN]))
    return ConfigError(f"data_mounts: {shown} {escape(details, 'why')}", field="data_mounts")


def _s3_not_read_only(details: Details, machine: str) -> FlowError:
    is_known = details["unknown_option"] is None
    problem = "" if is_known else f"option {get_text(details, 'unknown_option')!r} is not known; "
    return Unsupported(
        f"data_mounts: {problem}s3:// mounts are copies, writing back isn't done; upload in the command instead",
        field="data_mounts",
    )


def _s3_needs_boto3(details: Details, machine: str) -> FlowError:
    address = get_text(details, "address")
    if machine == HERE:
        return Unsupported(
            f"data_mounts: {address!r} needs boto3; in the checkout of flow-tui, run: uv tool install"
            " '.[fast,emulator,s3]', or: pip install '.[s3]'",
            field="data_mounts",
        )
    return Unsupported(
        f"data_mounts: {address!r} needs boto3 on {machine}; install it for the Python there, or name one that"
        " has it by s3_python: in the entry of that host",
        field="data_mounts",
    )


def _mount_unsupported(details: Details, machine: str) -> FlowError:
    shown = printable(repr(get_text(details, "source")))
    return Unsupported(f"data_mounts: {shown} can't be mounted here; copy it in the command", field="data_mounts")


def _mount_missing(details: Details, machine: str) -> FlowError:
    shown = printable(repr(get_text(details, "path")))
    return ConfigError(f"data_mounts: {shown} does not exist on {machine}", field="data_mounts")


def _port_reserved(details: Details, machine: str) -> FlowError:
    task_id = escape(details, "task_id")
    holder = f"task {task_id}, which is just being submitted"
    if details["status"] is not None:
        context = get_text(details, "context")
        origin = "that came over SSH" if context == OVER_SSH else f"of context {context!r}"
        holder = f"task {task_id} {origin} ({escape(details, 'status')})"
    return Conflict(
        f"ports: port {get_integer(details, 'port')} is reserved by {holder}; end it, or choose another port",
        field="ports",
    )


def _port_in_use(details: Details, machine: str) -> FlowError:
    port, listener = get_integer(details, "port"), escape(details, "listener")
    return Conflict(f"ports: {listener} listens on port {port}; end it, or choose another port", field="ports")


def _no_engine(details: Details, machine: str) -> FlowError:
    missing = ", ".join(escape_all(details, "missing"))
    suffix = "" if machine == HERE else f" on {machine}"
    return Unsupported(
        f"image: a container needs podman or docker{suffix}, and {missing}; install one of them, or leave image out",
        field="image",
    )


def _booked_without_gpu(details: Details, machine: str) -> FlowError:
    field = escape(details, "field")
    return ConfigError(f"{field}: the task asks for no GPU, and nothing else can be reserved on {machine}", field=field)


def _booked_unknown(details: Details, machine: str) -> FlowError:
    return NotFound(
        f"reservation_id: no reservation {get_text(details, 'reservation_id')[:40]!r} on {machine}",
        field="reservation_id",
    )


def _booked_too_small(details: Details, machine: str) -> FlowError:
    has = f"{get_integer(details, 'fitting')} x {escape(details, 'gpu_type')}"
    requests = f"the task requests {get_integer(details, 'count')}"
    return CapacityError(
        f"reservation_id: {escape(details, 'reservation_id')} has {has}; {requests}", field="reservation_id"
    )


def _booked_ended(details: Details, machine: str) -> FlowError:
    reservation_id, over = escape(details, "reservation_id"), escape(details, "over")
    return Conflict(f"reservation_id: reservation {reservation_id} is {over}", field="reservation_id")


def _booked_broken(details: Details, machine: str) -> FlowError:
    reservation_id, why = escape(details, "reservation_id"), escape(details, "why")
    return Conflict(f"reservation_id: the record of {reservation_id} is broken: {why}", field="reservation_id")


def _nothing_reserved(details: Details, machine: str) -> FlowError:
    lacking = f"{get_integer(details, 'count')} x {escape(details, 'gpu_type')}"
    return CapacityError(
        f"allocation_mode: no active reservation of yours has {lacking}; reserve them first", field="allocation_mode"
    )


SENTENCES: dict[str, Sentence] = {
    submit_request.INVALID_REQUEST: _invalid_request,
    submit.CODE_GONE: _code_gone,
    submit.WITHDRAWN: _withdrawn,
    submit.KEY_OF_ANOTHER: _key_of_other_task,
    submit.KEY_OF_PRUNED: _key_of_pruned_task,
    user_paths.NO_CURRENT_FOLDER: _no_current_folder,
    user_paths.NO_FOLDER: _no_folder,
    data_mounts.S3_ADDRESS_INVALID: _s3_address_invalid,
    data_mounts.S3_NOT_READ_ONLY: _s3_not_read_only,
    data_mounts.S3_NEEDS_BOTO3: _s3_needs_boto3,
    data_mounts.MOUNT_UNSUPPORTED: _mount_unsupported,
    data_mounts.MOUNT_MISSING: _mount_missing,
    ports.PORT_PROMISED: _port_reserved,
    ports.PORT_IN_USE: _port_in_use,
    engine_choice.NO_ENGINE: _no_engine,
    reservation_choice.BOOKED_WITHOUT_GPU: _booked_without_gpu,
    reservation_choice.BOOKED_UNKNOWN: _booked_unknown,
    reservation_choice.BOOKED_TOO_SMALL: _booked_too_small,
    reservation_choice.BOOKED_OVER: _booked_ended,
    reservation_choice.BOOKED_BROKEN: _booked_broken,
    reservation_choice.NOTHING_RESERVED: _nothing_reserved,
}
