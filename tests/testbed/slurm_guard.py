"""Program: the first process of a cluster's processes. They and the cluster's folder go once its owner is gone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from contextlib import suppress


def main(folder: str, host_name: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps orphans then
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    socket.sethostname(host_name)
    print("ready", flush=True)
    sys.stdin.buffer.read()  # until the owner closes the pipe or ends
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
