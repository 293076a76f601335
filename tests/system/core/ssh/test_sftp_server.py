"""Our SFTP server, as a program: with OpenSSH's own client, and as a task starts it."""

from __future__ import annotations

import os
import re
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.providers.local.sshd import sftp_command
from flow_core.ssh.server import sftp_server


def _text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("in_container", [True, False])
def test_it_is_started_by_a_shell_line_on_the_machine_and_in_an_image_with_python(in_container, monkeypatch):
    monkeypatch.setattr(sftp_command, "_USUAL", ())  # as on a machine that has none of its own
    argv = ["sh", "-c", sftp_command.build_sftp_command(in_container)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        output, _ = server.communicate(_text(b"\x01" + struct.pack(">I", 3)), timeout=DEADLINE_S)
    assert output[4:9] == b"\x02" + struct.pack(">I", 3)


@pytest.mark.needs("ssh")
def test_the_systems_own_client_works_with_it(tmp_path):
    (tmp_path / "one").write_bytes(os.urandom(1_000_000))
    os.utime(tmp_path / "one", (1_000_000_000, 1_000_000_000))
    deeds = """
        pwd
        mkdir folder
        put -p one folder/two
        chmod 640 folder/two
        rename folder/two folder/three
        ln -s three folder/link
        ln folder/three folder/same
        ls -l folder
        df folder
        get -p folder/link copy
        -get nowhere
        -rm folder
        -mkdir folder
        rm folder/link
    """
    argv = ["sftp", "-D", shlex.join([sys.executable, "-I", "-S", sftp_server.__file__]), "-b", "-"]
    done = subprocess.run(argv, input=deeds, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert f"Remote working directory: {tmp_path}" in done.stdout
    assert re.search(r"-rw-r----- .* 1000000 Sep  9  2001 three", done.stdout), done.stdout
    assert re.search(r"lrwxrwxrwx .* link", done.stdout)
    assert "%Capacity" in done.stdout
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "one").read_bytes()
    assert (tmp_path / "copy").stat().st_mtime == 1_000_000_000
    assert (tmp_path / "folder" / "same").stat().st_nlink == 2
    assert '"' + str(tmp_path / "nowhere") + '" not found' in done.stderr
    assert sorted(os.listdir("folder")) == ["same", "three"]


@pytest.mark.needs("ssh")
def test_a_tree_is_copied_there_and_back(tmp_path):
    for number in range(150):  # more than go into one answer
        (tmp_path / "tree" / "below" / f"{number} ä").mkdir(parents=True)
        (tmp_path / "tree" / "below" / f"{number} ä" / "file").write_text(str(number))
    argv = ["sftp", "-D", shlex.join([sys.executable, "-I", "-S", sftp_server.__file__]), "-b", "-"]
    deeds = "put -R tree there\nget -R there back\n"
    done = subprocess.run(argv, input=deeds, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr

    def files(folder: Path) -> dict[Path, str]:
        return {path.relative_to(folder): path.read_text() for path in folder.rglob("file")}

    assert files(tmp_path / "back") == files(tmp_path / "tree")
