"""Reads the machines of a context from its settings, and checks the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_core.errors import ConfigError, FlowError, printable
from flow_core.gpu_matching import Gpu, parse_declared_gpus
from flow_core.providers.contract.config_schema import SettingProblem, UsableSettings, drop_invalid
from flow_core.providers.hosts.s3_credentials import SEND_CREDENTIALS, parse_send_credentials
from flow_core.providers.over_agent.pruning_setting import PRUNE_AFTER_DAYS, parse_prune_after_days
from flow_core.providers.over_ssh.login_timeout import LOGIN_TIMEOUT, parse_login_timeout

SETTINGS = ("hosts", "region", LOGIN_TIMEOUT, "python", "s3_python", SEND_CREDENTIALS, "container", PRUNE_AFTER_DAYS)
_TEXT_FIELDS = ("name", "hostname", "user", "identity_file", "gpus", "region", "python", "s3_python")
_FOR_ALL = ("region", "python", "s3_python")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the settings. Fields that are None come from the ssh config; `gpus` are declared, not detected.

    `python` is the interpreter that runs the agent there, and `s3_python` the one that has boto3.
    """

    name: str
    hostname: str | None = None
    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    gpus: str | None = None
    region: str | None = None
    login_timeout_s: float | None = None
    python: str | None = None
    s3_python: str | None = None

    @property
    def pretend(self) -> tuple[Gpu, ...]:
        """The declared GPUs."""
        return parse_declared_gpus(self.gpus) if self.gpus else ()

    @property
    def key_file(self) -> Path | None:
        """The private key. Raises ConfigError if it is in the home of a user that this machine does not have."""
        from flow_core.ssh.ssh_config_parser import expand_home  # lazy import: only machines of a config need it

        return expand_home(self.identity_file, "identity_file") if self.identity_file else None


def parse_machines(settings: Mapping[str, Any]) -> tuple[Machine, ...]:
    """Parses the machines of the settings, in the order of the list. Raises ConfigError."""
    listed = settings.get("hosts")
    if isinstance(listed, str):
        listed = [listed]
    if not isinstance(listed, list | tuple) or not listed:
        raise ConfigError("hosts: list the machines, such as hosts: [gpu1, gpu2]", field="hosts")
    for_all = {name: str(settings[name]) for name in _FOR_ALL if settings.get(name) is not None}
    machines = tuple(_parse_machine(entry, for_all) for entry in listed)
    names = [machine.name for machine in machines]
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate is not None:
        raise ConfigError(f"hosts: {printable(repr(duplicate))} is listed twice", field="hosts")
    return machines


def usable_settings(settings: Mapping[str, Any]) -> UsableSettings:
    """Returns the settings without invalid machines and without an invalid login timeout, and the problems.

    If every listed machine is invalid, the settings are None, so that no context is created.
    """
    machines, problems = _select_valid_machines(settings.get("hosts"))
    if problems and not machines:
        return UsableSettings(None, problems)
    rest = drop_invalid({**settings, "hosts": machines} if problems else settings, parse_login_timeout)
    return UsableSettings(rest.settings, (*problems, *rest.problems))


def _select_valid_machines(listed: Any) -> tuple[list[Any], tuple[SettingProblem, ...]]:
    """Returns the valid machines, and the problems of the others."""
    valid: list[Any] = []
    problems: list[SettingProblem] = []
    for number, entry in enumerate(listed if isinstance(listed, list) else ()):
        try:
            _parse_machine(entry, {})
        except ConfigError as error:
            path = f"hosts.{number}" + (f".{error.field}" if isinstance(entry, dict) else "")
            problems.append(SettingProblem(path, error.message.partition(": ")[2]))
        else:
            valid.append(entry)
    return valid, tuple(problems)


def find_problems(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns a sentence for each setting that can't be used."""
    problems = [f"{name}: is not a setting of a context of hosts" for name in settings if name not in SETTINGS]
    listed = settings.get("hosts")
    lists: list[Any] = [[entry] for entry in listed] if isinstance(listed, list | tuple) and listed else [listed]
    for entry in lists:
        try:
            parse_machines({"hosts": entry})
        except FlowError as error:
            problems.append(str(error))
    if len(lists) > 1 and not problems:
        try:
            parse_machines(settings)
        except FlowError as error:
            problems.append(str(error))
    for check in (parse_login_timeout, parse_send_credentials, parse_prune_after_days, _check_engine):
        try:
            check(settings)
        except ConfigError as error:
            problems.append(str(error))
    return tuple(problems)


def _check_engine(settings: Mapping[str, Any]) -> None:
    from flow_core.providers.over_agent.container_request_checks import (
        check_engine,  # lazy import: only a check of a config needs it
    )

    check_engine(settings.get("container"))


def _parse_machine(entry: Any, for_all: Mapping[str, str]) -> Machine:
    """Parses one machine; `for_all` are the settings of the context that apply to all machines. Raises ConfigError."""
    from flow_core.ssh.settings import (  # lazy import: only machines of a config need it
        check_host_name,
        check_user_name,
    )

    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name", entry.get("hostname")), str):
        raise ConfigError("hosts: each is a name of ~/.ssh/config, or a table with a name", field="hosts")
    name = printable(repr(entry.get("name", entry.get("hostname"))))
    for field, value in entry.items():
        if field == LOGIN_TIMEOUT or (field == "gpus" and isinstance(value, list | tuple)):
            continue
        if field == "port" and isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:
            continue
        if field not in _TEXT_FIELDS or not isinstance(value, str) or not value or not value.isprintable():
            raise ConfigError(f"hosts: {name} has {printable(repr(field))}, which can't be used", field=str(field))
    gpus = entry.get("gpus")
    machine = Machine(
        name=check_host_name(entry.get("name", entry.get("hostname")), "name" if "name" in entry else "hostname"),
        hostname=None if entry.get("hostname") is None else check_host_name(entry["hostname"], "hostname"),
        user=None if entry.get("user") is None else check_user_name(entry["user"]),
        port=entry.get("port"),
        identity_file=entry.get("identity_file"),
        gpus=",".join(map(str, gpus)) if isinstance(gpus, list | tuple) else gpus,
        login_timeout_s=parse_login_timeout(entry),
        **{name: entry.get(name, for_all.get(name)) for name in _FOR_ALL},
    )
    if machine.gpus is not None and not machine.pretend:
        raise ConfigError(f"hosts: the gpus of {name} must be such as a100:4", field="gpus")
    return machine
