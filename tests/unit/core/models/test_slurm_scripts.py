"""Commands that only Slurm understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_core.errors import ConfigError, Unsupported
from flow_core.models.task_sources import explain_slurm_script, to_task_config

SCRIPT = "#!/bin/bash\n#SBATCH --gpus=1\nsrun train\n"


def test_a_script_with_sbatch_lines_is_recognised_as_text_by_its_path_and_behind_sbatch(tmp_path: Path) -> None:
    script = tmp_path / "my job.sh"
    script.write_text(SCRIPT, encoding="utf-8")
    assert "take those lines out" in str(explain_slurm_script(SCRIPT))
    for command in (f"'{script}'", f"sbatch -n 2 '{script}'"):
        message = str(explain_slurm_script(command))
        assert "needs a context whose provider is slurm" in message
        assert f"bash {script}" in message
    assert "bash SCRIPT" in str(explain_slurm_script("sbatch nowhere.sh"))
    with pytest.raises(Unsupported) as refused:
        to_task_config(str(script))
    assert str(refused.value) == explain_slurm_script(f"'{script}'")


def test_a_script_is_a_command_where_a_context_takes_scripts(tmp_path: Path) -> None:
    script = tmp_path / "my job.sh"
    script.write_text(SCRIPT, encoding="utf-8")
    for source in (script, str(script)):
        config = to_task_config(source, {"region": "gpu"}, takes_batch_scripts=True)
        assert (config.command, config.region) == (f"'{script}'", "gpu")
    plain = tmp_path / "plain.yaml"
    plain.write_text("command: 'true'\n# no\n#SBATCH --gpus=1\n", encoding="utf-8")
    assert to_task_config(plain, takes_batch_scripts=True).command == "true"
    with pytest.raises(ConfigError, match="given twice"):
        to_task_config(script, {"command": "true"}, takes_batch_scripts=True)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "python train.py",
        "echo '#SBATCH'",
        "echo a\necho '  #SBATCH'",
        "echo 'open",
        "task.yaml",
        "./sbatch x",
        "\0",
    ],
)
def test_other_commands_are_left_alone(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert explain_slurm_script(command) is None


def test_an_unreadable_script_or_a_folder_is_not_explained(tmp_path: Path) -> None:
    assert explain_slurm_script(str(tmp_path)) is None
    (tmp_path / "binary").write_bytes(b"\x7fELF\xff\xfe#SBATCH")
    assert explain_slurm_script(str(tmp_path / "binary")) is None
