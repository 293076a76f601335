"""Which settings of a context choose slurmrestd."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.tables import each

from flow_core.config import Context
from flow_core.errors import ConfigError
from flow_core.providers import open_provider
from flow_core.providers.slurm.provider import SlurmProvider
from flow_core.providers.slurm.rest.provider import SlurmRestProvider
from flow_core.providers.slurm.settings import usable_settings

URL = {"rest_url": "http://login:6820", "rest_user": "ada"}


@each(
    "settings, kind",
    [
        (URL, SlurmRestProvider),
        ({**URL, "host": "login"}, SlurmProvider),
        ({**URL, "rest_url": None}, SlurmProvider),
        ({"rest_user": "ada"}, SlurmProvider),
    ],
)
async def test_slurmrestd_is_used_where_no_login_node_is_named(settings: dict[str, Any], kind: type) -> None:
    provider = open_provider(Context("lab", "slurm", settings))
    assert type(provider) is kind
    await provider.close()


async def test_the_login_node_of_the_environment_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_SLURM", "login")
    for name, kind in (("slurm", SlurmProvider), ("lab", SlurmRestProvider)):
        provider = open_provider(Context(name, "slurm", URL))
        assert type(provider) is kind
        await provider.close()


def test_another_cluster_than_that_of_slurmrestd_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^cluster: slurmrestd serves one cluster") as refused:
        open_provider(Context("lab", "slurm", {**URL, "cluster": "other"}))
    assert refused.value.field == "cluster"


@each(
    "settings, is_usable",
    [
        (URL, True),
        ({**URL, "rest_url": "login"}, False),
        ({**URL, "rest_url": "ftp://login"}, False),
        ({**URL, "rest_url": "http://user:secret@login"}, False),
        ({**URL, "rest_url": "login", "host": "login"}, True),
        ({**URL, "rest_user": "a b"}, True),
    ],
)
def test_without_a_usable_address_no_other_cluster_is_used(settings: dict[str, Any], is_usable: bool) -> None:
    found = usable_settings(settings)
    assert (found.settings is not None) is is_usable
    assert bool(found.problems) is (settings != URL)
    assert "secret" not in str(found.problems)
