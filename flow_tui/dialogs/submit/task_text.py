"""Converts the values of the submit form to the text of a task file, and back. No side effects."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from flow_core.errors import ConfigError
from flow_core.logs.escape import escape_controls
from flow_tui.dialogs.submit.config_to_form import to_form_values
from flow_tui.dialogs.submit.form_to_config import collect_typed_fields, parse_task_config

SOURCE = "task.yaml"
_LONGEST = 1 << 20
_WIDTH = 76  # 80 columns with the comment marks


def format_task(entered: Mapping[str, str], schema: str) -> str:
    """Returns YAML of the config, below explaining comments. `schema` is the path of a JSON Schema for editors.

    If the values are no valid config yet, returns them as typed, with the error. The text contains the values of `env`.
    """
    from flow_core.models.yaml_file import dump_yaml  # lazy import: loads pydantic and yaml, as the calls below do

    try:
        body, complaint = parse_task_config(entered).to_yaml(), ""
    except ConfigError as error:
        body, complaint = dump_yaml(collect_typed_fields(entered)), str(error)
    about = _explain(entered.get("context", ""), complaint)
    # All comments are above the task, because editors continue a comment on the line below it.
    above = [f"yaml-language-server: $schema={schema}", *_explain_fields(schema), *about]
    return f"{_format_comments(above)}\n{body}"


def replace_context(text: str, context: str) -> str:
    """Returns an earlier text with the form's current context in its comment."""
    return re.sub(r"^# Context: [^;\n]*;", lambda _: f"# {_format_context(context)}", text, count=1, flags=re.MULTILINE)


def read_task_text(text: str) -> dict[str, str]:
    """Returns the values of the form. Raises ConfigError with line and field."""
    from flow_core.models.task_config import TaskConfig  # lazy import: loads pydantic

    if len(text) > _LONGEST:
        raise ConfigError(f"must not be larger than {_LONGEST >> 20} MB", source=SOURCE)
    return to_form_values(TaskConfig.from_yaml_text(text, SOURCE).to_dict())


def describe_ignored_fields(text: str) -> str:
    """Describes the fields of a valid text that have no effect here; empty if there are none."""
    from flow_core.models.task_config import TaskConfig  # lazy import: loads pydantic
    from flow_core.models.yaml_file import parse_table

    names = TaskConfig.find_ignored(parse_table(text, SOURCE).fields)
    return f"ignored, without meaning here: {', '.join(names)}" if names else ""


def _explain(context: str, complaint: str) -> Iterator[str]:
    yield (
        "Save and leave the editor. The form then checks this text and fills its fields;"
        " press ctrl+s in the form to submit. An error exit (:cq in vi) leaves the form as it was."
    )
    yield f"{_format_context(context)} choose it in the form."
    if complaint:
        yield f"Not a task yet: {complaint}"


def _format_context(context: str) -> str:
    return f"Context: {escape_controls(context) or 'none'};"


def _explain_fields(schema: str) -> Iterator[str]:
    from flow_core.models.task_config import TaskConfig  # lazy import: loads pydantic

    yield f"Fields: {', '.join(TaskConfig.model_fields)}."
    yield f"docs/sdk.md describes each field; {schema} beside this file lists the allowed values."


def _format_comments(paragraphs: Iterable[str]) -> str:
    return "".join(f"# {line}\n" for text in paragraphs for line in textwrap.wrap(escape_controls(text), _WIDTH))
