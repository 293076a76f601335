"""Servers with another login shell, with noise, without SFTP, with one command only, or with a full disk."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from testbed.sshd import Sshd

from flow_core.errors import ProviderError
from flow_core.ssh.host import SshHost
from flow_core.upload.folder_upload import upload

pytestmark = pytest.mark.needs("sshd")


def forced(make_sshd: Callable[..., Sshd], script: str, *options: str) -> Sshd:
    """A server that runs a script in the place of every command, which stands in SSH_ORIGINAL_COMMAND."""
    sshd = make_sshd(*options)
    force = sshd.folder / "force"
    force.write_text(f"#!/bin/sh\n{script}\n")
    force.chmod(0o755)
    sshd.options.append(f"ForceCommand {force}")
    sshd.stop()
    sshd.start()
    return sshd


@pytest.mark.needs("tcsh")
@pytest.mark.parametrize(
    "line",
    [
        "echo one\necho two",
        "echo 'a!b' !x",
        "printf '%s|' 'it''s' \"\\\\n\" '\\0101' $((1+1)) `echo x`",
        "cat; echo é",
    ],
)
async def test_a_login_shell_that_is_tcsh_runs_the_same_as_sh(make_sshd: Callable[..., Sshd], line: str) -> None:
    sshd = forced(make_sshd, 'exec tcsh -c "$SSH_ORIGINAL_COMMAND"')
    plain = make_sshd()
    outcomes = []
    for server in (plain, sshd):
        async with await SshHost.find("far", config=server.config()) as host:
            outcomes.append(await host.run(line, stdin=b"in\n"))
    assert outcomes[0].exit_code == 0
    assert outcomes[1] == outcomes[0]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo 'This account is currently not available.'; exit 1", "the login shell of '.*' on 'far' does not run"),
        ('exec /bin/bash -r -c "$SSH_ORIGINAL_COMMAND"', "the login shell of '.*' on 'far' does not run"),
        ("echo '-bash: cannot create temp file: No space left on device' >&2; exit 1", "no room on the disk of 'far'"),
        ("exec uptime", "'far' runs another command instead of the given one"),
        ("cat", "'far' runs another command instead of the given one.*printed nothing"),
    ],
)
async def test_why_a_server_does_not_run_the_command_is_said_in_a_sentence(
    make_sshd: Callable[..., Sshd], script: str, sentence: str
) -> None:
    sshd = forced(make_sshd, script)
    async with await SshHost.find("far", config=sshd.config()) as host:
        with pytest.raises(ProviderError, match=sentence):
            await host.run("true")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    (top / "src" / "deep er").mkdir(parents=True)
    (top / "run.sh").write_text("#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    (top / "secret").write_text("x")
    (top / "secret").chmod(0o600)
    (top / "link").symlink_to("src/one.py")
    (top / "src" / "deep er" / "it's!.bin").write_bytes(random.Random(7).randbytes(2_500_000))
    (top / os.fsdecode(b"\xff not UTF-8")).write_text("x")
    (top / "src" / "empty").touch()
    return top


def content(folder: Path) -> dict[str, object]:
    """Every path but ours, with what stands there and its mode."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and not path.name.startswith(".flow-sync.")
    }


@pytest.fixture(params=["absent", "noisy"])
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SshHost]:
    """A server without SFTP, or whose start-up files print something before it."""
    options = () if request.param == "absent" else ("Subsystem sftp /bin/sh -c 'echo Welcome; exec cat'",)
    sshd = Sshd(tmp_path / "sshd", *options, sftp=request.param != "absent")
    sshd.start()
    async with await SshHost.find("far", config=sshd.config()) as host:
        yield host
    sshd.stop()


async def test_a_tree_is_uploaded_without_sftp_and_later_only_what_changed(
    host: SshHost, tree: Path, tmp_path: Path
) -> None:
    there = tmp_path / "far side" / "code"
    first = await upload(tree, host.folder(str(there)))
    assert content(there) == content(tree)
    assert first.files_sent == len(content(tree))
    again = await upload(tree, host.folder(str(there)))
    assert (again.files_sent, again.files_unchanged) == (0, first.files_sent)
    (tree / "run.sh").write_text("changed")
    (tree / "src" / "empty").unlink()
    (there / "theirs").write_text("not ours")
    third = await upload(tree, host.folder(str(there)))
    assert (third.files_sent, third.files_deleted) == (1, 1)
    assert content(there).keys() - content(tree).keys() == {"theirs"}
    assert (there / "run.sh").read_text() == "changed"
    assert {path.stat().st_mode & 0o777 for path in there.glob(".flow-sync*")} == {0o600}


async def test_no_link_is_followed_without_sftp(host: SshHost, tree: Path, tmp_path: Path) -> None:
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    for folder in (there, elsewhere):
        folder.mkdir()
    (there / "src").symlink_to(elsewhere)
    (there / "run.sh").symlink_to(elsewhere)
    done = await upload(tree, host.folder(str(there)))
    assert list(elsewhere.iterdir()) == []
    assert (there / "run.sh").is_file()
    assert len(done.skipped) == 2


async def test_a_file_is_refused_with_the_reason_where_there_is_no_sftp(host: SshHost, tree: Path) -> None:
    with pytest.raises(ProviderError, match="'far' has no SFTP"):
        await host.files.size(str(tree / "run.sh"))
