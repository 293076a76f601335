"""What sbatch prints when it refuses a task becomes one sentence that names the field."""

from __future__ import annotations

import re

import pytest
from testbed.tables import each

from flow_core.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    Conflict,
    FlowError,
    NotFound,
    ProviderError,
    Unreachable,
    Unsupported,
)
from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.settings import SlurmSettings
from flow_core.providers.slurm.submit.answers import Answer, AnswerErrors, parse_answer
from flow_core.providers.slurm.submit.plan import PlanBuilder
from flow_core.providers.slurm.submit.refusals import REFUSALS, build_refusal, build_write_error
from flow_core.providers.slurm.submit.request import SbatchRequest, build_request

TITLE = "login node 'lab'"
CONFIG = TaskConfig.parse(
    {
        "command": "true",
        "region": "gpu",
        "instance_type": "4xa100",
        "min_cpus": 2,
        "min_memory_gb": 3,
        "max_run_time_hours": 1,
        "array": "0-3",
        "after": ["5"],
        "reservation_id": "maint",
        "provider_options": {"slurm": {"account": "lab", "licenses": "x:1", "nodelist": "node9", "nice": 5}},
    }
)
REQUEST = build_request(CONFIG, "name", SlurmSettings(qos="high", constraint="nvlink"), None)
FAILED = "sbatch: error: Batch job submission failed: "

TEXTS: tuple[tuple[str, type[FlowError], str, str], ...] = (
    (
        f"sbatch: error: invalid partition specified: gpu\n{FAILED}Invalid partition name specified",
        ConfigError,
        "region",
        "region: login node 'lab' has no partition 'gpu'; `sinfo -s` lists the partitions",
    ),
    (
        f"{FAILED}No partition specified or system default partition",
        ConfigError,
        "region",
        "the cluster has no default partition",
    ),
    (f"{FAILED}User's group not permitted to use this partition", CapacityError, "region", "takes no tasks of yours"),
    (f"{FAILED}Required partition not available (inactive or drain)", CapacityError, "region", "(inactive or drain)"),
    (
        f"{FAILED}Invalid account or account/partition combination specified",
        AuthError,
        "provider_options",
        "use account 'lab' there",
    ),
    (f"{FAILED}Invalid qos specification", ConfigError, "", "Slurm doesn't let you use QOS 'high' there"),
    (
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
        f"{FAILED}Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        CapacityError,
        "",
        "a limit of your account or QOS doesn't allow it (QOSMaxSubmitJobPerUserLimit)",
    ),
    (
        f"sbatch: error: AssocMaxSubmitJobLimit\n{FAILED}Job violates accounting/QOS policy",
        CapacityError,
        "",
        "(AssocMaxSubmitJobLimit)",
    ),
    (
        f"{FAILED}Requested time limit is invalid (missing or exceeds some limit)",
        ConfigError,
        "max_run_time_hours",
        "ask for a shorter one",
    ),
    (f"{FAILED}Invalid feature specification", ConfigError, "", "no node has the features of the constraint 'nvlink'"),
    (f"{FAILED}Access denied to requested reservation", AuthError, "reservation_id", "the reservation 'maint'"),
    (f"{FAILED}Requested reservation is invalid", NotFound, "reservation_id", "there is no reservation 'maint'"),
    (f"{FAILED}Requested reservation not usable now", CapacityError, "reservation_id", "can't be used for this task"),
    (f"{FAILED}Invalid job array specification", ConfigError, "array", "the indexes '0-3'"),
    (f"{FAILED}Job dependency problem", ConfigError, "after", "accept these tasks (Job dependency problem)"),
    (f"{FAILED}Invalid node name specified", ConfigError, "provider_options", "has no such node"),
    (f"{FAILED}Invalid generic resource (gres) specification", ConfigError, "instance_type", "no such GPUs"),
    (f"{FAILED}Node count specification invalid", ConfigError, "num_instances", "this number of nodes"),
    (
        "sbatch: error: Memory specification can not be satisfied\n"
        f"{FAILED}Requested node configuration is not available",
        CapacityError,
        "min_memory_gb",
        "no node there has so much memory",
    ),
    (
        "sbatch: error: CPU count per node can not be satisfied\n"
        f"{FAILED}Requested node configuration is not available",
        CapacityError,
        "min_cpus",
        "no node there has so many CPUs",
    ),
    (
        f"{FAILED}Requested node configuration is not available",
        CapacityError,
        "instance_type",
        "no node there has everything",
    ),
    (
        "allocation failure: Requested node configuration is not available",
        CapacityError,
        "instance_type",
        "no node there has everything",
    ),
    (f"{FAILED}Invalid license specification", ConfigError, "provider_options", "no license 'x:1'"),
    (f"{FAILED}Invalid --nice value", ConfigError, "provider_options", "only lower the priority"),
    (
        "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\nsbatch: error: instead of expected UNIX",
        ConfigError,
        "command",
        "convert it with dos2unix",
    ),
    (
        "sbatch: error: This does not look like a batch script.  The first\nsbatch: error: line must start with #!",
        ConfigError,
        "command",
        "must name its interpreter",
    ),
    ("sbatch: error: Batch script is empty!", ConfigError, "command", "the script is empty"),
    (
        "sbatch: error: The Slurm controller does not allow scripts that contain a NUL character '\\0'.\n"
        "sbatch: error: Batch script contains NUL character",
        ConfigError,
        "command",
        "doesn't accept the script",
    ),
    ("sbatch: unrecognized option '--segment=2'", ConfigError, "provider_options", "may be older or newer"),
    ("sbatch: error: Invalid --time specification", ConfigError, "max_run_time_hours", "Invalid --time specification"),
    ("sbatch: error: Invalid --mail-type specification", ConfigError, "provider_options", "doesn't accept a value"),
    (f"{FAILED}MaxJobCount limit reached", CapacityError, "", "takes no more tasks now (MaxJobCount limit reached)"),
    (f"{FAILED}System submissions disabled", CapacityError, "", "try again later"),
    (f"{FAILED}I/O error writing script/environment to file", ProviderError, "", "a disk of the cluster is full"),
    (
        f"{FAILED}Unable to contact slurm controller (connect failure)",
        Unreachable,
        "",
        "slurmctld of login node 'lab' does not answer",
    ),
    (
        "sbatch: error: lua: you must say please\n" + FAILED + "Unspecified error",
        ProviderError,
        "",
        "Slurm refused the task: Unspecified error",
    ),
    ("sbatch: error: a wholly new reason \x1b[31m", ProviderError, "", "Slurm refused the task: 'a wholly new reason"),
    ("", ProviderError, "", "Slurm refused the task without a reason"),
)


@each(("text", "kind", "field", "part"), TEXTS)
def test_the_reason_is_one_sentence_with_the_field(text: str, kind: type[FlowError], field: str, part: str) -> None:
    error = build_refusal(text.encode(), REQUEST, TITLE, is_script=False)
    assert type(error) is kind, error
    assert (error.field or "") == field
    assert part in str(error)
    assert str(error).isprintable()
    assert str(error).startswith(f"{field}: ") or not field


def test_every_known_text_has_a_row() -> None:
    for refusal in REFUSALS:
        assert any(refusal.pattern.search(text) for text, *_ in TEXTS), refusal.pattern.pattern
        assert set(re.findall(r"\{(\w+)\}", refusal.sentence)) <= {"value", "line", "limit", "title"}


def test_for_a_script_the_command_is_at_fault_unless_the_task_set_the_option() -> None:
    own = SbatchRequest(options={"account": "a"}, fields={"time": "max_run_time_hours"})
    rows = (
        ("Requested node configuration is not available", "command"),
        ("Invalid partition name specified", "command"),
        ("Requested time limit is invalid", "max_run_time_hours"),
        ("Invalid account or account/partition combination specified", None),
        ("Invalid --mem specification", "command"),
        ("Batch script is empty!", "command"),
    )
    for text, field in rows:
        assert build_refusal(text.encode(), own, TITLE, is_script=True).field == field, text


WRITE_ERRORS = (
    ("mkdir: cannot create directory '/x': No space left on device", "its disk is full"),
    ("awk: write failure (Disk quota exceeded)", "your disk quota is used up"),
    ("mkdir: cannot create directory '/x': Permission denied", "you may not write there"),
    ("mkdir: cannot create directory '/x': Read-only file system", "its file system is read-only"),
    ("mkdir: cannot create directory '/x': Stale file handle", "its file system doesn't answer"),
    ("something else\nmore", "something else"),
    ("", "it can't be written"),
)


@each(("text", "reason"), WRITE_ERRORS)
def test_a_folder_that_takes_no_files_is_named_with_the_reason(text: str, reason: str) -> None:
    error = build_write_error(text.encode(), "~/flow", TITLE)
    assert type(error) is ProviderError
    assert str(error) == (
        f"flow's folder ~/flow on login node 'lab' can't take the task: {reason}; make room there, or choose another"
        " one with folder in the context"
    )


ANSWERS: tuple[tuple[Answer, type[FlowError], str | None, str], ...] = (
    (Answer("busy"), Conflict, "idempotency_key", "another client is submitting 'k' now"),
    (Answer("missing", "1"), ConfigError, "data_mounts", "has no /b"),
    (Answer("no-folder"), ConfigError, "working_dir", "has no folder '/w'"),
    (Answer("no-container"), Unsupported, "image", "none of apptainer, pyxis, enroot"),
    (Answer("ended", "7 unknown"), NotFound, "after", "Slurm knows no task 7"),
    (Answer("ended", "7 CANCELLED by 12"), Conflict, "after", "task 7 ended as cancelled by 12, so this one"),
    (Answer("unclear"), Unreachable, None, "may have been submitted all the same"),
    (Answer("refused"), CapacityError, None, "takes no more tasks now"),
    (Answer("unwritable"), ProviderError, None, "can't take the task"),
    (Answer(), ProviderError, None, "the submission on login node 'lab' failed: Batch job submission failed"),
)


@each(("answer", "kind", "field", "part"), ANSWERS)
def test_each_answer_of_the_login_node_is_an_error(
    answer: Answer, kind: type[FlowError], field: str | None, part: str
) -> None:
    mounts = [{"source": path, "target": path} for path in ("/a", "/b")]
    config = TaskConfig(command="true", idempotency_key="k", working_dir="/w", data_mounts=mounts)
    plan = PlanBuilder(config, SlurmSettings(), "key", ("run", "home")).build(None, None)
    stderr = f"{FAILED}MaxJobCount limit reached".encode()
    error = AnswerErrors(config, SlurmSettings(), TITLE).build(answer, stderr, plan)
    assert type(error) is kind
    assert error.field == field
    assert part in str(error)


def test_only_lines_with_the_token_are_answers() -> None:
    printed = b'job 1 /x\nt job\nt submission {"a": "b c"}\nt home /h\nTOKEN ready /y\nt earlier 12 /a b\n\xff t busy\n'
    answer = parse_answer(printed, "t")
    assert answer == Answer("earlier", "12 /a b", '{"a": "b c"}', "/h")
    assert answer.split_job() == ("12", "/a b")
    assert parse_answer(b"", "t") == Answer()


@pytest.mark.parametrize("tool", ["apptainer", "enroot"])
def test_a_chosen_tool_that_is_missing_is_named(tool: str) -> None:
    config = TaskConfig(command="true", image="busybox")
    settings = SlurmSettings(container=tool)
    plan = PlanBuilder(config, settings, "key", ("run", "home")).build(None, None)
    assert plan.tools == (tool,)
    error = AnswerErrors(config, settings, TITLE).build(Answer("no-container"), b"", plan)
    assert str(error).startswith(f"image: login node 'lab' has no {tool}, so it can't run images")
