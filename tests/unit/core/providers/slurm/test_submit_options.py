"""Options of sbatch: the table of a task, lines of a script, and the variables that would replace them."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.tables import each

from flow_core.errors import ConfigError, FlowError, Unsupported
from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.submit.batch_script import parse_batch_script
from flow_core.providers.slurm.submit.provider_options import chooses_nodes, parse_provider_options
from flow_core.providers.slurm.submit.sbatch_options import format_option, list_variables, parse_options


def config(**options: Any) -> TaskConfig:
    return TaskConfig.parse({"command": "true", "provider_options": {"slurm": options}})


def test_a_table_becomes_long_options() -> None:
    options = parse_provider_options(
        config(
            account="a b",
            cpus_per_task=4,
            mem=1.5,
            exclusive=True,
            hold=False,
            requeue=False,
            nodelist=["node1", "node2"],
            **{"mail-type": "END", "gres-flags": None},
        )
    )
    assert options == {
        "account": "a b",
        "cpus-per-task": "4",
        "mem": "1.5",
        "exclusive": "",
        "no-requeue": "",
        "nodelist": "node1,node2",
        "mail-type": "END",
    }
    assert parse_provider_options(TaskConfig(command="true", provider_options={"other": {"gone": 1}})) == {}


REFUSED: tuple[tuple[dict[str, Any], type[FlowError], str], ...] = (
    ({"wrap": "true"}, Unsupported, "use the field command"),
    ({"output": "/x"}, Unsupported, "flow keeps the log"),
    ({"export": "ALL"}, Unsupported, "use the field env"),
    ({"chdir": "/"}, Unsupported, "use the field working_dir"),
    ({"array": "0-1"}, Unsupported, "use the field array"),
    ({"dependency": "afterok:1"}, Unsupported, "use the field after"),
    ({"job_name": "a"}, Unsupported, "use the field name"),
    ({"ntasks": 1}, Unsupported, "use the field num_instances"),
    ({"uid": "root"}, ConfigError, "is not allowed"),
    ({"parsable": True}, ConfigError, "is not allowed"),
    ({"test_only": True}, ConfigError, "is not allowed"),
    ({"-N": 1}, ConfigError, "is not an option of sbatch"),
    ({"mem; rm -r /": 1}, ConfigError, "is not an option of sbatch"),
    ({"\x1b[31m": 1}, ConfigError, "is not an option of sbatch"),
    ({"mem": True}, ConfigError, "needs a value"),
    ({"hold": "yes"}, ConfigError, "takes true or false"),
    ({"mem": {"a": 1}}, ConfigError, "must be text"),
    ({"mem": [True]}, ConfigError, "must be text"),
    ({"mem": ""}, ConfigError, "must be a line of text"),
    ({"comment": "a\nb"}, ConfigError, "must be a line of text"),
)


@each(("options", "kind", "part"), REFUSED)
def test_options_that_would_break_a_task_are_refused(options: dict[str, Any], kind: type[FlowError], part: str) -> None:
    with pytest.raises(kind) as refused:
        parse_provider_options(config(**options))
    assert refused.value.field == "provider_options"
    assert part in str(refused.value)
    assert str(refused.value).isprintable()


@each("value", ["a", "a b", "a#b", 'a"b', "a'b", "a\\b", "a&b|c", "(x|y)*2", "%j", "a:b,c=d", "\u00e4"])
def test_sbatch_reads_a_written_option_back(value: str) -> None:
    line = format_option("comment", value)
    assert parse_batch_script(f"#!/bin/sh\n#SBATCH {line}\n").options == {"comment": value}


def test_words_are_read_as_getopt_reads_them() -> None:
    parsed = parse_options(["-vHN", "4", "word", "--mem", "-1", "--", "-N5"])
    assert parsed.options == (("verbose", ""), ("hold", ""), ("nodes", "4"), ("mem", "-1"))
    assert parsed.words == ("word", "-N5")
    stopped = parse_options(["-N4", "script", "-N5"], stop_at_word=True)
    assert (stopped.options, stopped.words) == ((("nodes", "4"),), ("script", "-N5"))


def test_the_variables_of_options_are_known() -> None:
    names = ("partition", "time", "gpus-per-node", "no-requeue", "array", "mem")
    assert set(list_variables(names)) == {
        "SBATCH_PARTITION",
        "SBATCH_TIMELIMIT",
        "SBATCH_GPUS_PER_NODE",
        "SBATCH_REQUEUE",
        "SBATCH_NO_REQUEUE",
        "SBATCH_ARRAY_INX",
        "SBATCH_MEM_PER_NODE",
        "SLURM_MEM_PER_NODE",
    }


def test_only_some_options_choose_nodes() -> None:
    assert [
        name for name in ("account", "mail-type", "constraint", "gres", "nodelist", "qos") if chooses_nodes(name)
    ] == [
        "constraint",
        "gres",
        "nodelist",
    ]
