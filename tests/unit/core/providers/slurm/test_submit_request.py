"""The request to sbatch follows from a task, the context, and what the cluster has."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.tables import each

from flow_core.errors import CapacityError, ConfigError, FlowError, Unsupported
from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.settings import SlurmSettings
from flow_core.providers.slurm.submit.batch_script import parse_batch_script
from flow_core.providers.slurm.submit.request import SbatchRequest, build_overrides, build_request
from flow_core.providers.slurm.submit.site import SiteFacts, describe_kinds, parse_facts
from flow_core.providers.slurm.submit.supported_fields import check_task, parse_after

ANSWER = """Welcome to the cluster | have | a | nice | day | and | work
CLUSTER: lab
gpu*|3|64|512000|2-00:00:00|gpu:a100:8(S:0-1),lustre:1|a100,nvlink
gpu*|2|64|512000|2-00:00:00|gpu:nvidia_a100_40gb:4(S:0),shard:16|(null)
cpu|10|128|256000|infinite|(null)|(null)
old|4|16|64000|1:00:00|gpu:4|v100,pascal
AccountingStoreFlags    = job_comment,JOB_ENV
SelectType              = select/cons_tres
SelectTypeParameters    = CR_CORE_MEMORY
"""
FACTS = parse_facts(ANSWER)
SETTINGS = SlurmSettings()


def request(facts: SiteFacts | None = FACTS, settings: SlurmSettings = SETTINGS, **fields: Any) -> SbatchRequest:
    return build_request(TaskConfig.parse({"command": "true", **fields}), "name", settings, facts)


def test_the_answer_of_a_cluster_is_read_past_what_else_was_printed() -> None:
    assert [(kind.partition, kind.count, kind.gpus) for kind in FACTS.kinds] == [
        ("gpu", 3, (("a100", 8),)),
        ("gpu", 2, (("nvidia_a100_40gb", 4),)),
        ("cpu", 10, ()),
        ("old", 4, (("", 4),)),
    ]
    assert [kind.is_default for kind in FACTS.kinds] == [True, True, False, False]
    assert [kind.time_limit_s for kind in FACTS.kinds] == [172_800, 172_800, None, 3600]
    assert FACTS.kinds[3].features == ("v100", "pascal")
    assert (FACTS.has_gpu_options, FACTS.stores_environment) == (True, True)
    older = parse_facts("SelectType = select/cons_res\nAccountingStoreFlags = (null)\n")
    assert (older.kinds, older.has_gpu_options, older.stores_environment) == ((), False, False)
    cray = parse_facts("SelectType = select/cray_aries\nSelectTypeParameters = OTHER_CONS_TRES\n")
    assert cray.has_gpu_options
    assert describe_kinds(FACTS.kinds).startswith("3 nodes with 8 x a100, 2 nodes with 4 x nvidia_a100_40gb in gpu, ")


def test_a_task_without_wishes_asks_for_one_node() -> None:
    assert request() == SbatchRequest(
        options={"job-name": "name", "nodes": "1", "ntasks-per-node": "1"},
        fields={"job-name": "name", "nodes": "num_instances", "ntasks-per-node": "num_instances"},
    )


GPUS: tuple[tuple[dict[str, Any], dict[str, str]], ...] = (
    ({"instance_type": "4xa100"}, {"gpus-per-node": "a100:4"}),
    ({"instance_type": "8xa100-80gb"}, {"gpus-per-node": "a100:8"}),
    ({"instance_type": "a100-40gb"}, {"gpus-per-node": "nvidia_a100_40gb:1"}),
    ({"instance_type": "gpu:2"}, {"gpus-per-node": "2"}),
    ({"instance_type": "2xgpu:70gb"}, {"gpus-per-node": "a100:2"}),
    ({"min_gpu_memory_gb": 24}, {"gpus-per-node": "nvidia_a100_40gb:1"}),
    ({"instance_type": ["h100", "8xa100", "v100"]}, {"gpus-per-node": "a100:8"}),
    ({"instance_type": "2xv100", "region": "old"}, {"gpus-per-node": "2", "constraint": "v100"}),
    ({"instance_type": "2xk80", "region": "old"}, {"gpus-per-node": "2"}),
    ({"instance_type": "16xcpu"}, {"cpus-per-task": "16"}),
    ({"instance_type": "cpu", "min_cpus": 3}, {"cpus-per-task": "3"}),
    ({"min_memory_gb": 10}, {"mem": "10G"}),
    (
        {"instance_type": "a100", "provider_options": {"slurm": {"gres": "gpu:a100:2", "mem": 5}}, "min_memory_gb": 9},
        {"gres": "gpu:a100:2", "mem": "5"},
    ),
)
_RESOURCES = ("gpus-per-node", "gres", "constraint", "cpus-per-task", "mem")


@each(("fields", "options"), GPUS)
def test_resources_are_asked_for_in_the_names_of_the_site(fields: dict[str, Any], options: dict[str, str]) -> None:
    asked = request(**fields).options
    assert {name: asked[name] for name in _RESOURCES if name in asked} == options


def test_gpus_are_a_generic_resource_where_sbatch_has_no_options_for_them() -> None:
    facts = SiteFacts(FACTS.kinds, has_gpu_options=False)
    assert request(facts, instance_type="4xa100").options["gres"] == "gpu:a100:4"
    assert request(facts, instance_type="gpu:2").options["gres"] == "gpu:2"


def test_a_slice_of_a_gpu_has_the_memory_of_the_slice() -> None:
    sliced = parse_facts("gpu*|3|64|512000|2-00:00:00|gpu:a100_3g.20gb:4|(null)\nSelectType = select/cons_tres\n")
    assert request(sliced, instance_type="2xgpu:20gb").options["gpus-per-node"] == "a100_3g.20gb:2"


def test_without_facts_the_model_is_taken_as_it_is_written() -> None:
    asked = request(None, instance_type="4xh100", num_instances=50)
    assert (asked.options["gpus-per-node"], asked.gpu_count) == ("h100:4", 4)


IMPOSSIBLE: tuple[tuple[dict[str, Any], type[FlowError], str, str], ...] = (
    ({"instance_type": "9xa100"}, CapacityError, "instance_type", "9xa100 can't be had in the cluster; it has 3 nodes"),
    ({"instance_type": "a100", "region": "cpu"}, CapacityError, "instance_type", "in partition cpu"),
    ({"instance_type": "5xgpu:40gb", "region": "old"}, CapacityError, "instance_type", "5xgpu:40gb can't be had"),
    ({"min_gpu_memory_gb": 100}, CapacityError, "min_gpu_memory_gb", "a GPU with 100 GB can't be had"),
    ({"min_cpus": 129}, CapacityError, "min_cpus", "129 CPUs on one node"),
    ({"instance_type": "129xcpu"}, CapacityError, "instance_type", "129xcpu can't be had"),
    ({"min_memory_gb": 501}, CapacityError, "min_memory_gb", "501 GB of memory"),
    ({"instance_type": "8xa100", "num_instances": 4}, CapacityError, "num_instances", "4 such nodes"),
    ({"num_instances": 11}, CapacityError, "num_instances", "11 such nodes"),
    ({"region": "old", "max_run_time_hours": 1.1}, ConfigError, "max_run_time_hours", "at most 1 hours"),
    ({"instance_type": "it_abc"}, ConfigError, "instance_type", "no instance types by id"),
)


@each(("fields", "kind", "field", "part"), IMPOSSIBLE)
def test_what_the_cluster_can_never_have_is_refused(
    fields: dict[str, Any], kind: type[FlowError], field: str, part: str
) -> None:
    with pytest.raises(kind) as refused:
        request(**fields)
    assert refused.value.field == field
    assert part in str(refused.value)


TIMES = ((1, "60"), (0.001, "1"), (0.5, "30"), (1 / 3, "20"), (1.51, "91"), (168, "10080"))


@each(("hours", "minutes"), TIMES)
def test_a_time_limit_is_rounded_up_to_minutes(hours: float, minutes: str) -> None:
    assert request(region="cpu", max_run_time_hours=hours).options["time"] == minutes


def test_a_qos_may_allow_more_time_than_the_partition() -> None:
    settings = SlurmSettings(qos="long")
    assert request(settings=settings, region="old", max_run_time_hours=9).options["time"] == "540"


def test_a_partition_that_sinfo_does_not_show_is_left_to_sbatch() -> None:
    assert request(region="hidden", instance_type="9xh100").options["gpus-per-node"] == "h100:9"


def test_the_task_overrides_the_context_and_its_options_override_its_fields() -> None:
    settings = SlurmSettings(partition="cpu", account="a", qos="q", constraint="c")
    asked = request(
        settings=settings,
        region="gpu",
        max_run_time_hours=1,
        provider_options={"slurm": {"account": "b", "time": "5"}},
        priority="low",
        array="0-3%2",
        reservation_id="r",
    )
    wanted = {"partition": "gpu", "account": "b", "qos": "q", "constraint": "c", "time": "5", "nice": "1000"}
    assert asked.options.items() >= {**wanted, "array": "0-3%2", "reservation": "r"}.items()
    assert asked.fields["account"] == "provider_options"
    assert "qos" not in asked.fields
    assert asked.must_be_tested


TESTED: tuple[tuple[dict[str, Any], bool], ...] = (
    ({}, False),
    ({"instance_type": "8xa100", "num_instances": 2}, False),
    ({"provider_options": {"slurm": {"account": "a", "mail_type": "END"}}}, False),
    ({"provider_options": {"slurm": {"nodelist": "a"}}}, True),
    ({"instance_type": "v100"}, True),  # not in the default partition: the site may choose another one
)


@each(("fields", "is_tested"), TESTED)
def test_sbatch_is_asked_first_only_if_the_facts_do_not_suffice(fields: dict[str, Any], is_tested: bool) -> None:
    assert request(**fields).must_be_tested is is_tested


def test_a_script_is_overridden_only_by_what_the_task_sets() -> None:
    script = parse_batch_script("#!/bin/sh\n#SBATCH -p cpu -t 5\n")
    settings = SlurmSettings(partition="gpu", account="a")
    plain = build_overrides(TaskConfig(command="x"), None, settings, FACTS, script)
    assert plain.options == {"account": "a"}
    assert plain.must_be_tested
    config = TaskConfig(command="x", num_instances=2, region="old", instance_type="2xa100", max_run_time_hours=1)
    assert build_overrides(config, "n", settings, None, script).options == {
        "job-name": "n",
        "account": "a",
        "nodes": "2",
        "partition": "old",
        "gpus-per-node": "a100:2",
        "time": "60",
    }


def test_tasks_to_wait_for_are_job_ids_with_a_condition() -> None:
    config = TaskConfig(command="true", after=["1", "afterany:2:3_4", " afternotok:5"])
    assert parse_after(config) == [("afterok", ["1"]), ("afterany", ["2", "3_4"]), ("afternotok", ["5"])]
    for entry in ("x", "1;2", "singleton", "afterok:", "afterok:1?afterok:2", "-1", "12345678901"):
        with pytest.raises(ConfigError) as refused:
            parse_after(TaskConfig(command="true", after=[entry]))
        assert refused.value.field == "after"


UNSUPPORTED: tuple[tuple[dict[str, Any], type[FlowError], str], ...] = (
    ({"k8s": "a"}, Unsupported, "k8s"),
    ({"tty": True}, Unsupported, "tty"),
    ({"streams": "separate"}, Unsupported, "streams"),
    ({"volumes": [{"name": "abc"}]}, Unsupported, "volumes"),
    ({"data_mounts": [{"source": "volume://abc", "target": "/x"}]}, Unsupported, "data_mounts"),
    ({"data_mounts": [{"source": "s3://a/b", "target": "/x"}]}, Unsupported, "data_mounts"),
    ({"data_mounts": [{"source": "here", "target": "/x"}]}, ConfigError, "data_mounts"),
    ({"data_mounts": [{"source": "/a", "target": "/x"}]}, ConfigError, "data_mounts"),
    ({"data_mounts": [{"source": "/a b", "target": "/x"}], "image": "a"}, ConfigError, "data_mounts"),
    ({"data_mounts": [{"source": "/a", "target": "/x:y"}], "image": "a"}, ConfigError, "data_mounts"),
    ({"max_price_per_hour": 1}, Unsupported, "max_price_per_hour"),
    ({"allocation_mode": "reserved"}, Unsupported, "allocation_mode"),
    ({"array": "1-"}, ConfigError, "array"),
    ({"array": "0-3%0"}, ConfigError, "array"),
    ({"array": "0-3 "}, ConfigError, "array"),
    ({"image": "a", "working_dir": "b"}, ConfigError, "working_dir"),
    ({"working_dir": "a/../../b"}, ConfigError, "working_dir"),
    ({"env": {"A": "x" * (128 << 10)}}, ConfigError, "env"),
)


@each(("fields", "kind", "field"), UNSUPPORTED)
def test_fields_that_a_cluster_does_not_have_are_refused(
    fields: dict[str, Any], kind: type[FlowError], field: str
) -> None:
    with pytest.raises(kind) as refused:
        check_task(TaskConfig.parse({"command": "true", **fields}), is_script=False)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
