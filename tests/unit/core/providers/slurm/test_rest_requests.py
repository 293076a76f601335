"""What is sent to slurmrestd for a task, in the form that each version wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testbed.rest_recordings import load_description
from testbed.tables import each

from flow_core.errors import ConfigError, FlowError, ProviderError, Unsupported
from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.rest.api_description import ApiDescription, parse_description
from flow_core.providers.slurm.rest.job_fields import build_environment, build_job_fields
from flow_core.providers.slurm.rest.job_request import JobRequest, RestRequestBuilder
from flow_core.providers.slurm.settings import SlurmSettings
from flow_core.providers.slurm.submit.batch_script import find_script
from flow_core.providers.slurm.submit.site import NodeKind, SiteFacts

OLD = parse_description(load_description("22.05"), "slurmrestd")
NEW = parse_description(load_description("24.11"), "slurmrestd")
BETWEEN = ApiDescription(39)
"""A version of which nothing but the number is known."""
KEY = "0123456789ab"
FACTS = SiteFacts((NodeKind("gpu", True, 3, 64, 256_000, (("a100", 4),), ("fast",), 86_400),), has_gpu_options=False)
SETTINGS = SlurmSettings(rest_url="http://login:6820")


def number(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


def build(api: ApiDescription = NEW, settings: SlurmSettings = SETTINGS, **fields: Any) -> JobRequest:
    config = TaskConfig.parse({"command": "true", "upload_code": False, "unique_name": False, **fields})
    script = find_script(config.command)
    builder = RestRequestBuilder(config, settings, "alice", KEY)
    builder.check(script)
    return builder.build(FACTS, api, script)


def test_the_highest_known_version_is_chosen_with_its_paths() -> None:
    assert (OLD.version, OLD.is_parsed, OLD.build_path("jobs")) == (38, False, "/slurm/v0.0.38/jobs")
    assert (NEW.version, NEW.is_parsed, NEW.build_path("jobs")) == (42, True, "/slurm/v0.0.42/jobs/")
    assert NEW.build_path("job/7") == "/slurm/v0.0.42/job/7"
    assert (OLD.history_path, "users" in OLD.history_parameters) == ("/slurmdb/v0.0.38/jobs", False)
    assert (NEW.history_path, "users" in NEW.history_parameters) == ("/slurmdb/v0.0.42/jobs/", True)
    assert NEW.job_fields["time_limit"] == "struct"
    assert (OLD.job_fields["environment"], NEW.job_fields["environment"]) == ("table", "list")


@each(
    "paths, version",
    [
        (["/slurm/v0.0.39/jobs", "/slurm/v0.0.41/jobs/", "/slurm/v0.0.40/jobs/"], 41),
        (["/slurm/v0.0.36/jobs", "/slurm/v0.0.35/jobs"], 36),
        (["/slurm/v0.0.45/jobs/", "/slurm/v0.0.46/jobs/"], 45),
    ],
)
def test_versions_that_are_not_known_are_not_chosen(paths: list[str], version: int) -> None:
    api = parse_description({"paths": {path: {} for path in paths}}, "slurmrestd")
    assert (api.version, api.job_fields, api.history_path) == (version, {}, "")


@each(
    "document",
    [
        {},
        {"paths": None},
        {"paths": {"/slurm/v0.0.46/jobs/": {}}},
        {"paths": {"/slurm/v0.0.35/jobs": {}, "/slurmdb/v0.0.40/jobs": {}}},
        {"paths": {"/api/v1": {}, 3: {}}},
    ],
)
def test_a_server_without_a_known_version_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match=r"^slurmrestd serves .*v0\.0\.36 to v0\.0\.45; check rest_url"):
        parse_description(document, "slurmrestd")


@each(
    "option, text, old, new",
    [
        ("job-name", "a b", {"name": "a b"}, {"name": "a b"}),
        ("partition", "gpu,debug", {"partition": "gpu,debug"}, {"partition": "gpu,debug"}),
        ("nodes", "2-4", {"nodes": "2-4"}, {"nodes": "2-4"}),
        ("ntasks-per-node", "8", {"tasks_per_node": 8}, {"tasks_per_node": 8}),
        ("cpus-per-task", "4", {"cpus_per_task": 4}, {"cpus_per_task": 4}),
        ("gres", "gpu:a100:2", {"gres": "gpu:a100:2"}, {"tres_per_node": "gres/gpu:a100:2"}),
        ("gres", "gpu:1,shard:2", {"gres": "gpu:1,shard:2"}, {"tres_per_node": "gres/gpu:1,gres/shard:2"}),
        ("gpus-per-node", "a100:2", {"gpus_per_node": "a100:2"}, {"tres_per_node": "gres/gpu:a100:2"}),
        ("gpus", "4", {"gpus": "4"}, {"tres_per_job": "gres/gpu:4"}),
        ("gpus-per-task", "1", {"gpus_per_task": "1"}, {"tres_per_task": "gres/gpu:1"}),
        ("cpus-per-gpu", "8", {"cpus_per_gpu": "8"}, {"cpus_per_tres": "gres/gpu:8"}),
        ("mem-per-gpu", "2G", {"memory_per_gpu": 2048}, {"memory_per_tres": "gres/gpu:2048"}),
        ("mem", "16G", {"memory_per_node": 16384}, {"memory_per_node": number(16384)}),
        ("mem", "0", {"memory_per_node": 0}, {"memory_per_node": number(0)}),
        ("mem-per-cpu", "500", {"memory_per_cpu": 500}, {"memory_per_cpu": number(500)}),
        ("time", "90", {"time_limit": 90}, {"time_limit": number(90)}),
        ("time", "1-00:00:30", {"time_limit": 1441}, {"time_limit": number(1441)}),
        (
            *("time", "UNLIMITED", {"time_limit": "UNLIMITED"}),
            {"time_limit": {"set": True, "infinite": True, "number": 0}},
        ),
        ("nice", "-5", {"nice": -5}, {"nice": -5}),
        ("nice", "", {"nice": 100}, {"nice": 100}),
        ("requeue", "", {"requeue": True}, {"requeue": True}),
        ("no-requeue", "", {"requeue": False}, {"requeue": False}),
        ("hold", "", {"hold": True}, {"hold": True}),
        ("nodelist", "n[1-2]", {"nodelist": "n[1-2]"}, {"required_nodes": ["n[1-2]"]}),
        ("exclude", "n1,n2", None, {"excluded_nodes": ["n1", "n2"]}),
        ("exclusive", "", {"exclusive": "exclusive"}, {"shared": ["none"]}),
        ("exclusive", "user", {"exclusive": "user"}, {"shared": ["user"]}),
        ("oversubscribe", "", {"oversubscribe": True}, {"shared": ["oversubscribe"]}),
        ("mail-type", "END,fail", {"mail_type": "END,fail"}, {"mail_type": ["END", "FAIL"]}),
        (
            *("mail-type", "ALL", {"mail_type": "ALL"}),
            {"mail_type": ["BEGIN", "END", "FAIL", "REQUEUE", "INVALID_DEPENDENCY", "STAGE_OUT"]},
        ),
        ("open-mode", "append", {"open_mode": "append"}, {"open_mode": ["APPEND"]}),
        ("priority", "100", {"priority": "100"}, {"priority": number(100)}),
        (
            *("signal", "B:USR1@120", None),
            {
                "kill_warning_signal": "USR1",
                "kill_warning_delay": number(120),
                "kill_warning_flags": ["BATCH_JOB"],
            },
        ),
        ("signal", "TERM", None, {"kill_warning_signal": "TERM", "kill_warning_delay": number(60)}),
        ("deadline", "now+1hour", {"deadline": "now+1hour"}, None),
        ("export", "NONE", {}, {}),
        ("quiet", "", {}, {}),
        ("get-user-env", "", None, None),
        ("clusters", "other", None, None),
        ("switches", "1", None, None),
    ],
)
def test_each_option_has_its_field(
    option: str, text: str, old: dict[str, Any] | None, new: dict[str, Any] | None
) -> None:
    for api, expected in ((OLD, old), (NEW, new)):
        if expected is None:
            with pytest.raises(Unsupported, match=f"^command: slurmrestd takes no option {option}; ") as refused:
                build_job_fields({option: text}, api, {})
            assert refused.value.field == "command"
        else:
            assert build_job_fields({option: text}, api, {}) == expected, api.name


def test_a_version_between_has_its_own_notation() -> None:
    fields = build_job_fields({"gpus-per-node": "a100:2", "time": "5", "exclusive": ""}, BETWEEN, {})
    assert fields == {"tres_per_node": "gres:gpu:a100:2", "time_limit": number(5), "shared": ["none"]}
    assert build_environment({"A": "b"}, BETWEEN) == ["A=b"]
    assert build_environment({"A": "b=c"}, OLD) == {"A": "b=c"}
    assert build_environment({"A": "b=c"}, NEW) == ["A=b=c"]


def test_resources_of_several_options_are_added() -> None:
    assert build_job_fields({"gres": "shard:2", "gpus-per-node": "1"}, NEW, {}) == {
        "tres_per_node": "gres/shard:2,gres/gpu:1"
    }


@each(
    "option, text",
    [
        ("time", "soon"),
        ("mem", "much"),
        ("nice", "x"),
        ("ntasks", "two"),
        ("exclusive", "everybody"),
        ("requeue", "maybe"),
        ("signal", "B:USR1@soon"),
        ("priority", "TOP"),
        ("open-mode", "x"),
        ("ntasks", "9" * 30),
    ],
)
def test_a_value_that_can_not_be_read_names_the_field(option: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^provider_options: slurmrestd does not take .* for {option}$") as refused:
        build_job_fields({option: text}, NEW, {option: "provider_options"})
    assert refused.value.field == "provider_options"


@each("api", [OLD, NEW])
def test_a_task_has_the_fields_of_its_config(api: ApiDescription) -> None:
    request = build(
        api,
        command=["echo", "a b"],
        name="train",
        num_instances=2,
        instance_type="2xa100",
        min_cpus=4,
        min_memory_gb=8,
        max_run_time_hours=1.5,
        region="gpu",
        priority="low",
        array="0-3%2",
        working_dir="/data",
        provider_options={"slurm": {"comment": "mine", "exclusive": True}},
    )
    job = request.job
    assert (job["name"], job["partition"], job["nodes"], job["array"]) == ("train", "gpu", "2", "0-3%2")
    assert job["comment"] == f"flow:{KEY} mine"
    assert job["current_working_directory"] == "/data"
    assert job["standard_output"] == "/dev/null"
    environment = job["environment"]
    variables = environment if isinstance(environment, dict) else dict(pair.split("=", 1) for pair in environment)
    assert variables["SLURM_CPUS_PER_TASK"] == "4"
    assert variables["SLURM_SUBMIT_DIR"] == "/data"
    assert variables["USER"] == variables["LOGNAME"] == "alice"
    assert variables["PATH"] == "/usr/local/bin:/usr/bin:/bin"
    if api is NEW:
        assert (job["time_limit"], job["memory_per_node"]) == (number(90), number(8192))
        assert (job["tres_per_node"], job["shared"]) == ("gres/gpu:a100:2", ["none"])
        assert set(job) <= NEW.job_fields.keys()
        assert request.body == {"job": {**job, "script": request.script}}
    else:
        assert (job["time_limit"], job["memory_per_node"]) == (90, 8192)
        assert (job["gres"], job["exclusive"]) == ("gpu:a100:2", "exclusive")
        assert set(job) <= OLD.job_fields.keys()
        assert request.body == {"job": job, "script": request.script}
    assert request.submission.folder == f"~/.local/state/flow/slurm/runs/{KEY}"
    assert request.submission.working_dir == "/data"
    assert '"train"' in request.describe()


def test_the_time_of_the_start_is_absolute_or_from_now() -> None:
    fields = {"scheduled_start_time": "2100-01-01T00:00:00Z"}
    assert build(NEW, **fields).job["begin_time"] == number(4102444800)
    assert build(OLD, **fields).job["begin_time"].startswith("now+")


def test_the_defaults_of_the_context_are_used() -> None:
    settings = SlurmSettings(rest_url="http://x", partition="gpu", account="lab", qos="low", bin_dir="/opt/slurm/bin")
    job = build(settings=settings).job
    assert (job["partition"], job["account"], job["qos"]) == ("gpu", "lab", "low")
    assert "PATH=/opt/slurm/bin:/usr/local/bin:/usr/bin:/bin" in job["environment"]


@each(
    "fields, field",
    [
        ({"env": {"A": "secret"}}, "env"),
        ({"upload_code": True}, "upload_code"),
        ({"upload_code": True, "code_root": ".", "working_dir": "/data"}, "upload_code"),
        ({"image": "python:3.12"}, "image"),
        ({"data_mounts": [{"source": "/data", "target": "/workspace/data"}]}, "data_mounts"),
        ({"volumes": [{"name": "data", "size_gb": 1}]}, "volumes"),
        ({"command": "echo \udcff"}, "command"),
        ({"command": "#!/bin/sh\n#SBATCH --begin=16:00\ntrue\n", "working_dir": "/d"}, "command"),
        ({"command": "#!/bin/sh\n#SBATCH --no-such=1\ntrue\n", "working_dir": "/d"}, "command"),
        ({"command": "#!/bin/sh\n#SBATCH -N1\n#SBATCH hetjob\n#SBATCH -N2\ntrue\n", "working_dir": "/d"}, "command"),
        ({"command": "#!/bin/sh\n#SBATCH -N1\ntrue\n"}, "working_dir"),
        ({"command": "#!/bin/sh\n#SBATCH -N1\ntrue\n", "working_dir": "~/x"}, "working_dir"),
        ({"command": "#!/bin/sh\n#SBATCH --switches=1\ntrue\n", "working_dir": "/d"}, "command"),
        ({"provider_options": {"slurm": {"switches": 1}}}, "provider_options"),
        ({"provider_options": {"slurm": {"time": "soon"}}}, "provider_options"),
    ],
)
def test_what_slurmrestd_can_not_do_is_refused_with_the_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(FlowError) as refused:
        build(**fields)
    assert isinstance(refused.value, ConfigError | Unsupported)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert "secret" not in str(refused.value)


def test_arguments_of_a_script_are_refused(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text("#!/bin/sh\n#SBATCH -N1\ntrue\n")
    with pytest.raises(Unsupported, match=r"^command: without SSH, a script gets no arguments"):
        build(command=["sbatch", str(tmp_path / "job.sh"), "1"], working_dir="/data")


@each("fields", [{"working_dir": "/data"}, {"working_dir": "~/x"}, {"upload_code": False}])
def test_without_code_to_send_the_default_is_no_obstacle(fields: dict[str, Any]) -> None:
    job = build(**{"upload_code": True, **fields}).job
    assert job["current_working_directory"] == ("/data" if fields.get("working_dir") == "/data" else "/")


def test_an_image_runs_if_the_context_names_what_runs_it() -> None:
    settings = SlurmSettings(rest_url="http://x", container="apptainer")
    assert "docker://python:3.12" in build(settings=settings, image="python:3.12").script


def test_a_script_with_sbatch_lines_is_sent_unchanged_with_its_options_as_fields() -> None:
    text = (
        "#!/bin/bash -l\n#SBATCH -J mine -N 2 --ntasks-per-node=4\n#SBATCH --gres=gpu:a100:4 -t 1:00:00\n"
        "#SBATCH --output=logs/%x-%j.out --comment='my own'\n#SBATCH -D /data --dependency=singleton\nsrun train\n"
    )
    request = build(command=text, region="debug")
    assert request.script == text
    assert request.is_user_script
    job = request.job
    assert (job["name"], job["nodes"], job["tasks_per_node"]) == ("mine", "2", 4)
    assert (job["tres_per_node"], job["time_limit"], job["partition"]) == ("gres/gpu:a100:4", number(60), "debug")
    assert (job["standard_output"], job["current_working_directory"]) == ("logs/%x-%j.out", "/data")
    assert (job["comment"], job["dependency"]) == (f"flow:{KEY} my own", "singleton")
    assert "SLURM_NTASKS_PER_NODE=4" in job["environment"]
    assert request.submission.folder == ""
