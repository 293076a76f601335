"""The description that slurmrestd gives of itself at /openapi/v3: the versions of its API, and the fields of a job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flow_core.errors import ProviderError
from flow_core.providers.slurm.rest.json_values import Table, read_rows, read_table, read_text

FIRST_VERSION, LAST_VERSION = 36, 45
"""The versions v0.0.36 (Slurm 21.08) to v0.0.45 (26.05) are known."""
FIRST_PARSED_VERSION = 39
"""From this one on, the fields of a job are those of slurmctld; before, they are those of sbatch."""

Form = Literal["text", "whole", "flag", "list", "table", "struct"]
"""How a field is written in JSON. A struct is {"set", "infinite", "number"}."""

_PATH = re.compile(r"/slurm/v0\.0\.(\d{1,4})/(.+?)/?")
_SUBMIT = "job/submit"
_REFERENCE = "#/components/schemas/"
_FORMS: Mapping[object, Form] = {
    **{"string": "text", "integer": "whole", "number": "whole", "boolean": "flag", "array": "list", "object": "table"}
}


@dataclass(frozen=True, slots=True)
class ApiDescription:
    """One version of the API. `paths` are its paths by their part after the version, without a slash at the end.

    `job_fields` are the fields with which a job can be submitted. `history_path` is the path of the accounting, "" if
    slurmrestd does not serve it, and `history_parameters` are the names of its parameters.
    """

    version: int
    paths: Mapping[str, str] = field(default_factory=dict)
    job_fields: Mapping[str, Form] = field(default_factory=dict)
    history_path: str = ""
    history_parameters: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"v0.0.{self.version}"

    @property
    def is_parsed(self) -> bool:
        """Whether the fields of a job are those of slurmctld."""
        return self.version >= FIRST_PARSED_VERSION

    def build_path(self, resource: str) -> str:
        """Returns the path of a resource, such as "jobs". Some versions want a slash at its end."""
        return resource if resource.startswith("/") else self.paths.get(resource, f"/slurm/{self.name}/{resource}")


def parse_description(document: Table, title: str) -> ApiDescription:
    """Returns the highest known version of an answer of /openapi/v3. Raises ProviderError if it has none."""
    operations = read_table(document.get("paths"))
    found = [(path, match) for path in operations if isinstance(path, str) and (match := _PATH.fullmatch(path))]
    served = {int(match[1]) for _, match in found}
    known = [version for version in served if FIRST_VERSION <= version <= LAST_VERSION]
    if not known:
        names = ", ".join(f"v0.0.{version}" for version in sorted(served)) or "no API of Slurm"
        raise ProviderError(
            f"{title} serves {names}, and flow knows v0.0.{FIRST_VERSION} to v0.0.{LAST_VERSION}; check rest_url, or"
            " update flow"
        )
    version = max(known)
    paths = {match[2]: path for path, match in found if int(match[1]) == version}
    history = next((path for path in operations if str(path).rstrip("/") == f"/slurmdb/v0.0.{version}/jobs"), "")
    return ApiDescription(
        version=version,
        paths=paths,
        job_fields=_find_job_fields(document, read_table(operations.get(paths.get(_SUBMIT, "")))),
        history_path=history,
        history_parameters=frozenset(_list_parameters(read_table(operations.get(history)))),
    )


def _find_job_fields(document: Table, operation: Table) -> dict[str, Form]:
    """Returns the fields of `job` in the body of a submission; empty if the description has another form."""
    body: Any = read_table(read_table(operation.get("post")).get("requestBody"))
    for name in ("content", "application/json", "schema"):
        body = read_table(body.get(name))
    properties = read_table(_resolve(document, body).get("properties"))
    job = _resolve(document, read_table(properties.get("job")))
    fields = read_table(job.get("properties"))
    return {name: _find_form(_resolve(document, read_table(schema))) for name, schema in fields.items()}


def _list_parameters(operation: Table) -> Iterator[str]:
    for row in read_rows(read_table(operation.get("get")).get("parameters")):
        yield read_text(row.get("name"))


def _find_form(schema: Table) -> Form:
    if {"set", "number"} <= read_table(schema.get("properties")).keys():
        return "struct"
    return _FORMS.get(schema.get("type"), "text")


def _resolve(document: Table, schema: Table) -> Table:
    """Returns the schema that a reference names."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    schemas = read_table(read_table(document.get("components")).get("schemas"))
    return read_table(schemas.get(reference.removeprefix(_REFERENCE)))
