"""Which project calls are for."""

from __future__ import annotations

from typing import Any

from flow_core.errors import ConfigError
from flow_core.logs.escape import escape_controls
from flow_core.models.identity import Project
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import readable
from flow_core.providers.mithril.http import MithrilHttp

_NAMED = 12


class MithrilProjects:
    """The projects of the key, and the one that was chosen."""

    def __init__(self, http: MithrilHttp) -> None:
        self._http = http
        self._chosen: str | None = None

    async def all(self) -> tuple[Project, ...]:
        found = response_fields.rows(await self._http.get("/v2/projects"), "projects")
        return readable(found, _project, "projects")

    async def chosen_id(self) -> str:
        """The id of MITHRIL_PROJECT, an id or a name; without it, of the only project. Asked for once.

        Raises ConfigError that names the projects there are.
        """
        if self._chosen is None:
            self._chosen = _choose(await self.all(), self._http.settings.project)
        return self._chosen


def _project(row: dict[str, Any]) -> Project:
    return Project(
        response_fields.identifier(row), response_fields.label(row, "name") or response_fields.identifier(row)
    )


def _choose(projects: tuple[Project, ...], wanted: str | None) -> str:
    fitting = [one for one in projects if wanted in (None, one.project_id)]
    fitting = fitting or [one for one in projects if one.name == wanted]
    if len(fitting) == 1:
        return fitting[0].project_id
    known = ", ".join(escape_controls(f"{one.name} ({one.project_id})") for one in projects[:_NAMED]) or "none"
    said = f"MITHRIL_PROJECT={wanted!r} is {'the name of several projects' if fitting else 'no project of the key'}"
    if wanted is None:
        said = "MITHRIL_PROJECT is not set, and the key has not just one project"
    raise ConfigError(f"{said}; there are: {known}", field="MITHRIL_PROJECT")
