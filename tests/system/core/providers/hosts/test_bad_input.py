"""The table of bad input with a provider of machines: every refusal is a sentence and leaves nothing on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.call_table import FLOW, ID, VOLUME
from testbed.hosts_lab import Lab, running, submit
from testbed.outcomes import is_harmless, outcome
from testbed.sentences import is_a_sentence

from flow_core import AsyncFlow
from flow_core.argument_checks import format_value
from flow_core.errors import ConfigError, Unsupported

pytestmark = pytest.mark.needs("sshd")


def traces(lab: Lab) -> set[str]:
    """Returns all files but those that a call may write."""
    found = (path for path in lab.root().glob("*/**/*") if not {"lock", "attempt-0", "__pycache__"} & set(path.parts))
    return {str(path) for path in found if path.name != "incoming"}


@pytest.mark.parametrize("which", ["wrong", "odd"])
async def test_bad_arguments_of_every_method_are_refused_with_a_sentence(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "file").touch()
    monkeypatch.chdir(tmp_path / "code")  # some calls upload the working folder
    provider = lab.start()
    volume = await provider.volumes.create(1, "a-volume", "file", None)
    task = await running(provider, await submit(provider, "sleep 671"))
    before = traces(lab)
    async with AsyncFlow(lab.context) as flow:
        for name, row in FLOW.items():
            good = {key: value for key, (_, value) in row.takes.items() if key not in ("fields", "do")}
            good |= {key: task.task_id for key, value in good.items() if value == ID}
            good |= {key: volume.volume_id for key, value in good.items() if value == VOLUME}
            for parameter, (kind, _) in row.takes.items():
                for value in getattr(kind, which):
                    refusal, answer = await outcome(flow, name, good | {parameter: value})
                    case = f"{name}({parameter}={format_value(value)}): {answer!r}"
                    assert is_harmless(answer) if refusal is None else is_a_sentence(refusal), case
                    if which == "wrong":
                        assert isinstance(refusal, ConfigError | Unsupported), case
    assert traces(lab) == before
