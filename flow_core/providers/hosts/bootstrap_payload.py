"""The data that starts the agent on a host: a line for sh, a loader, and the archive of the agent."""

from __future__ import annotations

import hashlib
import json
import zlib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import flow_core.agent
from flow_core.agent.agent_copy import get_agent_name
from flow_core.agent.agent_start_exit import OLD_PYTHON, SYSTEM_ERROR
from flow_core.ssh.quoting import quote_word

NO_PYTHON, NOT_THIS_PYTHON = 41, 42
"""Exit codes of bootstrap.sh: no Python is new enough, or the one in the settings is not usable."""

_AGENT = Path(flow_core.agent.__file__).parent
_MODULES = ("private_folders", "folder_ownership", "machine_id", "agent_start_exit")
# Reads only its own bytes: the archive and the requests follow on the same stream. Users see its first line in the
# list of their processes.
_LOADER = f"""\
# The agent of flow: answers a client over SSH, and ends with its connection.
import json, os, sys, types
if sys.version_info < (3, 8):
    sys.stderr.write(sys.executable + " is Python " + sys.version.split()[0] + "\\n")
    sys.exit({OLD_PYTHON})
size, data = int(sys.argv.pop(1)), b""
while len(data) < size:
    piece = os.read(0, size - len(data))
    if not piece:
        sys.exit({SYSTEM_ERROR})
    data += piece
for name, text in json.loads(data):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["flow_core.bootstrap_main"].main()
"""


class Archive(NamedTuple):
    """The agent as one piece: compressed JSON of its files' texts by their names."""

    name: str
    data: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def build_command_line(python: str | None, found_python: str | None) -> str:
    """Returns the line for sh, with the interpreter of the settings, or the one that was found there before."""
    agent_archive = build_archive()
    words = [len(build_loader_input()), agent_archive.name, agent_archive.digest, len(agent_archive.data)]
    variables = {"flow_python": python or "", "flow_known": found_python or "", "flow_loader": _LOADER}
    lines = [f"{name}={quote_word(text)}" for name, text in variables.items()]
    return "\n".join([*lines, f"set -- {' '.join(map(str, words))}", _read_bootstrap()])


@lru_cache(maxsize=1)
def build_loader_input() -> bytes:
    """Returns the input of the loader: the modules that the launcher needs, and the launcher."""
    texts = {"flow_core": "", "flow_core.agent": ""}
    texts |= {f"flow_core.agent.{name}": (_AGENT / f"{name}.py").read_text("utf-8") for name in _MODULES}
    texts["flow_core.bootstrap_main"] = (files(__package__) / "bootstrap_main.py").read_text("utf-8")
    return json.dumps(list(texts.items())).encode("ascii")


@lru_cache(maxsize=1)
def build_archive() -> Archive:
    """Returns the archive of the agent: the same bytes on every machine with this version of zlib."""
    texts = {"flow_core/__init__.py": ""}
    for path in sorted(_AGENT.rglob("*.py")):
        texts[f"flow_core/agent/{path.relative_to(_AGENT).as_posix()}"] = path.read_text("utf-8")
    return Archive(get_agent_name(), zlib.compress(json.dumps(texts).encode("ascii"), 9))


@lru_cache(maxsize=1)
def _read_bootstrap() -> str:
    return (files(__package__) / "bootstrap.sh").read_text("utf-8")
