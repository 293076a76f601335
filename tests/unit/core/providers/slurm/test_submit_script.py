"""The files of a submission: the batch script, the variables, the command lines for images, and the record."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.tables import each

from flow_core.agent.supervisor.rank_environment import RANK_VARIABLES, rank_environment
from flow_core.errors import Unsupported
from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.run_folder import (
    RunFolder,
    Submission,
    make_key,
    parse_comment,
    parse_submission,
)
from flow_core.providers.slurm.settings import SlurmSettings
from flow_core.providers.slurm.submit.environment import build_env_file, build_variables, quote
from flow_core.providers.slurm.submit.images import TOOLS, Bind, ImageRequest, build_launch
from flow_core.providers.slurm.submit.plan import PlanBuilder, SubmissionPlan, digest_config
from flow_core.providers.slurm.submit.submission import describe_submission

MARKS = ("<run>", "<home>")


def plan(settings: SlurmSettings = SlurmSettings(), **fields: Any) -> SubmissionPlan:  # noqa: B008
    return PlanBuilder(TaskConfig.parse({"command": "true", **fields}), settings, "abc", MARKS).build(None, None)


def script(**fields: Any) -> str:
    return plan(**fields).files["script.sh"].decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("mode", ["auto", "manual"])
@pytest.mark.parametrize("ranks", [1, 3])
@each("ports", [[], [8080], [8080, 8081]])
def test_a_rank_has_the_variables_that_the_agent_sets(ranks: int, mode: str, ports: list[int]) -> None:
    class Spec:
        part = None

    spec: Any = Spec()
    spec.ranks, spec.distributed_mode, spec.ports = ranks, mode, ports
    expected = rank_environment(spec, 0, 2, 29500 if ranks > 1 else None)
    config = TaskConfig.parse({"command": "true", "num_instances": ranks, "distributed_mode": mode, "ports": ports})
    found = build_variables(config, 2)
    assert found.keys() - expected.keys() == {"PYTHONUNBUFFERED", "FLOW_TASK_DIR"}
    assert expected.keys() <= found.keys()
    assert found.keys() & RANK_VARIABLES == expected.keys()


def test_a_script_has_the_options_that_people_read_and_no_value_of_a_variable() -> None:
    text = script(
        command="python train.py",
        name="train",
        unique_name=False,
        instance_type="4xa100",
        num_instances=2,
        max_run_time_hours=2,
        env={"TOKEN": "hunter2"},
    )
    assert text.splitlines()[:6] == [
        "#!/bin/sh",
        "#SBATCH --job-name=train",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=1",
        "#SBATCH --gpus-per-node=a100:4",
        "#SBATCH --time=120",
    ]
    assert "run=\"$HOME\"/'.local/state/flow/slurm'/runs/abc" in text
    assert "exec $shell -c 'python train.py'" in text
    assert "hunter2" not in text


def test_a_script_contains_only_the_parts_that_it_needs() -> None:
    plain, several = script(), script(num_instances=2)
    assert "srun" not in plain
    assert "sleep" not in plain
    assert '[ -r "$run/env.sh" ]' not in plain
    assert "command srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --kill-on-bad-exit=1" in several
    retries = {"max_retries": 3, "mode": "exponential", "delay_s": 4.5, "max_delay_s": 15}
    assert "for delay in 5 9 15; do" in script(retries=retries)
    assert "@" not in plain.replace("$@", "")


def test_a_command_may_contain_the_marks_of_the_template() -> None:
    assert "exec 'echo' '@COMMAND@' '@RETRIES@'" in script(command=["echo", "@COMMAND@", "@RETRIES@"])


def test_a_command_of_any_bytes_is_kept() -> None:
    assert b"-c 'echo \xff'" in plan(command="echo \udcff").files["script.sh"]


def test_values_are_quoted_for_sh() -> None:
    assert build_env_file({"A": "it's", "B": "a\n$b"}) == "export A='it'\\''s'\nexport B='a\n$b'\n"
    assert quote("") == "''"


DIRECTORIES: tuple[tuple[dict[str, Any], str, str, bool], ...] = (
    ({}, '"$run"/code', "<run>/code", True),
    ({"working_dir": "/workspace"}, '"$run"/code', "<run>/code", True),
    ({"working_dir": "/workspace/a b"}, "\"$run\"/code/'a b'", "<run>/code/a b", True),
    ({"working_dir": "./a//b/"}, "\"$run\"/code/'a/b'", "<run>/code/a/b", True),
    ({"working_dir": "/data"}, "'/data'", "/data", False),
    ({"working_dir": "~"}, '"$HOME"', "<home>", False),
    ({"working_dir": "~/a"}, "\"$HOME\"/'a'", "<home>/a", False),
    ({"image": "busybox"}, "'/workspace'", "/workspace", False),
    ({"image": "busybox", "working_dir": "/opt"}, "'/opt'", "/opt", False),
)


@each(("fields", "word", "text", "is_in_code"), DIRECTORIES)
def test_the_working_directory_is_in_the_code_unless_the_task_names_another(
    fields: dict[str, Any], word: str, text: str, is_in_code: bool
) -> None:
    found = plan(**fields)
    assert (found.directory.word, found.directory.text, found.directory.is_in_code) == (word, text, is_in_code)
    assert found.submission.working_dir == text


def test_there_is_a_script_for_each_tool_that_the_site_may_have() -> None:
    assert {name for name in plan(image="busybox").files if name.startswith("script")} == {
        f"script-{tool}.sh" for tool in TOOLS
    }
    assert plan(SlurmSettings(container="enroot"), image="busybox").tools == ("enroot",)
    with pytest.raises(Unsupported, match="this context runs no images"):
        plan(SlurmSettings(container="none"), image="busybox")


IMAGES = (
    ("ubuntu:24.04", "ubuntu:24.04"),
    ("pytorch/pytorch:2.9.0", "pytorch/pytorch:2.9.0"),
    ("nvcr.io/nvidia/pytorch:24.05-py3", "nvcr.io#nvidia/pytorch:24.05-py3"),
    ("localhost/x", "localhost#x"),
    ("host:5000/a/b", "host:5000#a/b"),
)


@each(("image", "uri"), IMAGES)
def test_enroot_and_pyxis_separate_the_registry(image: str, uri: str) -> None:
    request = ImageRequest(image, "/workspace")
    assert f"--container-image='{uri}'" in build_launch("pyxis", request).srun
    assert f"'docker://{uri}'" in build_launch("enroot", request).prepare
    assert f"'docker://{image}'" in build_launch("apptainer", request).prefix


def test_the_command_lines_for_images() -> None:
    binds = (Bind('"$run"/code', "/workspace"), Bind("'/data'", "/in", is_read_only=True))
    request = ImageRequest("busybox", "/a b", binds, ("A", "B"), has_gpus=True, ranks=2)
    apptainer = build_launch("apptainer", request)
    assert apptainer.prefix == (
        "\"$(command -v apptainer || command -v singularity)\" exec --nv --pwd '/a b'"
        " --bind \"$run\"/code:'/workspace' --bind '/data':'/in':ro 'docker://busybox'"
    )
    assert apptainer.prepare.endswith("exec 'docker://busybox' true")
    assert apptainer.export.startswith("for name in A B; do")
    assert build_launch("pyxis", request).srun == (
        "--container-image='busybox' --container-mounts=\"$run\":\"$run\",\"$run\"/code:'/workspace','/data':'/in':ro"
        " --container-workdir='/a b' --container-env=A,B"
    )
    enroot = build_launch("enroot", request)
    assert enroot.prefix.startswith(
        "enroot start --rw --mount \"$run\"/code:'/workspace':none:x-create=auto,rbind"
        " --mount '/data':'/in':none:x-create=auto,rbind,ro --env A --env B \"$root\"/images/'busybox.sqsh' sh -c "
    )
    assert enroot.prefix.endswith(" sh '/a b'")


def test_a_submission_is_shown_with_its_script_and_without_values() -> None:
    config = TaskConfig.parse(
        {
            "command": "cat <<END_OF_SCRIPT\nx\nEND_OF_SCRIPT",
            "env": {"TOKEN": "hunter2"},
            "after": ["5", "afterany:6"],
            "array": "0-3",
            "scheduled_start_time": "2035-06-01T10:00:00Z",
        }
    )
    shown = describe_submission(config, SlurmSettings(cluster="c1"))
    assert shown.startswith("run=\"$HOME\"/'.local/state/flow/slurm'/runs/KEY\n")
    assert "<<'END_OF_SCRIPT_'\n#!/bin/sh\n" in shown
    assert "the values: export TOKEN=...\noutput=\"$run\"/batch-%A_%a.log\ncluster='c1'\n" in shown
    assert "\ndependency=afterok:5,afterany:6\nbegin=$((2064304800 - $(date +%s)))\nsbatch " in shown
    assert "hunter2" not in shown
    assert "# With apptainer; another of" in describe_submission(
        TaskConfig(command="true", image="busybox"), SlurmSettings()
    )


def test_the_record_of_a_submission_is_read_back() -> None:
    found = plan(env={"TOKEN": "hunter2"}, num_instances=2, array="0-3", name="n").submission
    text = found.to_json()
    assert "hunter2" not in text
    assert found.config["env"] == {"TOKEN": ""}
    assert parse_submission(text, "/x/runs/abc") == Submission(**{**_fields(found), "folder": "/x/runs/abc"})
    assert parse_submission(text[:-1] + ', "later": 1}', "/x") is not None
    rows = ("", "{", "[]", "{}", '{"name": 1, "command": "x"}', '{"name": "n"}', "\x00")
    for broken in rows:
        assert parse_submission(broken, "/x") is None
    assert parse_submission(b"\xff", "/x") is None
    assert parse_submission('{"name": "n", "command": "c", "ranks": true}', "/x") is None


def _fields(submission: Submission) -> dict[str, Any]:
    return {name: getattr(submission, name) for name in Submission.__slots__}


def test_the_digest_depends_on_every_field_and_value() -> None:
    configs = [
        TaskConfig(command="true"),
        TaskConfig(command="false"),
        TaskConfig(command="true", env={"A": "x"}),
        TaskConfig(command="true", env={"A": "y"}),
    ]
    assert len({digest_config(config) for config in configs}) == 4
    assert digest_config(configs[0]) == digest_config(TaskConfig(command="true"))


def test_the_key_of_a_folder_is_random_or_follows_from_the_idempotency_key() -> None:
    assert make_key("a") == make_key("a") != make_key("b")
    assert make_key(None) != make_key(None)
    for key in (make_key(None), make_key("a")):
        assert parse_comment(f"flow:{key}") == parse_comment(f"flow:{key} more words") == key
    for comment in ("", "flow:", "flow:xyz", "flow:../../x", "abcdefabcdef", "noflow:abcdefabcdef"):
        assert parse_comment(comment) is None


def test_the_files_of_a_run() -> None:
    folder = RunFolder("/x/runs/abc")
    assert folder.key == "abc"
    assert folder.code == "/x/runs/abc/code"
    assert folder.get_log(1, 2) == "/x/runs/abc/attempt-1/rank-2.log"
    assert folder.enter_script == "/x/runs/abc/enter.sh"
