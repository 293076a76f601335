"""The fingerprints of public keys, as ssh-keygen shows them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.ssh.public_keys import read_local_public_keys


@pytest.fixture
def ssh(home: Path) -> Path:
    folder = home / ".ssh"
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.needs("ssh-keygen")
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_fingerprint_is_the_one_that_ssh_keygen_shows(ssh: Path, kind: str) -> None:
    made = ssh / f"id_{kind}"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "a b", "-f", str(made)], check=True, timeout=DEADLINE_S
    )
    shown = subprocess.run(
        ["ssh-keygen", "-lf", f"{made}.pub"], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    (key,) = read_local_public_keys().values()
    assert key.fingerprint == shown.stdout.split()[1]
    assert str(key) == made.with_suffix(".pub").read_text().strip()
