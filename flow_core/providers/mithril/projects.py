"""The projects of an API key, and the one that calls use."""

from __future__ import annotations

from typing import Any

from flow_core.errors import ConfigError
from flow_core.logs.escape import escape_controls
from flow_core.models.identity import Project
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import parse_rows
from flow_core.providers.mithril.http import MithrilHttp

_SHOWN_MAX = 12


class MithrilProjects:
    """The projects of the key, and the chosen one."""

    def __init__(self, http: MithrilHttp) -> None:
        self._http = http
        self._chosen: str | None = None

    async def list(self) -> tuple[Project, ...]:
        """Returns the projects that the key may use."""
        rows = response_fields.read_rows(await self._http.get("/v2/projects"), "projects")
        return parse_rows(rows, _parse_project, "projects")

    async def get_chosen_id(self) -> str:
        """Returns the id of the project in MITHRIL_PROJECT (an id or a name); without it, of the only project.

        Reads the projects once. Raises ConfigError that names the existing projects.
        """
        if self._chosen is None:
            self._chosen = _choose_project(await self.list(), self._http.settings.project)
        return self._chosen


def _parse_project(row: dict[str, Any]) -> Project:
    return Project(
        response_fields.read_id(row), response_fields.read_label(row, "name") or response_fields.read_id(row)
    )


def _choose_project(projects: tuple[Project, ...], id_or_name: str | None) -> str:
    matching = [project for project in projects if id_or_name in (None, project.project_id)]
    matching = matching or [project for project in projects if project.name == id_or_name]
    if len(matching) == 1:
        return matching[0].project_id
    shown = (
        ", ".join(escape_controls(f"{project.name} ({project.project_id})") for project in projects[:_SHOWN_MAX])
        or "none"
    )
    problem = (
        f"MITHRIL_PROJECT={id_or_name!r} is {'the name of several projects' if matching else 'no project of the key'}"
    )
    if id_or_name is None:
        problem = "MITHRIL_PROJECT is not set, and the key has not just one project"
    raise ConfigError(f"{problem}; there are: {shown}", field="MITHRIL_PROJECT")
