"""The settings of a context of a Slurm cluster: how to reach it, and defaults of jobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flow_core.errors import ConfigError, FlowError, printable
from flow_core.providers.contract.config_schema import SettingProblem, UsableSettings
from flow_core.providers.over_ssh.login_timeout import LOGIN_TIMEOUT, parse_login_timeout

DEFAULT_FOLDER = "~/.local/state/flow/slurm"
DEFAULT_POLL_S = 5.0
DEFAULT_HISTORY_DAYS = 7.0
CONTAINERS = ("apptainer", "enroot", "pyxis", "none")
ATTACHMENTS = ("srun", "ssh")
_HOST_FIELDS = ("name", "hostname", "user", "port", "ssh_config")
_NAME = re.compile(r"[^\s,]{1,255}")
_NAMES = re.compile(r"[^\s,]{1,255}(,[^\s,]{1,255})*")
_NEEDED_WITH_HOST = ("host", "cluster")
_NEEDED = (*_NEEDED_WITH_HOST, "rest_url")
"""The settings without which a context would use another cluster."""


@dataclass(frozen=True, slots=True)
class LoginHost:
    """The login node of a cluster, by its name in the ssh config. Fields that are None come from that config."""

    name: str
    hostname: str | None = None
    user: str | None = None
    port: int | None = None
    ssh_config: Path | None = None


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """The settings of a context. Fields that are None leave the choice to Slurm, to the site or to the ssh config.

    Without `host`, slurmrestd at `rest_url` is used, and without that, the commands of this machine. `folder` and
    `paths` are paths on the cluster and may begin with `~/` or a variable. `container` is None for the first tool that
    the site has, and "none" to refuse images.
    """

    host: LoginHost | None = None
    cluster: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    folder: str = DEFAULT_FOLDER
    bin_dir: str | None = None
    slurm_conf: str | None = None
    poll_s: float = DEFAULT_POLL_S
    history_days: float = DEFAULT_HISTORY_DAYS
    container: str | None = None
    attach: str = "srun"
    paths: tuple[str, ...] | None = None
    login_timeout_s: float | None = None
    rest_url: str | None = None
    rest_user: str | None = None
    rest_token_file: Path | None = None


def parse_settings(settings: Mapping[str, Any]) -> SlurmSettings:
    """Parses the settings of a context. Raises ConfigError, whose `field` is the name of the setting."""
    return SlurmSettings(
        **{name: parse(name, settings[name]) for name, parse in _PARSERS.items() if settings.get(name) is not None}
    )


def usable_settings(settings: Mapping[str, Any]) -> UsableSettings:
    """Returns the settings without the invalid ones, and the problems.

    With an invalid host, cluster or rest_url the settings are None: the context would use another cluster without it.
    """
    errors = _find_errors(settings)
    problems = tuple(SettingProblem(error.field or name, error.reason) for name, error in errors.items())
    needed = _NEEDED if settings.get("host") is None else _NEEDED_WITH_HOST
    if any(name in errors for name in needed):
        return UsableSettings(None, problems)
    return UsableSettings({name: value for name, value in settings.items() if name not in errors}, problems)


def find_problems(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns a sentence for each setting that can't be used."""
    names = [printable(str(name)) for name in settings if name not in SETTINGS]
    unknown = (f"{name}: is not a setting of a slurm context" for name in names)
    return (*unknown, *(str(error) for error in _find_errors(settings).values()))


def _find_errors(settings: Mapping[str, Any]) -> dict[str, FlowError]:
    """Returns the error of each invalid setting, by its name."""
    errors: dict[str, FlowError] = {}
    for name in SETTINGS:
        try:
            parse_settings({name: settings.get(name)})
        except ConfigError as error:
            errors[name] = error
    return errors


def _parse_host(field: str, value: Any) -> LoginHost:
    from flow_core.ssh.settings import check_host_name, check_user_name  # lazy import: only a login node needs it

    table = _split_user(value) if isinstance(value, str) else value
    if not isinstance(table, Mapping) or not isinstance(table.get("name", table.get("hostname")), str):
        raise ConfigError(f"{field}: name a host of ~/.ssh/config, or write a table with a name", field=field)
    unknown = next((str(name) for name in table if name not in _HOST_FIELDS), None)
    if unknown is not None:
        known = ", ".join(_HOST_FIELDS)
        raise ConfigError(
            f"{field}: {printable(repr(unknown))} is not one of its settings; known are: {known}", field=field
        )
    texts = {name: _parse_host_text(field, name, table[name]) for name in table if name != "port"}
    try:
        return LoginHost(
            name=check_host_name(texts.get("name") or texts["hostname"]),
            hostname=check_host_name(texts["hostname"], "hostname") if "hostname" in texts else None,
            user=check_user_name(texts["user"]) if "user" in texts else None,
            port=_parse_port(field, table.get("port")),
            ssh_config=_parse_file("ssh_config", texts["ssh_config"]) if "ssh_config" in texts else None,
        )
    except ConfigError as error:
        raise ConfigError(f"{field}: {error.reason}", field=field) from None


def _split_user(value: str) -> dict[str, str]:
    """Splits user@host as ssh does."""
    user, at, name = value.rpartition("@")
    return {"name": name, "user": user} if at else {"name": name}


def _parse_host_text(field: str, name: str, value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigError(f"{field}: {name} must be text", field=field)
    return value


def _parse_port(field: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536):
        return value
    raise ConfigError(f"{field}: the port must be a number from 1 to 65535", field=field)


def _parse_text(field: str, value: Any) -> str:
    """Accepts a number too: accounts are often numbers, which YAML does not read as text."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > 1024:
        raise ConfigError(f"{field}: must be a line of text", field=field)
    return text.strip()


def _parse_name(field: str, value: Any) -> str:
    text = _parse_text(field, value)
    if not _NAME.fullmatch(text):
        raise ConfigError(f"{field}: {printable(repr(text))} must be one name", field=field)
    return text


def _parse_names(field: str, value: Any) -> str:
    """Accepts a list, and names separated by commas."""
    if isinstance(value, list | tuple):
        value = ",".join(_parse_name(field, name) for name in value)
    text = _parse_text(field, value)
    if not _NAMES.fullmatch(text):
        raise ConfigError(f"{field}: {printable(repr(text))} is no list of names such as a,b", field=field)
    return text


def _parse_cluster_path(field: str, value: Any) -> str:
    """Parses an absolute path on the cluster; it may begin with the home."""
    text = _parse_text(field, value)
    if not text.startswith(("/", "~/")) or "/../" in f"{text}/":
        raise ConfigError(f"{field}: must be an absolute path there, or begin with ~/", field=field)
    return text.rstrip("/") or "/"


def _parse_shared_paths(field: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise ConfigError(f"{field}: list the paths, such as [/scratch, $WORK]", field=field)
    paths = tuple(_parse_text(field, path) for path in listed)
    if not all(path.startswith(("/", "~/", "$")) or path == "~" for path in paths):
        raise ConfigError(f"{field}: each begins with /, ~/ or a variable such as $SCRATCH", field=field)
    return paths


def _parse_file(field: str, value: Any) -> Path:
    """Parses the path of a file of this machine."""
    from flow_core.ssh.ssh_config_parser import expand_home  # lazy import: few contexts need it

    return expand_home(_parse_text(field, value), field)


def _parse_number(minimum: float, maximum: float) -> Callable[[str, Any], float]:
    def parse(field: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise ConfigError(f"{field}: must be a number from {minimum:g} to {maximum:g}", field=field)
        return float(value)

    return parse


def _parse_choice(choices: tuple[str, ...]) -> Callable[[str, Any], str]:
    def parse(field: str, value: Any) -> str:
        if value not in choices:
            raise ConfigError(f"{field}: {printable(repr(value))} is none of {', '.join(choices)}", field=field)
        return str(value)

    return parse


def _parse_login_timeout(field: str, value: Any) -> float | None:
    return parse_login_timeout({field: value})


def _parse_url(field: str, value: Any) -> str:
    text = _parse_text(field, value)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.scheme not in ("http", "https") or parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(f"{field}: must be an address such as http://login:6820", field=field)
    return text.rstrip("/")


_PARSERS: Mapping[str, Callable[[str, Any], Any]] = {
    "host": _parse_host,
    "cluster": _parse_name,
    "partition": _parse_names,
    "account": _parse_name,
    "qos": _parse_name,
    "constraint": _parse_text,
    "folder": _parse_cluster_path,
    "bin_dir": _parse_cluster_path,
    "slurm_conf": _parse_cluster_path,
    "poll_s": _parse_number(0.1, 3600),
    "history_days": _parse_number(0, 366),
    "container": _parse_choice(CONTAINERS),
    "attach": _parse_choice(ATTACHMENTS),
    "paths": _parse_shared_paths,
    LOGIN_TIMEOUT: _parse_login_timeout,
    "rest_url": _parse_url,
    "rest_user": _parse_name,
    "rest_token_file": _parse_file,
}
SETTINGS = tuple(_PARSERS)
