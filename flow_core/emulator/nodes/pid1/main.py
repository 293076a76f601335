"""The first process (pid 1) of a machine: spawns, signals and reaps for the emulator.

Its argument is the descriptor of one end of a socket pair. The first message describes the machine. When the emulator
is gone, every process of the machine ends.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from typing import Any

from flow_core.emulator.nodes.fd_messages import Message, MessageReader, pack
from flow_core.emulator.nodes.pid1.address_rewriting import PrivateNetwork
from flow_core.emulator.nodes.pid1.descendants import end_descendants
from flow_core.emulator.nodes.pid1.isolate import isolate, keep_mounts
from flow_core.emulator.nodes.pid1.spawn import spawn
from flow_core.emulator.nodes.pid1.syscalls import adopt_orphans


def main() -> None:
    link = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(link.fileno(), False)
    inbox = MessageReader()
    plan = _plan(link, inbox)
    if plan is None:
        return
    try:
        if plan["isolated"]:
            isolate(plan)
        else:
            keep_mounts()
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        link.sendall(pack({"failed": f"{error.strerror or error}{place}"}))
        return
    adopt_orphans()
    network = PrivateNetwork.open(plan["addresses"]) if plan["isolated"] else None
    FirstProcess(link, inbox, network).run()
    if not plan["isolated"]:
        end_descendants()


def _plan(link: socket.socket, inbox: MessageReader) -> dict[str, Any] | None:
    while inbox.receive(link):
        for message in inbox.messages():
            return message.body
    return None


class FirstProcess:
    """The first process of a machine: starts, signals and reaps processes."""

    def __init__(self, link: socket.socket, inbox: MessageReader, network: PrivateNetwork | None) -> None:
        self._link = link
        self._network = network
        self._inbox = inbox
        self._numbers: dict[int, int] = {}

    def run(self) -> None:
        """Runs until the emulator has gone."""
        woken, waking = os.pipe()
        for end in (woken, waking):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the kernel ignores it for pid 1
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        calls = [self._network.listener] if self._network else []
        try:
            self._send({"ready": True})
            while True:
                ready, _, _ = select.select([self._link.fileno(), woken, *calls], [], [])
                if self._network and self._network.listener in ready:
                    self._network.answer()
                if woken in ready:
                    os.read(woken, 4096)
                    self._reap()
                if self._link.fileno() in ready and not self._handle_messages():
                    return
        except (BrokenPipeError, ConnectionResetError):
            return

    def _handle_messages(self) -> bool:
        is_open = self._inbox.receive(self._link)
        for message in self._inbox.messages():
            if message.body["do"] == "spawn":
                self._spawn(message)
            elif message.body["do"] == "signal":
                self._signal(message.body["id"], message.body["signal"])
        return is_open

    def _spawn(self, message: Message) -> None:
        number = message.body["id"]
        try:
            pid, master = spawn(message.body, message.fds)
        except (OSError, ValueError) as error:
            self._send({"id": number, "failed": getattr(error, "strerror", None) or str(error)})
            return
        self._numbers[pid] = number
        self._send({"id": number, "started": True}, [] if master is None else [master])
        if master is not None:
            os.close(master)

    def _signal(self, number: int, signal_number: int) -> None:
        for pid, started in self._numbers.items():
            if started == number:
                try:
                    os.killpg(_foreground(pid) or pid, signal_number)
                except (ProcessLookupError, PermissionError):
                    pass  # it has exited, or changed its user id

    def _reap(self) -> None:
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                number = self._numbers.pop(found[0], None)
                if number is not None:
                    self._send({"id": number, "ended": os.waitstatus_to_exitcode(found[1])})
        except ChildProcessError:
            return  # no child is left

    def _send(self, body: dict[str, Any], fds: list[int] | None = None) -> None:
        data = pack(body, len(fds or []))
        sent = socket.send_fds(self._link, [data], fds or [])
        self._link.sendall(data[sent:])


def _foreground(leader: int) -> int:
    """Returns the process group that has the terminal of a session; 0 if it has none or it is unknown."""
    try:
        with open(f"/proc/{leader}/stat", "rb") as stream:
            return max(int(stream.read().rpartition(b")")[2].split()[5]), 0)
    except OSError:
        return 0
