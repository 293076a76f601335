"""SSH keys, projects and users over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from testbed.mithril_account import KEY, KnownAccount, public_key

from flow_core.emulator.faults import Fault
from flow_core.errors import ConfigError, Conflict, ProviderError
from flow_core.models.identity import User
from flow_core.providers.mithril.platform_account import MithrilPlatform
from flow_core.providers.mithril.settings import MithrilSettings


@pytest.fixture
async def open_platform(api: KnownAccount) -> AsyncIterator[Callable[..., MithrilPlatform]]:
    opened: list[MithrilPlatform] = []

    def open_one(project: str | None = None) -> MithrilPlatform:
        opened.append(MithrilPlatform(MithrilSettings(KEY, api.url, project)))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
def platform(open_platform: Callable[..., MithrilPlatform]) -> MithrilPlatform:
    return open_platform()


@pytest.fixture
def ssh(home: Path) -> Path:
    folder = home / ".ssh"
    folder.mkdir(mode=0o700)
    return folder


async def test_keys_are_those_of_the_only_project(api: KnownAccount, platform: MithrilPlatform) -> None:
    api.add_key("sshkey_a", "mine", public_key("a"), required=True)
    api.add_key("sshkey_b", "odd", "not a key at all")
    api.add_key("sshkey_c", "theirs", public_key("c"), project="proj_two")
    mine, odd = await platform.ssh_keys.list()
    assert (mine.key_id, mine.name, mine.required) == ("sshkey_a", "mine", True)
    assert mine.fingerprint.startswith("SHA256:")
    assert (odd.public_key, odd.fingerprint) == ("not a key at all", "")
    api.add_project("proj_two", "home")
    assert [key.name for key in await platform.ssh_keys.list("proj_two")] == ["theirs"]
    assert api.requests.count("GET /v2/projects") == 1


@pytest.mark.parametrize(("wanted", "chosen"), [("proj_two", "two"), ("home", "two"), ("lab", "one"), ("proj_x", None)])
async def test_a_project_is_chosen_by_its_id_or_its_exact_name(
    api: KnownAccount, open_platform: Callable[..., MithrilPlatform], wanted: str, chosen: str | None
) -> None:
    api.add_project("proj_two", "home")
    api.add_project("proj_three", "proj_two")
    api.add_key("sshkey_one", "one", public_key("a"), project="proj_one")
    api.add_key("sshkey_two", "two", public_key("b"), project="proj_two")
    keys = open_platform(wanted).ssh_keys
    if chosen is not None:
        assert [key.name for key in await keys.list()] == [chosen]
        return
    with pytest.raises(ConfigError, match=r"there are: lab \(proj_one\), home \(proj_two\)") as refused:
        await keys.list()
    assert refused.value.field == "MITHRIL_PROJECT"


async def test_one_of_several_projects_must_be_named(
    api: KnownAccount, platform: MithrilPlatform, open_platform: Callable[..., MithrilPlatform]
) -> None:
    api.add_project("proj_two", "lab")
    with pytest.raises(ConfigError, match=r"not just one project; there are: lab \(proj_one\), lab \(proj_two\)"):
        await platform.ssh_keys.list()
    with pytest.raises(ConfigError, match="name of several projects"):
        await open_platform("lab").ssh_keys.list()
    api.remove_projects()
    with pytest.raises(ConfigError, match="there are: none"):
        await platform.ssh_keys.list()


async def test_a_key_is_registered_found_and_deleted(api: KnownAccount, platform: MithrilPlatform) -> None:
    made = await platform.ssh_keys.create("laptop", f"  {public_key('a')}\n")
    assert made.public_key == public_key("a")
    assert [key.key_id for key in await platform.ssh_keys.list()] == [made.key_id]
    with pytest.raises(Conflict, match="already exists"):
        await platform.ssh_keys.create("laptop", public_key("b"))
    assert await platform.ssh_keys.delete(made.key_id) is True
    assert await platform.ssh_keys.delete(made.key_id) is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-rsa " + public_key("a").split()[1],
        public_key("a") + "\nssh-ed25519 more",
        public_key("a", "ssh-ed25519-cert-v01@openssh.com"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhush\n-----END OPENSSH PRIVATE KEY-----",
        "x" * 100_000,
    ],
)
async def test_an_invalid_public_key_is_neither_sent_nor_repeated(
    api: KnownAccount, platform: MithrilPlatform, text: str
) -> None:
    with pytest.raises(ConfigError, match="public_key: ") as refused:
        await platform.ssh_keys.create("laptop", text)
    assert "hush" not in str(refused.value)
    assert not api.calls


@pytest.mark.parametrize("key_id", ["", "..", "../bids/bid_1", "a/b", "a?b", "\x1b[2J", "x" * 1000, "sshkey_none"])
async def test_an_unknown_or_invalid_id_is_not_found(api: KnownAccount, platform: MithrilPlatform, key_id: str) -> None:
    assert await platform.ssh_keys.delete(key_id) is False
    assert await platform.identity.user(key_id) is None
    assert all(one.path in ("/v2/ssh-keys/sshkey_none", "/v2/users/sshkey_none") for one in api.calls)


async def test_without_a_key_here_there_is_no_default(api: KnownAccount, platform: MithrilPlatform, ssh: Path) -> None:
    assert await platform.ssh_keys.ensure_default() is None
    (ssh / "id_rsa.pub").write_text("broken")
    assert await platform.ssh_keys.ensure_default() is None
    assert not api.calls


async def test_the_first_usual_key_becomes_the_default_once(
    api: KnownAccount, platform: MithrilPlatform, ssh: Path
) -> None:
    for name in ("another", "id_rsa", "id_ed25519"):
        (ssh / f"{name}.pub").write_text(public_key(name) + "\n")
    made = await platform.ssh_keys.ensure_default()
    assert [(key.fid, key.name, key.public_key) for key in api.keys] == [
        (made, "flow-default", public_key("id_ed25519"))
    ]
    assert await platform.ssh_keys.ensure_default() == made
    assert api.requests.count("POST /v2/ssh-keys") == 1


async def test_a_key_of_the_project_that_is_also_local_is_the_default_whatever_its_name(
    api: KnownAccount, platform: MithrilPlatform, ssh: Path
) -> None:
    (ssh / "id_ed25519.pub").write_text(public_key("a"))
    (ssh / "work.pub").write_text(public_key("b", comment="here"))
    api.add_key("sshkey_b", "of the office", public_key("b", comment="there"))
    assert await platform.ssh_keys.ensure_default() == "sshkey_b"


async def test_the_default_key_of_another_machine_is_not_changed(
    api: KnownAccount, platform: MithrilPlatform, ssh: Path
) -> None:
    (ssh / "id_rsa.pub").write_text(public_key("a"))
    api.add_key("sshkey_other", "flow-default", public_key("b"))
    made = await platform.ssh_keys.ensure_default()
    assert api.keys[-1].fid == made
    assert api.keys[-1].name.startswith("flow-default-")


@pytest.mark.parametrize("body", [b"null", b"{}", b"[1]", b'{"data": 3}', b'[{"name": "no id"}]', b'[{"fid": 7}]'])
async def test_a_response_of_another_shape_is_an_error(
    api: KnownAccount, platform: MithrilPlatform, body: bytes
) -> None:
    for call in (platform.ssh_keys.list, platform.identity.projects):
        is_projects = call == platform.identity.projects
        wrong = b'[{"name": 5}]' if is_projects and body == b'[{"name": "no id"}]' else body
        api.reply(*([] if is_projects else [Fault(body=b'[{"fid": "proj_one"}]')]), Fault(body=wrong))
        with pytest.raises(ProviderError, match="the Mithril API"):
            await call()


async def test_a_listing_may_be_wrapped(api: KnownAccount, platform: MithrilPlatform) -> None:
    api.reply(Fault(body=b'{"projects": [{"fid": "proj_one", "name": "lab"}]}'))
    assert [one.to_dict() for one in await platform.identity.projects()] == [{"id": "proj_one", "name": "lab"}]


async def test_a_user_is_found_under_the_whole_id_or_without_its_prefix(
    api: KnownAccount, platform: MithrilPlatform
) -> None:
    api.add_user("1-ada", "user_1", "ada")
    assert await platform.identity.user("user_1") == User("user_1", "ada", "ada@lab.example", "member")
    api.reply(Fault(path="/v2/users/2", body=b'{"id": "2"}'))
    assert await platform.identity.user("user_2") == User("2")
    assert await platform.identity.user("user_3") is None
    assert api.requests[-2:] == ["GET /v2/users/user_3", "GET /v2/users/3"]


async def test_teammates_are_mine_or_those_who_share_a_project(api: KnownAccount, platform: MithrilPlatform) -> None:
    people = {"ada": ["proj_one"], "bob": ["proj_one", "proj_two"], "cy": ["proj_two"], "dee": []}
    for name, projects in people.items():
        api.add_user(f"1-{name}", f"user_{name}", name, projects)
    mates = platform.identity.teammates
    assert (await platform.identity.get_owner()).email == "me@lab.example"
    for me in ("user_me", "11-22", "me"):
        assert [one.name for one in await mates(me)] == ["ada", "bob", "cy", "dee"]
    assert [one.name for one in await mates("user_bob")] == ["ada", "cy"]
    assert [one.name for one in await mates("1-ada")] == ["bob"]
    assert await mates("user_dee") == ()
    assert await mates("user_nobody") == ()
