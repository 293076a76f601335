"""The machines of a context: which settings can't be used."""

from __future__ import annotations

import pytest
from testbed.tables import each

from flow_core.config import Context
from flow_core.errors import ConfigError
from flow_core.providers.hosts.config_schema import HostsConfigSchema
from flow_core.providers.hosts.provider import HostsProvider


@each(
    "settings",
    [
        {},
        {"hosts": []},
        {"hosts": 5},
        {"hosts": ["a", "a"]},
        {"hosts": ["-oProxyCommand=x"]},
        {"hosts": [{"hostname": "x", "password": "y"}]},
        {"hosts": [{"name": "x", "port": 0}]},
        {"hosts": [{"name": "x", "gpus": "many!"}]},
        {"hosts": [["x"]]},
        {"hosts": ["ssh://x"]},
        {"hosts": ["*"]},
        {"hosts": ["a/../b"]},
        {"hosts": [{"name": "x", "user": "-oProxyCommand=touch x"}]},
        {"hosts": [{"name": "x", "hostname": "!x"}]},
        {"hosts": ["x"], "login_timeout_s": 0},
        {"hosts": ["x"], "login_timeout_s": "soon"},
        {"hosts": [{"name": "x", "login_timeout_s": True}]},
    ],
)
def test_settings_that_can_not_be_used_are_refused_by_name(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as refused:
        HostsProvider(Context("lab", "hosts", settings))
    assert str(refused.value).isprintable()
    assert HostsConfigSchema().validate_config(settings)
