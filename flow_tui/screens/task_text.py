"""Pure: what stands in the submit form, as the text of a task file, and back."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from flow_core.errors import ConfigError
from flow_core.logs.sanitize import visible
from flow_tui.screens.submit_fields import task_config, typed_fields
from flow_tui.screens.submit_preset import entered_of

SOURCE = "the text"
_LONGEST = 1 << 20
_WIDTH = 110


def task_text(entered: Mapping[str, str], schema: str) -> str:
    """YAML of the config, below comments that say what it is; `schema` is the path of a JSON Schema for editors.

    Where what was typed is no config yet, its fields as they are, and the complaint. It holds the values of `env`.
    """
    from flow_core.models.yaml_file import dump  # deferred, as what is called below: loads pydantic and yaml

    try:
        body, complaint = task_config(entered).to_yaml(), ""
    except ConfigError as error:
        body, complaint = dump(typed_fields(entered)), str(error)
    comments = _comments(entered.get("context", ""), schema, complaint)
    return f"# yaml-language-server: $schema={schema}\n{comments}\n{body}"


def read_task_text(text: str) -> dict[str, str]:
    """What to fill the form with. Raises ConfigError with line and field."""
    from flow_core.models.spec import TaskConfig  # deferred: as above

    if len(text) > _LONGEST:
        raise ConfigError(f"is larger than {_LONGEST >> 20} MB, which no task is", source=SOURCE)
    return entered_of(TaskConfig.from_yaml_text(text, SOURCE).said())


def _comments(context: str, schema: str, complaint: str) -> str:
    from flow_core.models.spec import TaskConfig  # deferred: as above

    said = [
        "The task of the submit form. Save it and leave the editor: it is checked and fills the form, and only"
        " ctrl+s there submits it. An editor that ends with an error (:cq in vi) leaves the form as it was.",
        f"Context: {context or 'none'}. It is chosen in the form.",
        f"Fields: {', '.join(TaskConfig.model_fields)}. docs/sdk.md says what each means, {schema} what it may hold.",
    ]
    if complaint:
        said.append(f"Not a task yet: {complaint}")
    return "".join(f"# {line}\n" for text in said for line in textwrap.wrap(visible(text), _WIDTH))
