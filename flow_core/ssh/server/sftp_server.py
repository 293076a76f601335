"""An SFTP server, version 3, on stdin and stdout, for systems that have none. Uses only the standard library.

It runs inside the task by its file's path, without flow's package, so that it sees the task's files. It follows
OpenSSH's version 3: the arguments of SYMLINK are swapped, and RENAME never replaces a file.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, TypeVar

T = TypeVar("T")
_MAX_DATA_BYTES = 256 << 10
_BATCH = 100
_OK, _EOF, _NO_SUCH_FILE, _DENIED, _FAILURE, _BAD_MESSAGE, _UNSUPPORTED = 0, 1, 2, 3, 4, 5, 8
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED_REPLY = 101, 102, 103, 104, 105, 201
_WITH_SIZE, _WITH_OWNER, _WITH_MODE, _WITH_TIMES = 1, 2, 4, 8
_READ, _WRITE, _APPEND, _CREATE, _TRUNCATE, _EXCLUSIVE = 1, 2, 4, 8, 16, 32
_U32 = 0xFFFFFFFF
_EXTENSIONS = {
    b"posix-rename@openssh.com": b"1",
    b"hardlink@openssh.com": b"1",
    b"fsync@openssh.com": b"1",
    b"statvfs@openssh.com": b"2",
    b"fstatvfs@openssh.com": b"2",
}


class Attributes(NamedTuple):
    """The file attributes that a client sets; None for those that it does not set."""

    size: int | None = None
    owner: tuple[int, int] | None = None
    mode: int | None = None
    times: tuple[int, int] | None = None

    def apply(self, target: bytes | int) -> None:
        """Sets the attributes of a path or a descriptor. Raises OSError."""
        if self.size is not None:
            os.truncate(target, self.size)
        if self.mode is not None:
            os.chmod(target, stat.S_IMODE(self.mode))
        if self.times is not None:
            os.utime(target, self.times)
        if self.owner is not None:
            os.chown(target, *self.owner)


class Request:
    """The fields of one packet, read in order. Raises struct.error if the packet is too short."""

    def __init__(self, data: bytes, root: bytes = b"") -> None:
        self._data = data
        self._root = root
        self._position = 0

    def number(self, kind: str = "I") -> int:
        (value,) = struct.unpack_from(f">{kind}", self._data, self._position)
        self._position += struct.calcsize(f">{kind}")
        return int(value)

    def text(self) -> bytes:
        length = self.number()
        if length > len(self._data) - self._position:
            raise struct.error("a text goes beyond its packet")
        self._position += length
        return self._data[self._position - length : self._position]

    def path(self) -> bytes:
        text = self.text()
        if b"\0" in text:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self._root:
            here = to_client_path(self._root, os.getcwdb())
            return self._root + os.path.normpath(os.path.join(here, text))
        return text or b"."

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.number("Q") if flags & _WITH_SIZE else None
        owner = (self.number(), self.number()) if flags & _WITH_OWNER else None
        mode = self.number() if flags & _WITH_MODE else None
        times = (self.number(), self.number()) if flags & _WITH_TIMES else None
        return Attributes(size, owner, mode, times)


class SftpServer:
    """A server for one client. It ends when the client closes the stream."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, *, root: str = "") -> None:
        """Sets the streams and the root.

        `root` is a folder that the client sees as "/". It must contain no links itself; a link inside may lead out of
        it.
        """
        self._source = source
        self._sink = sink
        self._root = os.fsencode(root)
        self._files: dict[int, int] = {}
        self._listings: dict[int, Iterator[os.DirEntry[bytes]]] = {}
        self._last_handle = 0
        self._handlers: dict[int, Callable[[Request], bytes]] = {
            3: self._open, 4: self._close, 5: self._read, 6: self._write, 7: self._lstat, 8: self._fstat,
            9: self._set_attributes, 10: self._set_open_attributes, 11: self._open_folder, 12: self._next_names,
            13: self._remove, 14: self._make_folder, 15: self._remove_folder, 16: self._resolve, 17: self._stat,
            18: self._rename, 19: self._read_link, 20: self._link_symbolically, 200: self._extended,
        }  # fmt: skip

    def serve(self) -> None:
        while (packet := self._next_packet()) is not None:
            kind, request = packet[0], Request(packet[1:], self._root)
            if kind == 1:
                extensions = b"".join(_text(name) + _text(value) for name, value in _EXTENSIONS.items())
                self._send(b"\x02" + _number(3) + extensions)
            elif len(packet) >= 5:
                self._send(self._dispatch(kind, request.number(), request))

    def _next_packet(self) -> bytes | None:
        head = self._source.read(4)
        length = int.from_bytes(head, "big")
        if len(head) < 4 or not 0 < length <= _MAX_DATA_BYTES + 1024:
            return None
        packet = self._source.read(length)
        return packet if len(packet) == length else None

    def _send(self, packet: bytes) -> None:
        self._sink.write(_number(len(packet)) + packet)
        self._sink.flush()

    def _dispatch(self, kind: int, number: int, request: Request) -> bytes:
        handler = self._handlers.get(kind)
        try:
            body = _status(_UNSUPPORTED) if handler is None else handler(request)
        except struct.error:
            body = _status(_BAD_MESSAGE)
        except FileNotFoundError as error:
            body = _status(_NO_SUCH_FILE, error.strerror)
        except PermissionError as error:
            body = _status(_DENIED, error.strerror)
        except OSError as error:
            body = _status(_FAILURE, error.strerror)
        except (KeyError, ValueError, OverflowError):
            body = _status(_FAILURE, "Invalid argument")
        return body[:1] + _number(number) + body[1:]

    def _open(self, request: Request) -> bytes:
        path, requested, attributes = request.path(), request.number(), request.attributes()
        flags = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY, os.O_RDWR)[requested & (_READ | _WRITE)] | os.O_CLOEXEC
        pairs = ((_APPEND, os.O_APPEND), (_CREATE, os.O_CREAT), (_TRUNCATE, os.O_TRUNC), (_EXCLUSIVE, os.O_EXCL))
        for requested_flag, flag in pairs:
            flags |= flag if requested & requested_flag else 0
        mode = 0o666 if attributes.mode is None else stat.S_IMODE(attributes.mode)
        return self._handle(self._files, os.open(path, flags, mode))

    def _handle(self, table: dict[int, T], value: T) -> bytes:
        self._last_handle += 1
        table[self._last_handle] = value
        return bytes([_HANDLE]) + _text(_number(self._last_handle))

    def _close(self, request: Request) -> bytes:
        handle = _handle_number(request)
        if self._listings.pop(handle, None) is None:
            os.close(self._files.pop(handle))
        return _status(_OK)

    def _read(self, request: Request) -> bytes:
        file, offset, length = self._file(request), request.number("Q"), request.number()
        data = os.pread(file, min(length, _MAX_DATA_BYTES), offset)
        return bytes([_DATA]) + _text(data) if data else _status(_EOF)

    def _write(self, request: Request) -> bytes:
        file, offset, view = self._file(request), request.number("Q"), memoryview(request.text())
        while view:
            written = os.pwrite(file, view, offset)
            view, offset = view[written:], offset + written
        return _status(_OK)

    def _stat(self, request: Request) -> bytes:
        return bytes([_ATTRS]) + _attributes(os.stat(request.path()))

    def _lstat(self, request: Request) -> bytes:
        return bytes([_ATTRS]) + _attributes(os.lstat(request.path()))

    def _fstat(self, request: Request) -> bytes:
        return bytes([_ATTRS]) + _attributes(os.fstat(self._file(request)))

    def _set_attributes(self, request: Request) -> bytes:
        path = request.path()
        request.attributes().apply(path)
        return _status(_OK)

    def _set_open_attributes(self, request: Request) -> bytes:
        file = self._file(request)
        request.attributes().apply(file)
        return _status(_OK)

    def _open_folder(self, request: Request) -> bytes:
        return self._handle(self._listings, os.scandir(request.path()))

    def _next_names(self, request: Request) -> bytes:
        listing, names = self._listings[_handle_number(request)], []
        for entry in listing:
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # the file was removed meanwhile
            names.append(_text(entry.name) + _text(_long_name(entry.name, found)) + _attributes(found))
            if len(names) == _BATCH:
                break
        return bytes([_NAME]) + _number(len(names)) + b"".join(names) if names else _status(_EOF)

    def _remove(self, request: Request) -> bytes:
        os.unlink(request.path())
        return _status(_OK)

    def _make_folder(self, request: Request) -> bytes:
        path, mode = request.path(), request.attributes().mode
        os.mkdir(path, 0o777 if mode is None else stat.S_IMODE(mode))
        return _status(_OK)

    def _remove_folder(self, request: Request) -> bytes:
        os.rmdir(request.path())
        return _status(_OK)

    def _resolve(self, request: Request) -> bytes:
        return _one_name(to_client_path(self._root, os.path.realpath(request.path())))

    def _read_link(self, request: Request) -> bytes:
        return _one_name(os.readlink(request.path()))

    def _rename(self, request: Request) -> bytes:
        old, new = request.path(), request.path()
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.rename(old, new)
        return _status(_OK)

    def _link_symbolically(self, request: Request) -> bytes:
        target, link = request.path(), request.path()
        os.symlink(target, link)
        return _status(_OK)

    def _extended(self, request: Request) -> bytes:
        name = request.text()
        if name == b"posix-rename@openssh.com":
            os.replace(request.path(), request.path())
        elif name == b"hardlink@openssh.com":
            os.link(request.path(), request.path())
        elif name == b"fsync@openssh.com":
            os.fsync(self._file(request))
        elif name == b"statvfs@openssh.com":
            return _file_system(os.statvfs(request.path()))
        elif name == b"fstatvfs@openssh.com":
            return _file_system(os.fstatvfs(self._file(request)))
        else:
            return _status(_UNSUPPORTED)
        return _status(_OK)

    def _file(self, request: Request) -> int:
        return self._files[_handle_number(request)]


def to_client_path(root: bytes, path: bytes) -> bytes:
    """Returns an absolute path as a client whose "/" is `root` sees it; "/" for a path outside."""
    relative = path.removeprefix(root)
    return relative if path == root + relative and relative.startswith(b"/") else b"/"


def _handle_number(request: Request) -> int:
    return int.from_bytes(request.text(), "big")


def _number(value: int) -> bytes:
    return struct.pack(">I", value)


def _text(value: bytes) -> bytes:
    return _number(len(value)) + value


def _status(code: int, message: str | None = None) -> bytes:
    default_messages = {
        _OK: "Success",
        _EOF: "End of file",
        _BAD_MESSAGE: "Bad message",
        _UNSUPPORTED: "Operation unsupported",
    }
    return (
        bytes([_STATUS])
        + _number(code)
        + _text((message or default_messages.get(code, "Failure")).encode())
        + _text(b"")
    )


def _attributes(found: os.stat_result) -> bytes:
    flags = _WITH_SIZE | _WITH_OWNER | _WITH_MODE | _WITH_TIMES
    times = (max(0, min(int(moment), _U32)) for moment in (found.st_atime, found.st_mtime))
    return struct.pack(">IQIIIII", flags, found.st_size, found.st_uid, found.st_gid, found.st_mode, *times)


def _one_name(path: bytes) -> bytes:
    return bytes([_NAME]) + _number(1) + _text(path) + _text(path) + _number(0)


def _long_name(name: bytes, found: os.stat_result) -> bytes:
    """Returns the entry in the form of `ls -l`, which sftp prints for `ls -l`."""
    is_old = abs(time.time() - found.st_mtime) > 180 * 86400
    time_text = time.strftime("%b %e  %Y" if is_old else "%b %e %H:%M", time.localtime(found.st_mtime))
    mode, owner, group = stat.filemode(found.st_mode), found.st_uid, found.st_gid
    return f"{mode} {found.st_nlink:4} {owner:<8} {group:<8} {found.st_size:8} {time_text} ".encode() + name


def _file_system(found: os.statvfs_result) -> bytes:
    flags = (found.f_flag & os.ST_RDONLY) | (found.f_flag & os.ST_NOSUID)
    blocks = (found.f_bsize, found.f_frsize, found.f_blocks, found.f_bfree, found.f_bavail)
    inodes = (found.f_files, found.f_ffree, found.f_favail)
    return bytes([_EXTENDED_REPLY]) + struct.pack(">11Q", *blocks, *inodes, found.f_fsid, flags, found.f_namemax)


if __name__ == "__main__":
    # Both streams carry bytes without a terminal. A failed write means that the client has gone.
    try:
        SftpServer(sys.stdin.buffer, sys.stdout.buffer).serve()
    except BrokenPipeError:
        os._exit(1)
