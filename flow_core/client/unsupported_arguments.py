"""Arguments of clients in the published SDK, and their alternatives."""

from __future__ import annotations

import warnings
from typing import Any

from flow_core.errors import ConfigError

_CONTEXTS = "a context says where tasks run"
_INSTEAD = {
    "api_key": f'{_CONTEXTS}: set MITHRIL_API_KEY in the environment and write Flow("mithril")',
    "project": f'{_CONTEXTS}: set MITHRIL_PROJECT in the environment and write Flow("mithril")',
    "provider": f"""{_CONTEXTS}: write its name, such as Flow("local") or Flow("mithril"), or set FLOW_CONTEXT""",
    "provider_factory": f'{_CONTEXTS}: write its name, such as Flow("local")',
    "region": f"{_CONTEXTS}: give the region to run(), or to the context in the config file",
}
_WITHOUT_MEANING = ("auto_init", "require_auth")


def refuse_published(caller: str, arguments: dict[str, Any]) -> None:
    """Raises ConfigError that names the alternative; warns of arguments without effect; raises TypeError for others."""
    for name in arguments:
        if name in _INSTEAD:
            raise ConfigError(f"{name}: {_INSTEAD[name]}", field=name)
        if name not in _WITHOUT_MEANING:
            raise TypeError(f"{caller}() got an unexpected keyword argument {name!r}")
        warnings.warn(f"{caller}: {name}: without meaning here, and ignored", stacklevel=4)
