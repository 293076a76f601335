"""Pictures of the dashboard over a machine behind a real SSH server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pictures import dashboard, save, until_shown
from testbed.sshd import Sshd, find_sshd

from flow_core.config import Config, Context


async def take_pictures() -> None:
    if find_sshd() is None:
        raise SystemExit("the pictures of hosts need sshd; install openssh-server")
    with tempfile.TemporaryDirectory(prefix="flow-") as folder:
        os.environ.update(HOME=folder, FLOW_STATE_DIR=f"{folder}/state")
        server = Sshd(Path(folder) / "server")
        server.known_hosts.unlink()
        server.start()
        try:
            await _host_key(folder, server)
        finally:
            server.stop()


async def _host_key(folder: str, server: Sshd) -> None:
    ssh = Path(folder) / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "config").write_text(server.config(name="gpu1").read_text())
    context = Context("lab", "hosts", {"hosts": ["gpu1"]})
    config = Config(Path(folder) / "config.yaml", (context,), "lab")
    async with dashboard("lab", config=config) as pilot:
        await until_shown(pilot, "press !")
        await pilot.press("exclamation_mark")
        await until_shown(pilot, "Fingerprint:")
        save(pilot, "host-key")
