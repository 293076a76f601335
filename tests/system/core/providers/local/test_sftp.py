"""Our SFTP server against what no client of OpenSSH sends."""

from __future__ import annotations

import io
import os
import re
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testbed.waiting import DEADLINE_S

from flow_core.providers.local.sshd import task_lookup
from flow_core.ssh import sftp_server
from flow_core.ssh.sftp_server import SftpServer

_OPEN, _CLOSE, _READ, _WRITE, _STAT, _RENAME, _OPENDIR, _EXTENDED = 3, 4, 5, 6, 17, 18, 11, 200
_MAKE_FOLDER = 14
_STATUS, _HANDLE, _DATA = 101, 102, 103
# Nothing that leads out of the directory that the test is in.
_TEXT = st.binary(max_size=40).map(lambda data: data.replace(b"/", b"").replace(b".", b""))
_FIELD = st.one_of(
    _TEXT.map(lambda text: struct.pack(">I", len(text)) + text),
    st.integers(0, 0xFFFFFFFF).map(lambda number: struct.pack(">I", number)),
    _TEXT,
)
_PACKET = st.tuples(st.integers(0, 255), st.lists(_FIELD, max_size=5).map(b"".join))


def _text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _talk(*packets: tuple[int, bytes]) -> list[tuple[int, int, bytes]]:
    """What it answers: (type, id, rest) each. The ids of the requests are 0, 1, 2 ..."""
    bodies = [bytes([kind]) + struct.pack(">I", number) + body for number, (kind, body) in enumerate(packets)]
    sink = io.BytesIO()
    SftpServer(io.BytesIO(b"".join(map(_text, bodies))), sink).serve()
    said, answers = sink.getvalue(), []
    while said:
        (length,) = struct.unpack_from(">I", said)
        packet, said = said[4 : 4 + length], said[4 + length :]
        answers.append((packet[0], *struct.unpack_from(">I", packet, 1), packet[5:]))
    return answers


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(packets=st.lists(_PACKET.filter(lambda packet: packet[0] != 1), max_size=8))
def test_whatever_is_asked_gets_one_answer_each(packets):
    answers = _talk(*packets)
    assert [number for _, number, _ in answers] == list(range(len(packets)))
    assert {kind for kind, _, _ in answers} <= {101, 102, 103, 104, 105, 201}


class _Source(io.BytesIO):
    """A stream that keeps the largest number of bytes that was read at once."""

    most = 0

    def read(self, size=-1):
        self.most = max(self.most, size)
        return super().read(size)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0x01000000, 0xFFFFFFFF), data=st.binary(max_size=200))
def test_a_stream_that_is_no_sftp_ends_it_and_nothing_else(start, data):
    request = bytes([_MAKE_FOLDER]) + struct.pack(">I", 1) + _text(b"made") + struct.pack(">I", 0)
    source, sink = _Source(struct.pack(">I", start) + _text(request) + data), io.BytesIO()
    SftpServer(source, sink).serve()
    assert (sink.getvalue(), source.most, Path("made").exists()) == (b"", 4, False)


def test_a_file_is_written_and_read_at_any_offset():
    create = _text(b"file") + struct.pack(">II", 2 | 1 | 8, 0)
    one = _text(struct.pack(">I", 1))
    answers = _talk(
        (_OPEN, create),
        (_WRITE, one + struct.pack(">Q", 5) + _text(b"world")),
        (_WRITE, one + struct.pack(">Q", 0) + _text(b"hello")),
        (_READ, one + struct.pack(">QI", 3, 4)),
        (_READ, one + struct.pack(">QI", 10, 4)),
        (_CLOSE, one),
        (_CLOSE, one),
    )
    assert [kind for kind, _, _ in answers] == [_HANDLE, _STATUS, _STATUS, _DATA, _STATUS, _STATUS, _STATUS]
    assert answers[3][2] == _text(b"lowo")
    codes = [struct.unpack(">I", rest[:4])[0] for kind, _, rest in answers if kind == _STATUS]
    assert codes == [0, 0, 1, 0, 4]
    assert Path("file").read_bytes() == b"helloworld"


def test_rename_replaces_nothing_and_its_posix_sister_does():
    Path("a").write_text("a")
    Path("b").write_text("b")
    both = _text(b"a") + _text(b"b")
    ((_, _, refused),) = _talk((_RENAME, both))
    assert (refused[:4], Path("b").read_text()) == (b"\0\0\0\4", "b")
    ((_, _, done),) = _talk((_EXTENDED, _text(b"posix-rename@openssh.com") + both))
    assert (done[:4], Path("b").read_text()) == (b"\0\0\0\0", "a")


def test_names_that_are_no_text_come_back_as_they_are():
    name = b"\xff\xfe name"
    os.mkdir(b"folder")
    Path(os.fsdecode(b"folder/" + name)).write_text("x")
    listing = _text(struct.pack(">I", 1))
    answers = _talk((_OPENDIR, _text(b"folder")), (12, listing), (12, listing), (_STAT, _text(b"folder/" + name)))
    assert [kind for kind, _, _ in answers] == [_HANDLE, 104, _STATUS, 105]
    assert _text(name) in answers[1][2]


@pytest.mark.parametrize("in_container", [True, False])
def test_it_is_started_by_a_shell_line_on_the_machine_and_in_an_image_with_python(in_container, monkeypatch):
    monkeypatch.setattr(task_lookup, "_USUAL", ())  # as on a machine that has none of its own
    argv = ["sh", "-c", task_lookup.sftp_command(in_container)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        said, _ = server.communicate(_text(b"\x01" + struct.pack(">I", 3)), timeout=DEADLINE_S)
    assert said[4:9] == b"\x02" + struct.pack(">I", 3)


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
