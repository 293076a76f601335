"""Whom tasks of this machine belong to."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from flow_core.client.flow import AsyncFlow
from flow_core.config import Context

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8w43Ykq7wFZpkmOrzVJFn4hBfjS5Ef3TCVLrp0Yd6n ada@lab"


@pytest.fixture
def ssh(home: Path) -> Path:
    folder = home / ".ssh"
    folder.mkdir(mode=0o700)
    return folder


async def test_a_context_is_its_own_and_only_project() -> None:
    async with AsyncFlow(Context("lab", "local")) as flow:
        assert await flow.list_projects() == [{"id": "lab", "name": "lab"}]
        assert await flow.get_user_teammates("root") == []


async def test_a_user_is_found_by_name_or_number() -> None:
    me = pwd.getpwuid(os.getuid())
    async with AsyncFlow("local") as flow:
        by_name, by_number = await flow.get_user(me.pw_name), await flow.get_user(str(me.pw_uid))
        assert by_name is not None
        assert by_name == by_number
        assert by_name.user_id == me.pw_name
        for nobody in ("no-such-user", "999999999", "9" * 400, "a\x00b", "\udc80", "-1", "٣"):
            assert await flow.get_user(nobody) is None


async def test_my_public_keys_are_listed_the_usual_ones_first_and_broken_files_left_out(ssh: Path) -> None:
    for name in ("work", "id_rsa", "id_ed25519"):
        (ssh / f"{name}.pub").write_text(ED25519 + "\n")
    (ssh / "broken.pub").write_text("ssh-ed25519 AAAA")
    (ssh / "private.pub").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    (ssh / "binary.pub").write_bytes(b"\xff\xfe\x00")
    (ssh / "folder.pub").mkdir()
    (ssh / "dangling.pub").symlink_to("nowhere")
    os.mkfifo(ssh / "pipe.pub")
    (ssh / "id_rsa").write_text("secret")
    async with AsyncFlow("local") as flow:
        keys = await flow.list_ssh_keys()
        assert [key["name"] for key in keys] == ["id_ed25519", "id_rsa", "work"]
        assert all(key["public_key"] == ED25519 and key["id"] == key["fingerprint"] for key in keys)
        assert await flow.list_ssh_keys("local") == keys
        assert await flow.list_ssh_keys("another") == []


async def test_without_a_folder_of_keys_there_are_none() -> None:
    async with AsyncFlow("local") as flow:
        assert await flow.list_ssh_keys() == []
