"""Turns the values of the submit form into the text of a task file, and back. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from flow_core.errors import ConfigError
from flow_core.logs.escape import escape_controls
from flow_tui.dialogs.submit.form_to_config import task_config, typed_fields
from flow_tui.dialogs.submit.submit_preset import entered_of

SOURCE = "task.yaml"
_LONGEST = 1 << 20
_WIDTH = 76  # with its marks within 80 columns


def task_text(entered: Mapping[str, str], schema: str) -> str:
    """YAML of the config, below comments that say what it is; `schema` is the path of a JSON Schema for editors.

    Where what was typed is no config yet, its fields as they are, and the complaint. It holds the values of `env`.
    """
    from flow_core.models.yaml_file import dump_yaml  # deferred, as what is called below: loads pydantic and yaml

    try:
        body, complaint = task_config(entered).to_yaml(), ""
    except ConfigError as error:
        body, complaint = dump_yaml(typed_fields(entered)), str(error)
    about = _about(entered.get("context", ""), complaint)
    # All above the task: an editor goes on with a comment when a line is begun below one.
    above = [f"yaml-language-server: $schema={schema}", *_fields(schema), *about]
    return f"{_comments(above)}\n{body}"


def in_context(text: str, context: str) -> str:
    """A text that was written before, with the context that the form has now in its comment."""
    return re.sub(r"^# Context: [^;\n]*;", lambda _: f"# {_chosen(context)}", text, count=1, flags=re.MULTILINE)


def read_task_text(text: str) -> dict[str, str]:
    """What to fill the form with. Raises ConfigError with line and field."""
    from flow_core.models.task_config import TaskConfig  # deferred: as above

    if len(text) > _LONGEST:
        raise ConfigError(f"is larger than {_LONGEST >> 20} MB, which no task is", source=SOURCE)
    return entered_of(TaskConfig.from_yaml_text(text, SOURCE).to_dict())


def ignored_fields(text: str) -> str:
    """The fields of a text that was read which mean nothing here, in words; empty where there are none."""
    from flow_core.models.task_config import TaskConfig  # deferred: as above
    from flow_core.models.yaml_file import parse_table

    names = TaskConfig.find_ignored(parse_table(text, SOURCE).fields)
    return f"ignored, without meaning here: {', '.join(names)}" if names else ""


def _about(context: str, complaint: str) -> Iterator[str]:
    yield (
        "Save this and leave the editor: it is checked and fills the form; only ctrl+s there submits it."
        " An error exit (:cq in vi) leaves the form as it was."
    )
    yield f"{_chosen(context)} it is chosen in the form."
    if complaint:
        yield f"Not a task yet: {complaint}"


def _chosen(context: str) -> str:
    return f"Context: {escape_controls(context) or 'none'};"


def _fields(schema: str) -> Iterator[str]:
    from flow_core.models.task_config import TaskConfig  # deferred: as above

    yield f"Fields: {', '.join(TaskConfig.model_fields)}."
    yield f"docs/sdk.md says what each means, {schema} beside this file what it may hold."


def _comments(paragraphs: Iterable[str]) -> str:
    return "".join(f"# {line}\n" for text in paragraphs for line in textwrap.wrap(escape_controls(text), _WIDTH))
