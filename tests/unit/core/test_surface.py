"""The public surface, held to the reference page: what is here is what scripts may rely on."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Callable
from typing import Any

import pytest
from testbed.places import ROOT
from testbed.tables import each

import flow_core
from flow_core import (
    AsyncFlow,
    AsyncTask,
    CatalogEntry,
    Client,
    Flow,
    GPUInstanceDict,
    InstanceRequirements,
    Task,
    TaskDict,
)

# The page's signatures, letter by letter; where the page writes `kwargs` for what Python calls **kwargs, Python's.
FLOW = """
def cancel(self, task_id: str) -> None: ...
def close(self) -> None: ...
def create_platform_ssh_key(self, name: str, public_key: str) -> dict[str, str]: ...
def create_volume(self, size_gb: int, name: str | None = None, interface: Literal['block', 'file'] = 'block',
    region: str | None = None) -> Volume: ...
def delete_platform_ssh_key(self, key_id: str) -> bool: ...
def delete_volume(self, volume_id: str) -> None: ...
def dev_context(self, auto_stop: bool = False) -> DevEnvironment: ...
def ensure_default_ssh_key(self) -> str | None: ...
def find_instances(self, requirements: InstanceRequirements, limit: int = 10) -> list[AvailableInstance]: ...
def get_provider_init(self) -> IProviderInit: ...
def get_remote_operations(self) -> object: ...
def get_reservation(self, reservation_id: str) -> Any | None: ...
def get_ssh_key_manager(self): ...
def get_ssh_tunnel_manager(self) -> object: ...
def get_task(self, task_id: str) -> Task: ...
def get_task_ssh_connection_info(self, task_id: str) -> tuple[Path | None, str]: ...
def get_user(self, user_id: str) -> Any | None: ...
def get_user_teammates(self, user_id: str) -> Any: ...
def list_platform_ssh_keys(self) -> list[dict[str, str]]: ...
def list_projects(self) -> list[dict[str, str]]: ...
def list_reservations(self, params: dict[str, Any] | None = None) -> list[Any]: ...
def list_ssh_keys(self, project_id: str | None = None) -> list[dict[str, str]]: ...
def list_tasks(self, status: TaskStatus | list[TaskStatus] | None = None, limit: int = 10,
    force_refresh: bool = False) -> list[Task]: ...
def list_volumes(self, limit: int = 100) -> list[Volume]: ...
def logs(self, task_id: str, follow: bool = False, tail: int = 100, stderr: bool = False,
    source: str | None = None, stream: str | None = None) -> str | Iterator[str]: ...
def mount_volume(self, volume_id: str, task_id: str, mount_point: str | None = None) -> bool: ...
def normalize_instance_request(self, gpu_count: int, gpu_type: str | None = None) -> tuple[str, int, str | None]: ...
def reservation_availability(self, params: dict[str, Any]) -> list[dict[str, Any]]: ...
def resolve_ssh_endpoint(self, task_id: str, node: int | None = None) -> tuple[str, int]: ...
def run(self, task: TaskConfig | str | Path, wait: bool = False, mounts: str | dict[str, str] | None = None
    ) -> Task: ...
def shell(self, task_id: str, command: str | None = None, node: int | None = None, progress_context = None,
    record: bool = False) -> None: ...
def status(self, task_id: str) -> str: ...
def submit(self, command: str, gpu: str | None = None, mounts: str | dict[str, str] | None = None,
    instance_type: str | None = None, wait: bool = False) -> Task: ...
def upload_code_to_task(self, task_id: str, source_dir: Path | None = None, timeout: int = 600,
    console: object | None = None, target_dir: str = '/workspace', progress_reporter: object | None = None,
    git_incremental: bool | None = None) -> object: ...
def wait_for_ssh(self, task_id: str, timeout: int = 600, show_progress: bool = True,
    progress_adapter: object | None = None) -> Task: ...
"""
CLIENT = """
def cancel(self, task_id: str, force: bool = False) -> bool: ...
def provider_port(self): ...
def reserve(self, gpu: str, duration_hours: int = 1, auto_renew: bool = False) -> str: ...
def run(self, command: str | list[str] | TaskSpec | TaskConfig, gpu: Optional[str] = None,
    cpus: Optional[int] = None, memory_gb: Optional[int] = None, wait: bool = False, **kwargs) -> Task: ...
def ssh(self, task_id: str) -> str: ...
def status(self, task_id: Optional[str] = None) -> list[Task]: ...
def volumes(self) -> list[Volume]: ...
"""
# Where ours say more than the page, or take more: (method, parameter or "return") -> ours.
CLOSER = {
    ("create_volume", "interface"): "VolumeInterface",
    ("get_remote_operations", "return"): "RemoteOperationsFacade",
    ("get_reservation", "return"): "Reservation | None",
    ("get_ssh_key_manager", "return"): "SshKeyFacade",
    ("get_ssh_tunnel_manager", "return"): "SshTunnelFacade",
    ("get_user", "return"): "User | None",
    ("get_user_teammates", "return"): "list[User]",
    ("list_reservations", "return"): "list[Reservation]",
    ("list_tasks", "status"): "TaskStatus | Sequence[TaskStatus] | None",
    ("provider_port", "return"): "Provider",
    ("run", "kwargs"): "Any",
    ("run", "task"): "TaskConfig | TaskSpec | str | list[str] | Path | None",
    ("shell", "progress_context"): "object | None",
    ("shell", "return"): "int | None",
    ("upload_code_to_task", "return"): "UploadResult",
}
# What ours may go without: the page's own calls are not touched by it.
OPTIONAL = {("run", "task"): None}
# What is public beyond the page. A line here is a decision.
NOUNS = ("tasks", "task_logs", "task_access", "instances", "volumes", "reservations", "ssh_keys", "account")
MARKET = ("price_history", "quotas", "task_history", "set_limit_price", "pause_task", "resume_task")
PRUNING = ("plan_pruning", "prune_tasks")
QUEUE = ("hold_task", "release_task", "requeue_task", "set_time_limit", "signal_task")
CAUSES = ("find_failure_cause",)
ESTIMATES = ("estimate_start", "watch_everyone")
BEYOND = {
    Flow: {
        *("aio", "context", "reserve", "cancel_reservation", "provider_port", "dev", "log_stream"),
        *("task_metrics", "instance_metrics", "put_file", "get_file", "get_task_instances", "search_logs"),
        *(*NOUNS, *MARKET, *PRUNING, *QUEUE, *ESTIMATES, *CAUSES),
    },
    Client: {"close", "prune"},
    AsyncFlow: {
        *("reserve", "cancel_reservation", "provider_port"),
        *("attach_volume", "ssh_command", "task_directory", "open_shell"),
        *("log_addresses", "log_bytes", "open_log", "is_log_complete", "log_clock"),
        *("task_metrics", "instance_metrics", "put_file", "get_file", "get_task_instances", "dev", "log_stream"),
        "search_logs",
        *("provider", "platform", "get_facet", "run_change", "share", "reopen", "is_closed"),
        *(*NOUNS, *MARKET, *PRUNING, *QUEUE, *ESTIMATES, *CAUSES),
    },
}
TYPED_DICTS = {
    GPUInstanceDict: ({"name", "gpu_memory_gb", "price_per_hour", "gpu_model"}, set()),
    TaskDict: ({"id", "name", "status", "instance_type", "created"}, set()),
    CatalogEntry: ({"name", "gpu_type", "gpu_count", "price_per_hour", "available", "gpu"}, set()),
    InstanceRequirements: (
        set(),
        {"instance_type", "min_gpu_count", "max_price", "region", "gpu_memory_gb", "gpu_type"}
        | {"gpu_count", "max_price_per_hour"},
    ),
}
TASK = {
    *("task_id", "id", "name", "status", "exit_code", "message", "command", "config", "instance_type", "num_instances"),
    *("gpu_type", "gpu_count", "region", "created_by", "created_at", "started_at", "completed_at", "attempt"),
    *("cost_per_hour", "total_cost", "volumes", "endpoints", "instances", "ssh_host", "ssh_port", "ssh_user"),
    *("is_running", "is_terminal", "provider_metadata", "key", "context", "record", "flow", "to_dict", "elements"),
    *("refresh", "wait", "wait_until_started", "wait_for_status", "logs", "log_stream", "cancel", "stop", "shell"),
    *("host", "public_ip", "ssh_command", "shell_command", "get_instances", "get_user", "put_file", "get_file"),
}
PUBLIC = {
    *("AsyncDevEnvironment", "AsyncFlow", "AsyncTask", "Client", "DevEnvironment", "Fleet", "Flow", "Task", "run"),
    *("create_volume", "log_stream", "Instance", "InstanceStatus", "StorageInterface", "TaskTimeout"),
    *("AvailableInstance", "CatalogEntry", "GPUInstanceDict", "InstanceRequirements", "TaskDict"),
    *("MountSpec", "ReservationSpec", "ResourceSpec", "Retries", "RunParams", "SpecMount", "TaskConfig", "TaskSpec"),
    *("VolumeSpec", "Reservation", "ReservationStatus", "TaskRecord", "TaskStatus", "Volume"),
    *("GpuProcess", "GpuSample", "MachineSample", "FailureCause", "FailureReport"),
    *("Project", "SshKey", "User", "LogHit", "LogHits", "LogId", "IProviderInit", "Provider", "__version__"),
    *(
        "AuthError",
        "CapacityError",
        "ConfigError",
        "Conflict",
        "FlowError",
        "HostKeyChanged",
        "HostKeyUnknown",
        "NotFound",
        "ProviderError",
        "ReadOnly",
    ),
    *("Unreachable", "Unsupported"),
    *("PriceSeries", "Quota", "TaskEvent"),
    *("PrunableTask", "PruningPlan", "PruningResult"),
    *("ArrayElement", "StartEstimate"),
}
REFERENCE_PATHS = {
    "flow_core.sdk.client": {
        "CatalogEntry",
        "Client",
        "Flow",
        "GPUInstanceDict",
        "InstanceRequirements",
        "TaskDict",
        "run",
    },
    "flow_core.sdk.models": {
        *("AvailableInstance", "DevEnvironment", "InstanceRequirements", "MountSpec", "Reservation", "ReservationSpec"),
        *("ReservationStatus", "ResourceSpec", "Retries", "RunParams", "Task", "TaskConfig", "TaskSpec", "TaskStatus"),
        *("User", "Volume", "VolumeSpec", "Instance", "InstanceStatus", "StorageInterface", "Project"),
    },
    "flow_core.sdk.dev": {"DevEnvironment"},
}
REFERENCE_PATHS |= {path.replace(".sdk.", ".api."): names for path, names in REFERENCE_PATHS.items()}
# Errors of the published SDK, and ours that they stand for.
ERRORS = {
    "AuthenticationError": "AuthError",
    "ConfigParserError": "ConfigError",
    "NetworkError": "Unreachable",
    "QuotaExceededError": "CapacityError",
    "ResourceNotFoundError": "NotFound",
    "TaskNotFoundError": "NotFound",
    "TimeoutError": "TaskTimeout",
    "ValidationError": "ConfigError",
}


def page(text: str) -> dict[str, inspect.Signature]:
    """The page's methods by name."""
    methods: dict[str, Any] = {}
    exec("from __future__ import annotations\n" + text, methods)  # its annotations stay text
    return {name: inspect.signature(value) for name, value in methods.items() if inspect.isfunction(value)}


PAGE = [
    *((Flow, name, signature) for name, signature in page(FLOW).items()),
    *((Client, name, signature) for name, signature in page(CLIENT).items()),
    *((AsyncFlow, name, signature) for name, signature in page(FLOW).items()),
]


def test_the_page_has_35_methods_of_flow_and_7_of_client() -> None:
    assert (len(page(FLOW)), len(page(CLIENT))) == (35, 7)


@each(("owner", "name", "published"), PAGE, ids=[f"{owner.__name__}.{name}" for owner, name, _ in PAGE])
def test_a_method_takes_what_the_page_says_in_its_order(owner: type, name: str, published: inspect.Signature) -> None:
    ours = list(inspect.signature(getattr(owner, name)).parameters.values())
    theirs = list(published.parameters.values())
    wanted = [(p.name, p.kind, OPTIONAL.get((name, p.name), p.default)) for p in theirs]
    assert [(p.name, p.kind, p.default) for p in ours[1 : len(theirs)]] == wanted[1:], "but for self"
    for extra in ours[len(theirs) :]:
        assert extra.default is not extra.empty or extra.kind is extra.VAR_KEYWORD, f"{extra.name} is not optional"


@each(("owner", "name", "published"), PAGE, ids=[f"{owner.__name__}.{name}" for owner, name, _ in PAGE])
def test_a_method_is_typed_as_the_page_says_or_closer(owner: type, name: str, published: inspect.Signature) -> None:
    ours = inspect.signature(getattr(owner, name))
    for parameter in list(published.parameters.values())[1:]:
        wanted = CLOSER.get((name, parameter.name)) or today(parameter.annotation)
        assert ours.parameters[parameter.name].annotation == wanted, parameter.name
    if owner is not AsyncFlow:
        assert ours.return_annotation == CLOSER.get((name, "return"), published.return_annotation)


def today(annotation: str) -> str:
    """`Optional[X]` as it is written today."""
    return re.sub(r"Optional\[(.*)\]", r"\1 | None", annotation)


@each("owner", [Flow, Client, AsyncFlow])
def test_what_goes_beyond_the_page_was_decided(owner: type) -> None:
    published = page(CLIENT if owner is Client else FLOW)
    assert {name for name in dir(owner) if not name.startswith("_")} == {*published, *BEYOND[owner]}


@each("owner", [Task, AsyncTask])
def test_a_task_has_what_the_page_says(owner: type) -> None:
    instance_only = {"record", "flow"} if owner is AsyncTask else set()
    assert {name for name in dir(owner) if not name.startswith("_")} | instance_only == TASK


def test_both_tasks_and_both_dev_environments_take_the_same() -> None:
    for plain_type, awaited in ((Task, AsyncTask), (flow_core.DevEnvironment, flow_core.AsyncDevEnvironment)):
        for name, method in methods(plain_type):
            ours, theirs = inspect.signature(method), inspect.signature(getattr(awaited, name))
            assert list(ours.parameters.values()) == list(theirs.parameters.values()), f"{plain_type.__name__}.{name}"


@each("table", TYPED_DICTS, ids=lambda table: table.__name__)
def test_the_dictionaries_have_the_keys_of_the_page(table: Any) -> None:
    required, optional = TYPED_DICTS[table]
    assert (set(table.__required_keys__), set(table.__optional_keys__)) == (required, optional)
    assert table.__doc__


def test_the_public_names_are_these() -> None:
    assert PUBLIC == set(flow_core.__all__) <= set(dir(flow_core))
    assert all(getattr(flow_core, name) is not None for name in PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = flow_core.nonsense


@each("path", REFERENCE_PATHS)
def test_the_import_paths_of_the_page_lead_to_the_same_names(path: str) -> None:
    module = importlib.import_module(path)
    assert set(module.__all__) == REFERENCE_PATHS[path]
    for name in module.__all__:
        assert getattr(module, name) is getattr(flow_core, name)


@each("theirs", ERRORS)
def test_the_errors_of_the_published_sdk_are_ours(theirs: str) -> None:
    assert getattr(flow_core, theirs) is getattr(flow_core, ERRORS[theirs])
    assert getattr(importlib.import_module("flow_core.errors"), theirs) is getattr(flow_core, theirs)


@each("name", ["FlowApp", "function", "invoke", "Secret", "Cron", "Image"])
def test_a_name_without_counterpart_says_what_to_use_instead(name: str) -> None:
    with pytest.raises(AttributeError, match=f"flow_core has no {name} as the published SDK does; "):
        getattr(flow_core, name)
    for path in ("flow_core", "flow_core.sdk", "flow_core.sdk.models", "flow_core.api.decorators"):
        with pytest.raises(ImportError, match=f"has no {name} as the published SDK does; "):
            exec(f"from {path} import {name}")
    with pytest.raises(ImportError, match="cannot import name 'nonsense'"):
        exec("from flow_core.api import nonsense")


def test_the_old_packages_have_every_public_name() -> None:
    for path in ("flow_core.sdk", "flow_core.api"):
        assert importlib.import_module(path).TaskConfig is flow_core.TaskConfig


@pytest.mark.parametrize("noun", NOUNS)
def test_a_resource_takes_the_same_for_scripts_and_for_coroutines(noun: str) -> None:
    flow = Flow("local")
    plain, awaited = type(getattr(flow, noun)), type(getattr(flow.aio, noun))
    assert inspect.getdoc(plain)
    assert awaited.__name__ == f"Async{plain.__name__}"
    ours, theirs = dict(methods(plain)), dict(methods(awaited))
    assert set(theirs) - set(ours) == ({"open_shell"} if noun == "task_access" else set()), "a shell is for coroutines"
    for name, method in ours.items():
        assert takes(method) == takes(theirs[name]), f"{noun}.{name}"
        assert method.__doc__ == theirs[name].__doc__, f"{noun}.{name}"
        assert method.__doc__, f"{noun}.{name}"


def test_the_page_of_the_sdk_lists_every_call_of_a_resource_with_its_flat_name() -> None:
    page = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `flow\.(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert set(rows) == set(NOUNS)
    for noun, row in rows.items():
        calls = {call: flat or call for call, flat in re.findall(r"`(\w+)`(?: \(`(\w+)`\))?", row)}
        resource = dict(methods(type(getattr(AsyncFlow("local"), noun))))
        assert set(calls) == set(resource), noun
        for call, flat in calls.items():
            assert inspect.unwrap(getattr(AsyncFlow, flat)) is resource[call], f"{noun}.{call} is not {flat}"


def test_flow_takes_what_the_async_flow_takes() -> None:
    ours = dict(methods(Flow))
    assert {"run", "submit", "status", "cancel", "logs", "list_tasks", "find_instances"} <= set(ours)
    for name, method in ours.items():
        assert takes(method) == takes(getattr(AsyncFlow, name)), name


def takes(method: Callable[..., Any]) -> list[tuple[str, Any, Any, Any]]:
    """What a method takes, but for self."""
    _, *rest = inspect.signature(method).parameters.values()
    return [(one.name, one.kind, one.default, one.annotation) for one in rest]


def test_every_public_name_says_what_it_is() -> None:
    silent = []
    for public in PUBLIC - {"__version__"}:
        value = getattr(flow_core, public)
        silent += [] if inspect.getdoc(value) else [public]
        if inspect.isclass(value):
            silent += [f"{public}.{name}" for name, method in methods(value) if not inspect.getdoc(method)]
    assert silent == []


def test_a_blocking_method_says_what_its_async_twin_says() -> None:
    for plain_type, awaited in ((Flow, AsyncFlow), (flow_core.DevEnvironment, flow_core.AsyncDevEnvironment)):
        for name, method in methods(plain_type):
            assert method.__doc__ == getattr(awaited, name).__doc__, f"{plain_type.__name__}.{name}"


@each("name", sorted(PUBLIC - {"__version__"}))
def test_every_annotation_is_there_and_can_be_read(known_types: dict[str, Any], name: str) -> None:
    value = getattr(flow_core, name)
    nouns = {type(getattr(value("local"), noun)) for noun in NOUNS} if value in (Flow, AsyncFlow) else set()
    found = [(name, value)] if inspect.isfunction(value) else methods(value, private={"__init__"})
    for where, function in [*found, *(method for noun in nouns for method in methods(noun))]:
        hints = typing.get_type_hints(function, localns=known_types)
        parameters = [one for one in inspect.signature(function).parameters.values() if one.name not in ("self", "cls")]
        assert {one.name for one in parameters} <= set(hints), f"{name}: {where} has a parameter without a type"
        assert "return" in hints, f"{name}: {where} does not say what it returns"


def methods(owner: type, private: frozenset[str] | set[str] = frozenset()) -> list[tuple[str, Callable[..., Any]]]:
    """What is ours of a class: functions written in flow_core, inherited ones too."""
    found = inspect.getmembers(owner, lambda value: inspect.isfunction(value) or inspect.ismethod(value))
    return [
        (name, value)
        for name, value in found
        if (not name.startswith("_") or name in private) and getattr(value, "__module__", "").startswith("flow_core")
        if not getattr(inspect.unwrap(value), "__qualname__", "").startswith("BaseModel.")
    ]


@pytest.fixture(scope="module")
def known_types() -> dict[str, Any]:
    """Every class and alias of the package by its name: modules import many of them for type checkers only."""
    # For the module: importing some libraries starts programs. Other tests need the error for the name `invoke`.
    known: dict[str, Any] = {}
    for found in pkgutil.walk_packages(flow_core.__path__, "flow_core."):
        if ".local." not in found.name and not found.name.endswith(("__main__", ".invoke")):
            names = vars(importlib.import_module(found.name))
            known |= {name: value for name, value in names.items() if name[:1].isupper()}
    return known
