"""The settings of a context of the cloud; only the API key is required."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.errors import AuthError, FlowError
from flow_core.providers.contract.config_schema import ConfigField
from flow_core.providers.mithril.settings import DEFAULT_URL, ENVIRONMENT, read_settings
from flow_core.providers.over_ssh.login_timeout import LOGIN_TIMEOUT, LOGIN_TIMEOUT_MEANING

_DESCRIPTIONS = {
    "api_key": "the key of the Mithril API",
    "api_url": "the URL of the API",
    "project": "the project to work in, by id or name",
    "region": "the default region of tasks and volumes",
    "ssh_keys": "SSH keys of the project for new machines, by id or name",
    "ssh_key": "the private key to log in with",
    "instance_type": "the default instance type",
    LOGIN_TIMEOUT: LOGIN_TIMEOUT_MEANING,
}
SETTING_NAMES = tuple(_DESCRIPTIONS)
_DEFAULTS = {
    "api_url": DEFAULT_URL,
    "project": "the only project of the key",
    "ssh_key": "a matching key of ~/.ssh",
    LOGIN_TIMEOUT: "120",
}


class MithrilConfigSchema:
    """The settings of a context of the cloud."""

    def config_fields(self) -> tuple[ConfigField, ...]:
        return tuple(
            ConfigField(
                name,
                description,
                is_secret=name == "api_key",
                is_required=name == "api_key",
                default=_DEFAULTS.get(name),
                environment=ENVIRONMENT.get(name),
            )
            for name, description in _DESCRIPTIONS.items()
        )

    def validate_config(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        problems = [f"{name}: is not a setting of a mithril context" for name in settings if name not in SETTING_NAMES]
        try:
            read_settings(settings)
        except AuthError:
            pass  # the key may come from the environment
        except FlowError as error:
            problems.append(str(error))
        return tuple(problems)
