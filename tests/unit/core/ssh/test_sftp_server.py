"""Our SFTP server against what no client of OpenSSH sends."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flow_core.ssh.server.sftp_server import SftpServer

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
    data, answers = sink.getvalue(), []
    while data:
        (length,) = struct.unpack_from(">I", data)
        packet, data = data[4 : 4 + length], data[4 + length :]
        answers.append((packet[0], *struct.unpack_from(">I", packet, 1), packet[5:]))
    return answers


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
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
