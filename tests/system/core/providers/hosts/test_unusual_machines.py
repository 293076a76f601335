"""Machines with another login shell, with noise, without SFTP, with one command only, or with a full disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testbed.hosts_lab import Lab, ended, submit

from flow_core.errors import ProviderError
from flow_core.models.task import TaskStatus
from flow_core.ssh.host import SshHost

pytestmark = pytest.mark.needs("sshd")
NOISE = "printf '.\\nE task\\n\\033[2J\\377'; echo err >&2\n"
KNOWN = pytest.mark.needs("root", "namespaces")


@pytest.mark.parametrize(
    ("server", "noise"),
    [
        pytest.param({"sftp": False}, "", id="no SFTP"),
        pytest.param({"sftp": False}, NOISE, id="noise and no SFTP"),
        pytest.param({}, NOISE, id="noise"),
        pytest.param({"shell": "/usr/bin/tcsh"}, NOISE, id="tcsh", marks=[KNOWN, pytest.mark.needs("tcsh")]),
        pytest.param({"shell": "/bin/dash"}, "", id="dash", marks=[KNOWN, pytest.mark.needs("dash")]),
    ],
)
async def test_a_task_gets_its_code_and_runs_on_an_unusual_machine(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: dict[str, Any], noise: str
) -> None:
    provider = lab.start(1, **server)
    for name in (".bashrc", ".profile", ".cshrc", ".bash_profile"):
        (lab.servers[0].home / name).write_text(noise)
    code = tmp_path / "code"
    code.mkdir()
    (code / "say.sh").write_text("cat 'it!s'; echo \"$WORD\"; exit 3\n")
    (code / "it!s").write_text("sent\n")
    monkeypatch.chdir(code)
    task = await submit(provider, "sh say.sh", upload_code=True, env={"WORD": "it's !x\nnext"})
    found = await ended(provider, task)
    assert (found.status, found.exit_code) == (TaskStatus.FAILED, 3)
    assert lab.log(found) == b"sent\nit's !x\nnext\n"


@pytest.mark.parametrize(
    ("server", "option", "sentence"),
    [
        pytest.param({"shell": "/bin/rbash"}, "", "^the login shell of '.*' on 'one' does not run", marks=KNOWN),
        pytest.param({"shell": "/usr/sbin/nologin"}, "", "^the login shell .*not available", marks=KNOWN),
        pytest.param({"shell": "/bin/false"}, "", "^'one' runs another command .* and the login shell$", marks=KNOWN),
        ({}, "ForceCommand echo only this", "^'one' runs another command .*'only this'.*check ForceCommand"),
        ({}, "ForceCommand internal-sftp", "^the login shell .*sftp connections only"),
        ({}, "MaxSessions 0", "^'one' allows no session"),
    ],
    ids=["rbash", "nologin", "false", "forced", "SFTP only", "no session"],
)
async def test_a_machine_that_runs_no_commands_says_why_in_a_sentence(
    lab: Lab, server: dict[str, Any], option: str, sentence: str
) -> None:
    provider = lab.start(1, *filter(None, [option]), **server)
    with pytest.raises(ProviderError, match=sentence):
        await provider.list_tasks()
    with pytest.raises(ProviderError, match=sentence):
        await submit(provider, "true", region="one")
    (row,) = await provider.instances.find({})
    assert row.status == "unreachable"


@KNOWN
async def test_a_full_disk_is_named_at_once_and_harms_no_existing_task(lab: Lab) -> None:
    provider = lab.start(1, home_kb=6000)
    full = "there is no room on the disk of 'one'"
    async with await SshHost.find("one", config=Path.home() / ".ssh/config") as host:
        await _fill(host)
        with pytest.raises(ProviderError, match=full):  # the copy of the agent doesn't fit either
            await submit(provider, "true")
        await host.run("rm ~/fill")
        task = await ended(provider, await submit(provider, "true"))
        await _fill(host)
        with pytest.raises(ProviderError, match=full):
            await submit(provider, "true")
        assert [one.task_id for one in await provider.list_tasks()] == [task.task_id]
        await host.run("rm ~/fill")
    assert (await ended(provider, await submit(provider, "true"))).exit_code == 0


async def _fill(host: SshHost) -> None:
    filled = await host.run("cat /dev/zero >~/fill")  # the home is a tmpfs
    assert b"No space left" in filled.stderr
