"""The #SBATCH lines of a script are read as sbatch reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.models.scheduling import ScriptSummary
from flow_core.providers.slurm.submit.batch_script import (
    find_script,
    parse_batch_script,
    parse_time_limit,
    split_line,
)
from flow_core.providers.slurm.submit.script_summary import summarize_script

HEAD = "#!/bin/bash\n"

LINES: tuple[tuple[str, dict[str, str]], ...] = (
    ("#SBATCH --nodes=2", {"nodes": "2"}),
    ("#SBATCH --nodes 2", {"nodes": "2"}),
    ("#SBATCH -N 2", {"nodes": "2"}),
    ("#SBATCH -N2 -p gpu", {"nodes": "2", "partition": "gpu"}),
    ("#SBATCH\t--time=1:00:00   # an hour", {"time": "1:00:00"}),
    ("#SBATCH --gpus-per-n=4", {"gpus-per-node": "4"}),
    ('#SBATCH --job-name="two words"', {"job-name": "two words"}),
    ("#SBATCH --job-name='a \"b\" c'", {"job-name": 'a "b" c'}),
    (r"#SBATCH -J two\ words", {"job-name": "two words"}),
    (r"#SBATCH -J a\#b", {"job-name": "a#b"}),
    ("#SBATCH -J a#b", {"job-name": "a"}),
    ("#SBATCH --exclusive --requeue", {"exclusive": "", "requeue": ""}),
    ("#SBATCH --exclusive=user", {"exclusive": "user"}),
    ("#SBATCH --share", {"oversubscribe": ""}),
    ("#SBATCH --tasks-per-node=8", {"ntasks-per-node": "8"}),
    ("#SBATCH --time=1\n#SBATCH --time=2", {"time": "2"}),
    ("\n# a comment\n  # another\n#SBATCH --time=1", {"time": "1"}),
    ("##SBATCH --time=1\n# SBATCH --time=2", {}),
    (" #SBATCH --time=1", {}),
    ("echo\n#SBATCH --time=1", {}),
    ("set -e # first\n#SBATCH --time=1", {}),
)


@each(("lines", "options"), LINES)
def test_options_end_at_the_first_command_and_a_later_one_overrides(lines: str, options: dict[str, str]) -> None:
    script = parse_batch_script(HEAD + lines + "\ntrue\n")
    assert script.options == options
    assert script.problems == ()


PROBLEMS: tuple[tuple[str, str], ...] = (
    (HEAD + "#SBATCH --gone=1", "line 2: --gone is not an option of sbatch"),
    (HEAD + "#SBATCH -X 1", "line 2: -X is not an option of sbatch"),
    (HEAD + "#SBATCH --nodes", "line 2: --nodes needs a value"),
    (HEAD + "#SBATCH --nt=4", "line 2: --nt is not an option of sbatch"),
    (HEAD + '#SBATCH --job-name="a', 'line 2: a " is not closed'),
    (HEAD + "#SBATCH nodes=2", "line 2: 'nodes=2' is not an option"),
    (HEAD + "#SBATCH -N 1\n#SBATCH hetjob\n#SBATCH -N 2", "it is a heterogeneous job of 2 parts"),
    ("#SBATCH --nodes=2\n", "its first line must name an interpreter"),
    ("#!/bin/sh\r\n#SBATCH -N 1\r\n", "it has Windows line ends"),
    (HEAD + "#SBATCH --\x1b[31m=1", "line 2: --'\\x1b[31m' is not an option"),
)


@each(("text", "problem"), PROBLEMS)
def test_what_sbatch_would_refuse_is_a_problem(text: str, problem: str) -> None:
    problems = parse_batch_script(text).problems
    assert len(problems) == 1, problems
    assert problems[0].startswith(problem)
    assert problems[0].isprintable()


GPUS: tuple[tuple[str, int | None, str], ...] = (
    ("--gres=gpu", 2, ""),
    ("--gres=gpu:4", 8, ""),
    ("--gres=gpu:a100:4", 8, "a100"),
    ("--gres=gpu:a100", 2, "a100"),
    ("--gres=gpu:1g.10gb:2", 4, "1g.10gb"),
    ("--gres=lustre:1,gpu:v100:1,gpu:t4:2", 6, "v100, t4"),
    ("--gres=lustre:1", None, ""),
    ("--gpus=8", 8, ""),
    ("-G h100:8", 8, "h100"),
    ("--gpus-per-node=a100:4", 8, "a100"),
    ("--gpus-per-task=1 --ntasks=6", 6, ""),
    ("--gpus-per-task=1 --ntasks-per-node=4", 8, ""),
    ("--gpus=many", None, ""),
    ("", None, ""),
)


@each(("options", "count", "gpu_type"), GPUS)
def test_the_gpus_of_the_whole_job_are_counted(options: str, count: int | None, gpu_type: str) -> None:
    script = parse_batch_script(f"{HEAD}#SBATCH --nodes=2-4 {options}\n")
    assert (script.nodes, script.gpus, script.gpu_type) == (2, count, gpu_type)


LIMITS: tuple[tuple[str, int | None], ...] = (
    ("30", 1800),
    ("30:15", 1815),
    ("1:00:00", 3600),
    ("2-12", 216_000),
    ("2-12:30", 217_800),
    ("2-12:30:05", 217_805),
    ("UNLIMITED", None),
    ("infinite", None),
    ("", None),
    ("never", None),
)


@each(("text", "seconds"), LIMITS)
def test_time_limits_have_the_forms_of_sbatch(text: str, seconds: int | None) -> None:
    assert parse_time_limit(text) == seconds


def test_a_line_is_split_at_blanks_outside_quotes() -> None:
    assert split_line(""" a "b c" 'd "e' f\\ g #h """) == (["a", "b c", 'd "e', "f g"], "")
    assert split_line("") == ([], "")


def test_options_of_a_command_line_override_those_of_the_script() -> None:
    script = parse_batch_script(f"{HEAD}#SBATCH -N 1 -t 5\n", (("nodes", "3"),))
    assert (script.nodes, script.time_limit) == (3, "5")


def test_a_command_is_a_script_if_it_has_options_before_its_first_command(tmp_path: Path) -> None:
    path = tmp_path / "train.slurm"
    path.write_bytes(b"#!/bin/sh\n#SBATCH -N 1\necho \xff")
    plain = tmp_path / "plain.sh"
    plain.write_text("#!/bin/sh\necho\n#SBATCH -N 1\n")
    found = find_script(str(path))
    assert found is not None
    assert (found.text, found.path) == (path.read_bytes(), path)
    assert find_script(f"'{path}'") == find_script([str(path)]) == found
    for command in (str(plain), f"sh {path}", "train", "echo 'a", "cat >job <<X\n#SBATCH -N 1\nX\n", ["sh", str(path)]):
        assert find_script(command) is None
    text = find_script("#!/bin/sh\n#SBATCH -N 1\n")
    assert text is not None
    assert text.path is None


def test_sbatch_before_a_script_keeps_its_options_and_arguments(tmp_path: Path) -> None:
    path = tmp_path / "plain.sh"
    path.write_text("#!/bin/sh\necho\n")
    found = find_script(f"sbatch -N 2 --time=5 {path} -x 'a b'")
    assert found is not None
    assert (found.options, found.arguments) == ((("nodes", "2"), ("time", "5")), ("-x", "a b"))
    for command in ("sbatch", "sbatch --wrap=true", f"sbatch --gone {path}", "sbatch nowhere"):
        with pytest.raises(ConfigError) as refused:
            find_script(command)
        assert refused.value.field == "command"


def test_the_summary_for_the_form_has_what_the_script_requests(tmp_path: Path) -> None:
    text = f"{HEAD}#SBATCH -J a -N 2 --gpus-per-node=a100:4\n#SBATCH -t 60 -o '%x \x1b.out' --mem=5G --gone\n"
    assert summarize_script(text) == ScriptSummary(
        (
            ("name", "a"),
            ("nodes", "2"),
            ("GPUs", "8 x a100"),
            ("time limit", "60"),
            ("mem", "5G"),
            ("output", "'%x \\x1b.out'"),
        ),
        ("line 3: --gone is not an option of sbatch",),
    )
    assert summarize_script("python train.py") is None
    assert summarize_script("sbatch nowhere.sh") == ScriptSummary(
        (), ("'nowhere.sh' is no file of this machine; name the script",)
    )
