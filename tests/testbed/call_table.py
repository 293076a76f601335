"""Every public method, what its parameters take, and what they must refuse. A new method needs a line here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flow_core import AsyncFlow, AsyncTask, Client, Flow, LogId, PruningPlan, Task


class Something:
    """Nothing that any parameter takes."""

    def __repr__(self) -> str:
        return "<something>"


SOMETHING = Something()
STRANGERS = (5, b"x", [], SOMETHING, True, 1.5, {"a": 1})
ODD_TEXTS = (
    *("", " ", "\t\n", "x" * 1_000_000, "\0", "a\0b", "a\x1b[31mb", "a\x9b2Jb", "a\rb", "\ud800", "a\udcffb"),
    *(
        "\u202egnp.exe",
        "\u200b",
        "\ufeff",
        "\U000e0001",
        "x" + "\u0301" * 500,
        "../../../etc/passwd",
        "/",
        ".",
        "~nobody",
    ),
    *("-rf", "--help", "$(true)", "task_aaaaaaaaaa\n", "TASK_AAAAAAAAAA", "vol_aaaaaaaaaa/../x", "%s%n", "[bold]"),
)
ODD_NUMBERS = (-1, 10**30, -(10**30), 10**5000, "5", "", b"5", [], SOMETHING, 1.5, float("nan"), float("inf"), True)


class Kind:
    """What a parameter takes: values of another type, and values of its own type that can't be meant."""

    def __init__(self, wrong: tuple[Any, ...], odd: tuple[Any, ...] = ()) -> None:
        self.wrong = wrong
        self.odd = odd


NAME = Kind((None, *STRANGERS), ODD_TEXTS)
MAYBE_NAME = Kind(STRANGERS, ODD_TEXTS)
LABEL = Kind(STRANGERS, tuple(text for text in ODD_TEXTS if not text.isprintable() or not text.strip()))
WHOLE = Kind((None, *ODD_NUMBERS))
MAYBE_WHOLE = Kind(ODD_NUMBERS)
HOURS = Kind((None, "5", b"5", [], SOMETHING, True, float("nan"), float("inf")), (-1, 0, 10**30))
SIGNAL = Kind((None, *STRANGERS), (*ODD_TEXTS, "SIG", "SIGWINCH", "9"))
SECONDS = Kind(("5", b"5", [], SOMETHING, True), (-1, float("nan"), float("inf"), -float("inf")))
DOLLARS = Kind((None, "5", b"5", [], SOMETHING, True, float("nan"), float("inf")), (-1, 0, 10**30))
TABLE = Kind((None, 5, b"x", [], "text", SOMETHING, {5: "x"}), ({"\x1b[31m": 1}, {"no such key": 1}, {"": None}))
MAYBE_TABLE = Kind(TABLE.wrong[1:], TABLE.odd)
# Only what is refused: an odd folder that can be made is made, and filled.
TARGET = Kind((None, *STRANGERS), ("", " ", "\0", "\ud800", "/", "//", "/..", "a\x1b[31mb", "x" * 1_000_000))
PATH = Kind((5, b"x", [], SOMETHING, {}), ("", "\0", "/nowhere/at/all", Path("/nowhere"), "\ud800", "x" * 10_000))
TASK = Kind((None, 5, b"x", [], SOMETHING, {"command": "x"}), ("", " ", "\0", "nowhere.yaml", "\x1b.yml", Path("\0")))
NO_COMMANDS = ("", " \t\n", "\0", "true\0", "\ud800", "true " + "x" * 1_000_000)
COMMAND = Kind((None, 5, b"x", SOMETHING, {}, []), NO_COMMANDS)
MAYBE_COMMAND = Kind((5, b"x", SOMETHING, {}, []), NO_COMMANDS)
MOUNTS = Kind(
    (5, b"x", SOMETHING, [1], [], {"/data": 5}, {5: "x"}, {"/data": None}),
    (
        *({"data": "."}, {"/": "."}, {"/a/../b": "."}, {"/\x1b[1m": "."}, {"/data": ""}, {"/data": "\0"}),
        *({"/a": ".", "/a/b": "."}, {"/data": "volume://no-such"}, {"/data": "\ud800"}, {"/\ud800": "."}),
        *("\x1b[31m", "\0", "volume://"),
    ),
)
STATUS = Kind((5, b"x", SOMETHING, [5], {"a": 1}), ("", "nonsense", ["running", ""], "\x1b[31m", "x" * 1_000_000))
ONE_STATUS = Kind((None, *STRANGERS), ("", "nonsense", "\x1b[31m", "x" * 1_000_000))
GOAL = Kind((5, b"x", [], SOMETHING, True), ("", "nonsense", "\x1b[31m", "RUNNING"))
# Of a path in a task only what is refused: any other would be made where the task works.
FAR_PATH = Kind((None, *STRANGERS), ("", " ", "\0", "\ud800", "/nowhere/at/all", "x" * 1_000_000))
ADDRESS = Kind((None, *STRANGERS, "task_aaaaaaaaaa"), (LogId("local", "task_aaaaaaaaaa"), LogId("x", "\0")))
DAYS = Kind((None, "5", b"5", [], SOMETHING, True, -1, float("nan"), float("inf"), 10**30))
IDS = Kind((5, b"x", "task_aaaaaaaaaa", SOMETHING, [5], [None]), ([""], ["../x"], ["\x1b[31m"], ["x" * 1_000_000]))
SOME_IDS = Kind((5, b"x", SOMETHING, [5], [None]), ([""], ["../x"], ["\x1b[31m"], "x" * 1_000_000))
PATTERN = Kind((None, *STRANGERS), ("\ud800", "x" * 1_000_000))
SEARCHED = Kind((5, b"x", "text", SOMETHING, [1], {"task": 1}, {LogId("local", "task_aaaaaaaaaa"): "x"}))
PLAN = Kind((None, *STRANGERS, "x"), (PruningPlan("elsewhere", ()),))
ANYTHING = Kind(())  # a flag is what Python takes for true; some parameters are accepted and not needed


@dataclass(frozen=True)
class Row:
    """A method: what each parameter takes, with a value that is good, and whether a closed client refuses it."""

    takes: dict[str, tuple[Kind, Any]]
    closed: bool = True


ID, VOLUME = "<the running task>", "<the volume>"
FLAG = (ANYTHING, False)
LOGS = {"attempt": (MAYBE_WHOLE, 0), "rank": (WHOLE, 0), "updates": FLAG}
ONE_TASK = {"task_id": (NAME, ID)}
SHELL = {"command": (MAYBE_COMMAND, "true"), "node": (MAYBE_WHOLE, 0)}

WAITING = {"timeout_s": (SECONDS, 0.0), "timeout": (SECONDS, None)}
PUT = {"source": (PATH, __file__), "target": (FAR_PATH, "/nowhere/at/all"), "node": (WHOLE, 0)}
GET = {"source": (FAR_PATH, "/nowhere/at/all"), "target": (PATH, "copy"), "node": (WHOLE, 0)}

FLOW = {
    "cancel": Row({**ONE_TASK, "force": FLAG}),
    "cancel_reservation": Row({"reservation_id": (NAME, "no-such")}),
    "price_history": Row({"hours": (WHOLE, 24)}),
    "quotas": Row({}),
    "task_history": Row(ONE_TASK),
    "search_logs": Row(
        {
            "pattern": (PATTERN, "nothing"),
            "task_ids": (SOME_IDS, ID),
            "regex": FLAG,
            "case_sensitive": FLAG,
            "context": (WHOLE, 2),
            "limit": (WHOLE, 100),
            "since": (SEARCHED, None),
        }
    ),
    "set_limit_price": Row(ONE_TASK | {"limit_usd_per_hour": (DOLLARS, 1.5)}),
    "pause_task": Row(ONE_TASK),
    "hold_task": Row(ONE_TASK),
    "release_task": Row(ONE_TASK),
    "requeue_task": Row(ONE_TASK),
    "set_time_limit": Row(ONE_TASK | {"hours": (HOURS, 1.5)}),
    "signal_task": Row(ONE_TASK | {"signal_name": (SIGNAL, "SIGUSR1")}),
    "estimate_start": Row({"task": (TASK, "true"), "fields": (ANYTHING, {})}),
    "watch_everyone": Row({"on": FLAG}),
    "resume_task": Row(ONE_TASK),
    "close": Row({}, closed=False),
    "create_platform_ssh_key": Row({"name": (NAME, "key"), "public_key": (NAME, "ssh-ed25519 AAAA")}),
    "create_volume": Row(
        {
            "size_gb": (WHOLE, 1),
            "name": (MAYBE_NAME, "new-volume"),
            "interface": (NAME, "block"),
            "region": (LABEL, None),
        }
    ),
    "delete_platform_ssh_key": Row({"key_id": (NAME, "no-such")}),
    "delete_volume": Row({"volume_id": (NAME, "no-such")}),
    "dev_context": Row({"auto_stop": FLAG}, closed=False),
    "ensure_default_ssh_key": Row({}),
    "find_failure_cause": Row({**ONE_TASK, "attempt": (MAYBE_WHOLE, None)}),
    "find_instances": Row({"requirements": (TABLE, {}), "limit": (WHOLE, 10)}),
    "get_provider_init": Row({}),
    "get_remote_operations": Row({}),
    "get_reservation": Row({"reservation_id": (NAME, "no-such")}),
    "get_ssh_key_manager": Row({}),
    "get_ssh_tunnel_manager": Row({}),
    "get_task": Row(ONE_TASK),
    "get_task_ssh_connection_info": Row(ONE_TASK),
    "get_user": Row({"user_id": (NAME, "no-such")}),
    "get_user_teammates": Row({"user_id": (NAME, "no-such")}),
    "instance_metrics": Row({"allocation_id": (NAME, "local-cpu")}),
    "list_platform_ssh_keys": Row({}),
    "list_projects": Row({}),
    "list_reservations": Row({"params": (MAYBE_TABLE, None)}),
    "list_ssh_keys": Row({"project_id": (MAYBE_NAME, None)}),
    "list_tasks": Row({"status": (STATUS, None), "limit": (WHOLE, 10), "force_refresh": FLAG}),
    "list_volumes": Row({"limit": (WHOLE, 100)}),
    "logs": Row(
        {
            **ONE_TASK,
            "follow": FLAG,
            "tail": (WHOLE, 100),
            "stderr": FLAG,
            "source": (MAYBE_NAME, None),
            "stream": (MAYBE_NAME, None),
            **LOGS,
        }
    ),
    "mount_volume": Row({"volume_id": (NAME, VOLUME), **ONE_TASK, "mount_point": (MAYBE_NAME, "/data")}),
    "normalize_instance_request": Row({"gpu_count": (WHOLE, 1), "gpu_type": (MAYBE_NAME, "a100")}),
    "plan_pruning": Row({"older_than_days": (DAYS, 30), "keep_last": (MAYBE_WHOLE, None), "task_ids": (IDS, ())}),
    "prune_tasks": Row({"plan": (PLAN, PruningPlan("local", ()))}),
    "provider_port": Row({}),
    "reservation_availability": Row({"params": (TABLE, {})}),
    "reserve": Row(
        {
            "gpu": (NAME, "1000xh900"),
            "duration_hours": (WHOLE, 1),
            "auto_renew": FLAG,
            "fields": (ANYTHING, {}),
        }
    ),
    "resolve_ssh_endpoint": Row({**ONE_TASK, "node": (MAYBE_WHOLE, None)}),
    "run": Row(
        {
            "task": (TASK, "true"),
            "wait": FLAG,
            "mounts": (MOUNTS, None),
            "wait_until": (GOAL, None),
            "max_wait_seconds": (SECONDS, None),
            "dry_run": FLAG,
            "fields": (ANYTHING, {}),
        }
    ),
    "put_file": Row(ONE_TASK | PUT),
    "get_file": Row(ONE_TASK | GET),
    "get_task_instances": Row(ONE_TASK),
    "log_stream": Row({**ONE_TASK, "stderr": FLAG, **LOGS}),
    "shell": Row({**ONE_TASK, **SHELL, "progress_context": (ANYTHING, None), "record": FLAG}),
    "status": Row(ONE_TASK),
    "submit": Row(
        {
            "command": (COMMAND, "true"),
            "gpu": (MAYBE_NAME, None),
            "mounts": (MOUNTS, None),
            "instance_type": (MAYBE_NAME, None),
            "wait": FLAG,
        }
    ),
    "task_metrics": Row({**ONE_TASK, "node": (WHOLE, 0)}),
    "upload_code_to_task": Row(
        {
            **ONE_TASK,
            "source_dir": (PATH, "."),
            "timeout": (WHOLE, 60),
            "console": (ANYTHING, None),
            "target_dir": (TARGET, "/workspace"),
            "progress_reporter": (ANYTHING, None),
            "git_incremental": (ANYTHING, None),
        }
    ),
    "wait_for_ssh": Row(
        {
            **ONE_TASK,
            "timeout": (WHOLE, 0),
            "show_progress": FLAG,
            "progress_adapter": (ANYTHING, None),
        }
    ),
}
ASYNC_FLOW = FLOW | {
    "attach_volume": FLOW["mount_volume"],
    "reopen": Row({}, closed=False),
    "run_change": Row({}, closed=False),
    "get_facet": Row({}, closed=False),
    "is_log_complete": Row({"address": (ADDRESS, None)}),
    "log_addresses": Row(ONE_TASK),
    "log_clock": Row({"address": (ADDRESS, None)}),
    "log_bytes": Row({"address": (ADDRESS, None), "offset": (WHOLE, 0)}),
    "open_log": Row({"address": (ADDRESS, None)}),
    "open_shell": Row({**ONE_TASK, "columns": (WHOLE, 80), "rows": (WHOLE, 24), "command": (MAYBE_COMMAND, "true")}),
    "ssh_command": Row(ONE_TASK),
    "task_directory": Row(ONE_TASK),
}
CLIENT = {
    "cancel": Row({**ONE_TASK, "force": FLAG}),
    "close": Row({}, closed=False),
    "provider_port": Row({}),
    "prune": Row({"older_than_days": (DAYS, 30), "keep_last": (MAYBE_WHOLE, None)}),
    "reserve": Row({"gpu": (NAME, "1000xh900"), "duration_hours": (WHOLE, 1), "auto_renew": FLAG}),
    "run": Row(
        {
            "command": (COMMAND, "true"),
            "gpu": (MAYBE_NAME, None),
            "cpus": (MAYBE_WHOLE, 1),
            "memory_gb": (MAYBE_WHOLE, 1),
            "wait": FLAG,
        }
    ),
    "ssh": Row(ONE_TASK),
    "status": Row({"task_id": (MAYBE_NAME, None)}),
    "volumes": Row({}),
}
ON_A_TASK = {
    "cancel": Row({"force": FLAG}),
    "log_stream": Row({"stderr": FLAG, **LOGS}),
    "logs": Row({"follow": FLAG, "tail": (WHOLE, 100), "stderr": FLAG, **LOGS}),
    "refresh": Row({}),
    "shell": Row({**SHELL, "record": FLAG}),
    "stop": Row({}),
    "to_dict": Row({}, closed=False),
    "wait": Row(WAITING),
    "wait_until_started": Row(WAITING),
    "wait_for_status": Row({"status": (ONE_STATUS, "running"), **WAITING}),
    "put_file": Row(PUT),
    "get_file": Row(GET),
    "get_instances": Row({}),
    "get_user": Row({}),
}
IN_WORDS = {"ssh_command": Row({}, closed=False), "shell_command": Row({}, closed=False)}
TABLES: dict[type, dict[str, Row]] = {
    AsyncFlow: ASYNC_FLOW,
    Flow: FLOW,
    Client: CLIENT,
    AsyncTask: ON_A_TASK | IN_WORDS,
    Task: {name: replace(row, closed=False) for name, row in ON_A_TASK.items()},  # it opens a client of its own
}
