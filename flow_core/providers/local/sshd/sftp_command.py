"""The command of the SFTP server inside a task."""

from __future__ import annotations

import shlex
from pathlib import Path

from flow_core.agent.supervisor_start import find_python
from flow_core.ssh.server import sftp_server

_OWN_SERVER = Path(sftp_server.__file__)
_USUAL = (
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
)
_SYSTEM_SERVER = """
for server in {usual}; do
  if [ -x "$server" ]; then exec "$server"; fi
done
"""
_OWN_ON_MACHINE = "exec {python} -I -S {file}"
_OWN_IN_CONTAINER = """
for python in python3 python; do
  if command -v "$python" >/dev/null; then exec "$python" -I -S -c {source}; fi
done
echo "flow: this image has neither sftp-server nor python3, so files can't be copied this way" >&2
sleep 1  # sftp ends its ssh as soon as we hang up, whatever that has still to show
exit 127
"""


def build_sftp_command(in_container: bool) -> str:
    """Returns a shell line that runs the system's sftp-server, as the task sees it, or flow's own.

    In an image, the text of flow's server is passed on the command line.
    """
    values = {"python": find_python(), "file": str(_OWN_SERVER), "source": _OWN_SERVER.read_text(encoding="utf-8")}
    quoted = {name: shlex.quote(text) for name, text in values.items()}
    script = _SYSTEM_SERVER.format(usual=" ".join(_USUAL)) + (
        _OWN_IN_CONTAINER if in_container else _OWN_ON_MACHINE
    ).format(**quoted)
    return f"exec /bin/sh -c {shlex.quote(script)}"  # the task's own shell may not be a POSIX shell
