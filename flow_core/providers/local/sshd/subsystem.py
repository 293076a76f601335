"""The file server of a session: what is executed inside the task when a client asks for "sftp"."""

from __future__ import annotations

import shlex
from pathlib import Path

from flow_core.agent.supervisor_start import find_python
from flow_core.ssh import sftp_server

_OURS = Path(sftp_server.__file__)
_USUAL = (
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
)
_SYSTEMS = """
for server in {usual}; do
  if [ -x "$server" ]; then exec "$server"; fi
done
"""
_ON_MACHINE = "exec {python} -I -S {file}"
_IN_CONTAINER = """
for python in python3 python; do
  if command -v "$python" >/dev/null; then exec "$python" -I -S -c {source}; fi
done
echo "flow: this image has neither sftp-server nor python3, so files can't be copied this way" >&2
sleep 1  # sftp ends its ssh as soon as we hang up, whatever that has still to show
exit 127
"""


def sftp_command(in_container: bool) -> str:
    """A shell line: the system's sftp-server as the task sees it, else ours. An image has only our server's text."""
    ours = {"python": find_python(), "file": str(_OURS), "source": _OURS.read_text(encoding="utf-8")}
    quoted = {name: shlex.quote(text) for name, text in ours.items()}
    script = _SYSTEMS.format(usual=" ".join(_USUAL)) + (_IN_CONTAINER if in_container else _ON_MACHINE).format(**quoted)
    return f"exec /bin/sh -c {shlex.quote(script)}"  # the task's own shell may be one of another grammar
