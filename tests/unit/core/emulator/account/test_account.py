"""API keys, users and SSH keys."""

from __future__ import annotations

import asyncssh
import httpx
import pytest
from testbed.emulator_account import Account
from testbed.in_process_api import InProcessTransport

from flow_core.emulator.emulator import Emulator


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer fkey_wrong", "Basic abc", "fkey_wrong"])
async def test_a_call_without_the_key_is_refused(emulator: Emulator, header: str) -> None:
    transport = InProcessTransport(emulator.app)
    async with httpx.AsyncClient(base_url=emulator.url, transport=transport) as client:
        answer = await client.get("/v2/me", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert isinstance(answer.json()["detail"], str)


async def test_each_emulator_has_a_key_of_its_own(account: Account) -> None:
    async with Emulator(is_live=False, port=None) as other:
        assert other.api_key != account.emulator.api_key
        headers = {"Authorization": f"Bearer {other.api_key}"}
        assert (await account.http.get("/v2/me", headers=headers)).status_code == 401


async def test_the_account_has_a_person_projects_and_teammates(account: Account) -> None:
    me = await account.get("/v2/me")
    assert me["id"] != me["fid"]
    assert me["fid"] in [one["fid"] for one in await account.get("/v2/me/teammates")]
    assert account.project in [one["fid"] for one in await account.get("/v2/projects")]


async def test_a_key_that_the_server_makes_shows_its_private_half_once(account: Account) -> None:
    made = await account.post("/v2/ssh-keys", {"project": account.project, "name": "auto"})
    private = asyncssh.import_private_key(made["private_key"])
    assert private.export_public_key().decode().split()[:2] == made["public_key"].split()[:2]
    listed = await account.get("/v2/ssh-keys", project=account.project)
    assert made["fid"] in [one["fid"] for one in listed]
    assert not any("private_key" in one for one in listed)


async def test_ssh_keys_are_of_one_project_and_need_it_named(account: Account) -> None:
    [detail] = await account.refused(422, "GET", "/v2/ssh-keys")
    assert detail["loc"] == ["query", "project"]
    others = [one["fid"] for one in await account.get("/v2/projects") if one["fid"] != account.project]
    assert await account.get("/v2/ssh-keys", project=others[0]) == []


async def test_a_key_that_a_bid_uses_stays(account: Account) -> None:
    bid = await account.place()
    assert "used" in await account.refused(409, "DELETE", f"/v2/ssh-keys/{account.key}")
    await account.delete(f"/v2/spot/bids/{bid}")
    await account.delete(f"/v2/ssh-keys/{account.key}")
    assert await account.refused(404, "DELETE", f"/v2/ssh-keys/{account.key}")


async def test_an_invalid_public_key_and_a_name_in_use_are_refused(account: Account) -> None:
    wrong = {"project": account.project, "name": "other", "public_key": "not a key"}
    assert "public key" in await account.refused(400, "POST", "/v2/ssh-keys", json=wrong)
    taken = {"project": account.project, "name": "mine"}
    assert "name already exists" in await account.refused(400, "POST", "/v2/ssh-keys", json=taken)


async def test_only_admins_make_a_key_required(account: Account) -> None:
    assert (await account.patch(f"/v2/ssh-keys/{account.key}", {"required": True}))["required"] is True
    account.emulator.world.me.organization_role = "member"
    assert await account.refused(403, "PATCH", f"/v2/ssh-keys/{account.key}", json={"required": False})


async def test_an_api_key_works_until_it_is_revoked_or_expires(account: Account) -> None:
    async def status(secret: str) -> int:
        return (await account.http.get("/v2/me", headers={"Authorization": f"Bearer {secret}"})).status_code

    made = await account.post("/v2/api-keys", {"name": "node", "expires_at": "2999-01-01T00:00:00Z"})
    assert made["secret"].startswith(made["snippet"].removesuffix("..."))
    assert await status(made["secret"]) == 200
    await account.delete(f"/v2/api-keys/{made['fid']}")
    assert await status(made["secret"]) == 401
    listed = {one["fid"]: one for one in await account.get("/v2/api-keys")}
    assert listed[made["fid"]]["deactivated_at"] is not None
    assert not any("secret" in one for one in listed.values())
    past = {"name": "late", "expires_at": "2020-01-01T00:00:00Z"}
    assert await account.refused(400, "POST", "/v2/api-keys", json=past)


async def test_quotas_count_what_is_used(account: Account) -> None:
    await account.place(instance_quantity=3)
    rows = await account.get("/v2/quotas", project=account.project)
    assert [one["used_quantity"] for one in rows if one["used_quantity"]] == [3]
