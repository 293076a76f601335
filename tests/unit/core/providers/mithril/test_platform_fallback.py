"""Platform keys from a context whose provider has none."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from testbed.mithril_account import KEY, KnownAccount, public_key
from testbed.provider_registry import register

from flow_core import Flow
from flow_core.audit import AuditLog, Gate
from flow_core.client.flow import AsyncFlow
from flow_core.config import Context
from flow_core.emulator.faults import Fault
from flow_core.errors import AuthError, ConfigError, FlowError, NotFound, ReadOnly, Unsupported
from flow_core.models.identity import User
from flow_core.prompter import Prompter
from flow_core.providers.contract.provider import Provider


@pytest.fixture
def key_is_set(api: KnownAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITHRIL_API_KEY", KEY)
    monkeypatch.setenv("MITHRIL_API_URL", api.url)
    monkeypatch.delenv("MITHRIL_PROJECT", raising=False)


@pytest.fixture
def _key_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MITHRIL_API_KEY", raising=False)


@pytest.mark.usefixtures("_key_is_not_set")
async def test_without_an_api_key_there_are_no_platform_keys_and_the_error_names_the_variable(home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_rsa.pub").write_text(public_key("a"))
    async with AsyncFlow("local") as flow:
        assert await flow.list_platform_ssh_keys() == []
        assert await flow.ensure_default_ssh_key() is None
        for call in (flow.create_platform_ssh_key("n", public_key("a")), flow.delete_platform_ssh_key("sshkey_1")):
            with pytest.raises(Unsupported, match="MITHRIL_API_KEY"):
                await call
        with pytest.raises(Unsupported, match="MITHRIL_API_KEY"):
            flow.get_ssh_key_manager()


@pytest.mark.usefixtures("key_is_set")
async def test_with_an_api_key_platform_keys_are_managed_from_local(api: KnownAccount, home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_rsa.pub").write_text(public_key("a"))
    async with AsyncFlow("local") as flow:
        made = await flow.create_platform_ssh_key("laptop", public_key("b"))
        assert {"name": "laptop", "public_key": public_key("b")}.items() <= made.items()
        default = await flow.ensure_default_ssh_key()
        assert [(key["id"], key["name"]) for key in await flow.list_platform_ssh_keys()] == [
            (made["id"], "laptop"),
            (default, "flow-default"),
        ]
        assert await flow.delete_platform_ssh_key(made["id"]) is True
        assert await flow.delete_platform_ssh_key(made["id"]) is False
        assert [key["name"] for key in await flow.list_ssh_keys()] == ["id_rsa"], "those of this user stay their own"
    with pytest.raises(FlowError, match="closed"):
        await flow.list_platform_ssh_keys()


@pytest.mark.usefixtures("key_is_set")
async def test_scripts_manage_platform_keys_too(api: KnownAccount) -> None:
    def script() -> None:
        with Flow("local") as flow:
            made = flow.create_platform_ssh_key("laptop", public_key("b"))
            assert [key["id"] for key in flow.list_platform_ssh_keys()] == [made["id"]]
            assert [key.name for key in flow.get_ssh_key_manager().list()] == ["laptop"]
            assert flow.delete_platform_ssh_key(made["id"]) is True

    await asyncio.to_thread(script)


@pytest.mark.usefixtures("key_is_set")
async def test_every_change_of_a_key_passes_the_gate_and_its_log_holds_no_secret(
    api: KnownAccount, tmp_path: Path
) -> None:
    gate = Gate(log=AuditLog(tmp_path / "actions.jsonl"))
    async with AsyncFlow("local", gate=gate) as flow:
        made = await flow.create_platform_ssh_key("laptop", public_key("b"))
        api.reply(Fault(status=403, detail=f"not with {KEY}"))
        with pytest.raises(AuthError):
            await flow.delete_platform_ssh_key(made["id"])
        gate.read_only = True
        api.calls.clear()
        with pytest.raises(ReadOnly):
            await flow.create_platform_ssh_key("laptop", public_key("b"))
        with pytest.raises(ReadOnly):
            await flow.ensure_default_ssh_key()
        assert not api.calls
    assert [action.verb for action in gate.log.read_recent()] == ["delete SSH key", "create SSH key"]
    assert f"DELETE {api.url}/v2/ssh-keys/{made['id']}" in gate.log.read_recent()[0].call
    assert KEY not in (tmp_path / "actions.jsonl").read_text()


@pytest.mark.usefixtures("key_is_set")
async def test_a_rejected_api_key_is_an_error_and_not_the_same_as_none(
    api: KnownAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MITHRIL_API_KEY", "fkey_other")
    async with AsyncFlow("local") as flow:
        with pytest.raises(AuthError, match="MITHRIL_API_KEY"):
            await flow.list_platform_ssh_keys()
    monkeypatch.setenv("MITHRIL_API_URL", "http://elsewhere.example")
    async with AsyncFlow("local") as flow:
        with pytest.raises(ConfigError, match="MITHRIL_API_URL"):
            await flow.list_platform_ssh_keys()


async def test_a_provider_without_users_but_with_http_is_asked_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Http:
        async def get(self, path: str) -> Any:
            if path != "/v2/users/7":
                raise NotFound(path)
            return {"id": "7", "name": "Ada"}

    class Userless(Provider):
        http: Any = None

        def __init__(self, context: Context, person: Prompter | None) -> None:
            pass

    register(monkeypatch, "userless", Userless)
    async with AsyncFlow(Context("plain", "userless")) as flow:
        assert await flow.get_user("user_7") is None
        monkeypatch.setattr(Userless, "http", Http())
        assert await flow.get_user("user_7") == User("7", "Ada")
        assert await flow.get_user("user_8") is None
        assert await flow.get_user_teammates("user_7") == []
        assert await flow.list_projects() == []
        assert await flow.list_ssh_keys() == []
