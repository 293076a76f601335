"""Rewrites private addresses of machines to loopback, because machines have the network of the host.

A process that connects or binds to 10.1.2.3 gets 127.1.2.3 instead. A machine that listens at all addresses
answers there too. The kernel holds such a call (seccomp's user notification) until the machine's first process has
changed its argument. Linux only.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Iterable
from typing import NoReturn

from flow_core.emulator.nodes.pid1.syscalls import system_call


class _Processor:
    """The numbers of the system calls on a kind of processor."""

    def __init__(self, audit: int, seccomp: int, connect: int, bind: int) -> None:
        self.audit, self.seccomp, self.connect, self.bind = audit, seccomp, connect, bind


_PROCESSORS = {
    "x86_64": _Processor(0xC000003E, 317, 42, 49),
    "aarch64": _Processor(0xC00000B7, 277, 203, 200),
}
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_SET_FILTER, _NEW_LISTENER, _ALLOW_SPECULATION = 1, 8, 4
_RECEIVE, _SEND, _IS_VALID = 0xC0502100, 0xC0182101, 0x40082102
_CONTINUE = 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_IPV4, _IPV6 = 16, 28
_MAPPED = b"\0" * 10 + b"\xff\xff"
_LIMIT_S = 0.5


class PrivateNetwork:
    """The private addresses of all machines of an order. Created in the first process, for its descendants."""

    def __init__(self, addresses: Iterable[str], listener: int) -> None:
        self.listener = listener
        self._addresses = frozenset(socket.inet_aton(address) for address in addresses)
        signal.signal(signal.SIGALRM, _give_up)

    @classmethod
    def open(cls, addresses: Iterable[str]) -> PrivateNetwork | None:
        """Returns None if the system can't do this; private addresses lead nowhere then."""
        try:
            return cls(addresses, _listen())
        except OSError:
            return None

    def answer(self) -> None:
        """Answers one held call. Call it when the listener is readable."""
        notification = bytearray(_NOTIFICATION.size)
        # The kernel waits here if the caller has ended meanwhile.
        signal.setitimer(signal.ITIMER_REAL, _LIMIT_S)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, notification)
        except OSError:
            return
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        number, pid, _, _, _, _, _, address, length, *_ = _NOTIFICATION.unpack(notification)
        try:
            self._rewrite_address(number, pid, address, length)
        except OSError:
            pass  # a process whose memory can't be read: its call continues unchanged
        try:
            fcntl.ioctl(self.listener, _SEND, bytearray(_ANSWER.pack(number, 0, 0, _CONTINUE)))
        except OSError:
            return  # the caller has ended

    def _rewrite_address(self, number: int, pid: int, address: int, length: int) -> None:
        memory = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            # If the caller has ended, another process may have its number.
            fcntl.ioctl(self.listener, _IS_VALID, struct.pack("=Q", number))
            place = _find_ipv4_offset(os.pread(memory, min(length, _IPV6), address))
            if place and os.pread(memory, 4, address + place) in self._addresses:
                os.pwrite(memory, b"\x7f", address + place)
        finally:
            os.close(memory)


def _find_ipv4_offset(data: bytes) -> int:
    """Returns the offset of the IPv4 address in a socket's address; 0 if it has none."""
    family = int.from_bytes(data[:2], "little")
    if family == socket.AF_INET and len(data) >= _IPV4:
        return 4
    return 20 if family == socket.AF_INET6 and data[8:20] == _MAPPED else 0


def _listen() -> int:
    """Returns a descriptor that reports calls of this process and of its descendants. Raises OSError."""
    processor = _PROCESSORS.get(os.uname().machine)
    if processor is None:
        raise OSError(errno.ENOSYS, "calls can't be watched on this kind of processor")
    program = (
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 0, 7, processor.audit),
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 1, 0, processor.connect),
        (_JUMP_IF_EQUAL, 0, 4, processor.bind),
        (_LOAD, 0, 0, 32),  # the length of the address: the internet's, or that of a larger buffer
        (_JUMP_IF_EQUAL, 3, 0, _IPV4),
        (_JUMP_IF_EQUAL, 2, 0, _IPV6),
        (_JUMP_IF_EQUAL, 1, 0, 128),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
    )
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    flags = _NEW_LISTENER | _ALLOW_SPECULATION
    return system_call(processor.seccomp, _SET_FILTER, flags, header)


def _give_up(*_: object) -> NoReturn:
    raise InterruptedError
