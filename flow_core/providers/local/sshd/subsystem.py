"""The file server of a session: what is executed inside the task when a client asks for "sftp"."""

from __future__ import annotations

import shlex
from pathlib import Path

from flow_core.providers.local.spawn import python

_USUAL = (
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
)
_SCRIPT = """
for server in {usual}; do
  if [ -x "$server" ]; then exec "$server"; fi
done
if [ -x {python} ]; then exec {python} -I -S {ours}; fi
echo "flow: no sftp-server in this task; install openssh-sftp-server in its image" >&2
exit 127
"""


def sftp_command() -> str:
    """A shell line: the system's sftp-server as the task sees it, else ours."""
    script = _SCRIPT.format(
        usual=" ".join(_USUAL), python=shlex.quote(python()), ours=shlex.quote(str(Path(__file__).with_name("sftp.py")))
    )
    return f"exec /bin/sh -c {shlex.quote(script)}"  # the task's own shell may be one of another grammar
