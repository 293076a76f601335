"""The S3 credentials of this machine that go to a host with a task, if the context allows it."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flow_core.agent.regular_files import read_regular_file
from flow_core.errors import ConfigError
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.over_agent.submit_requests import is_s3

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

SEND_CREDENTIALS = "send_credentials"
_KEYS = {
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
}
_TASK_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE")
_SETTINGS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")


def parse_send_credentials(settings: Mapping[str, Any]) -> bool:
    """Reads the setting `send_credentials`. Raises ConfigError."""
    value = settings.get(SEND_CREDENTIALS, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{SEND_CREDENTIALS}: must be true or false", field=SEND_CREDENTIALS)
    return value


def describe_disclosure(config: TaskConfig, settings: Mapping[str, Any]) -> str:
    """Returns what leaves this machine with the task, for the confirmation; "" if nothing does. Raises ConfigError."""
    if not _are_sent(config, settings):
        return ""
    return "the keys for S3 of this machine, in a file for your eyes only that is removed once the data is there"


async def find_credentials(config: TaskConfig, settings: Mapping[str, Any]) -> dict[str, str] | None:
    """Returns the credentials that boto3 would find on this machine; None if they aren't sent or the task has its own.

    Raises ConfigError if they are to be sent and there are none.
    """
    if not _are_sent(config, settings):
        return None
    credentials = await run_blocking(_find_credentials)
    if not credentials:
        raise ConfigError(
            f"{SEND_CREDENTIALS}: this machine has no keys for S3, neither in AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY nor in ~/.aws/credentials; set them, or leave the setting out",
            field=SEND_CREDENTIALS,
        )
    return credentials


def _are_sent(config: TaskConfig, settings: Mapping[str, Any]) -> bool:
    has_own = any(name in config.env for name in _TASK_VARIABLES)
    return parse_send_credentials(settings) and not has_own and any(is_s3(mount) for mount in config.data_mounts)


def _find_credentials() -> dict[str, str]:
    endpoint = {name: value for name in _SETTINGS if (value := os.environ.get(name))}
    keys = {name: value for name in _KEYS if (value := os.environ.get(name))}
    if not _is_pair(keys):
        keys = _read_profile()
    return {**endpoint, **keys} if _is_pair(keys) else {}


def _is_pair(keys: Mapping[str, str]) -> bool:
    return "AWS_ACCESS_KEY_ID" in keys and "AWS_SECRET_ACCESS_KEY" in keys


def _read_profile() -> dict[str, str]:
    """Reads the keys of the profile from the file that all AWS programs share."""
    path = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_regular_file(os.path.expanduser(path)).decode())
        section = dict(parser.items(os.environ.get("AWS_PROFILE") or "default"))
    except (OSError, ValueError, configparser.Error):
        return {}
    return {name: section[key] for name, key in _KEYS.items() if section.get(key)}
