"""Reads and writes YAML files: the table in them, and the line of each of its names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.regular_files import NotRegular, TooLarge, read_regular_file
from flow_core.errors import ConfigError, printable

_MAX_FILE_BYTES = 4 << 20
_MAX_VALUES = 100_000
_MERGE = "tag:yaml.org,2002:merge"
_LINES_DEPTH_MAX = 6
_VALUE_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "timestamp")}


class YamlTable(NamedTuple):
    """The table in a file. `lines` maps dotted names ("volumes.0.name") to line numbers from 1."""

    fields: dict[Any, Any]
    lines: Mapping[str, int]


def read_text(path: Path, limit_bytes: int = _MAX_FILE_BYTES) -> str:
    """Returns the text of a file. Raises ConfigError that names the file."""
    try:
        return read_regular_file(path, limit_bytes).decode("utf-8")
    except FileNotFoundError:
        raise ConfigError("the file does not exist", source=str(path)) from None
    except NotRegular as error:
        raise ConfigError(f"is not a file: {error.strerror}", source=str(path)) from None
    except TooLarge as error:
        problem = str(error.strerror).removeprefix("it ")
        raise ConfigError(f"{problem}, which no such file is", source=str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path that can't be one
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigError(f"can't be read: {reason}", source=str(path)) from None


def write_text(path: Path, text: str) -> None:
    """Writes the text of a file. Raises ConfigError that names the file."""
    try:
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"can't be written: {getattr(error, 'strerror', None) or error}", source=str(path)) from None


def parse_table(
    text: str, source: str | None = None, text_fields: Collection[str] = (), *, first_only: bool = False
) -> YamlTable:
    """Returns the table in a text; an empty one for an empty text. Raises ConfigError with the line.

    In the fields `text_fields`, numbers, dates and words such as `yes` stay text: 1.10 stays "1.10". Refuses several
    documents; with `first_only`, reads only the first one.
    """
    import yaml  # lazy import: needed only for a file

    lines: dict[str, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        node: Any = loader.get_single_node() if not first_only else loader.get_node() if loader.check_node() else None
        _check_size(node, source)
        _collect_lines(node, "", _LINES_DEPTH_MAX, lines, source)
        if node is not None and node.id == "mapping":
            _mark_fields_as_text(node, text_fields)
        fields = None if node is None else loader.construct_document(node)
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError("is nested too deeply to be read", source=source) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:  # such as the date 2026-13-01
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "a value in it can't be read"
        raise ConfigError(
            f"is not valid YAML: {problem}", source=source, line=mark.line + 1 if mark is not None else None
        ) from None
    if fields is None:
        return YamlTable({}, {})
    if not isinstance(fields, dict):
        raise ConfigError("must hold a table of names and values", source=source, line=1)
    return YamlTable(fields, lines)


def dump_yaml(fields: Mapping[str, Any]) -> str:
    """Returns the YAML of a table, in its own order, with multi-line text as blocks."""
    import yaml  # lazy import: needed only for a file

    class Dumper(yaml.SafeDumper):
        """A dumper that writes multi-line text as a block.

        It escapes unprintable characters; YAML would read some as a blank.
        """

    def block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        is_plain = text.replace("\n", "").isprintable()
        style = ("|" if "\n" in text else None) if is_plain else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, block)
    return yaml.dump(dict(fields), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000)


def _check_size(node: Any, source: str | None) -> None:
    """Raises ConfigError: a few lines of aliases can expand to more values than fit in memory, or to themselves."""
    sizes: dict[int, int | None] = {}

    def size(node: Any) -> int:
        if id(node) in sizes:
            known = sizes[id(node)]
            if known is None:
                raise ConfigError("an alias in it contains itself", source=source, line=node.start_mark.line + 1)
            return known
        sizes[id(node)] = None
        parts = node.value if node.id != "scalar" else ()
        total = 1 + sum(size(part) for entry in parts for part in (entry if isinstance(entry, tuple) else (entry,)))
        sizes[id(node)] = total
        return total

    if node is not None and size(node) > _MAX_VALUES:
        raise ConfigError(f"holds more than {_MAX_VALUES} values, which no such file does", source=source)


def _mark_fields_as_text(table: Any, names: Collection[str]) -> None:
    for key, value in table.value:
        if key.value in names:
            parts = value.value if value.id != "scalar" else [value]
            for part in parts:
                _mark_as_text(part[1] if isinstance(part, tuple) else part)


def _mark_as_text(node: Any) -> None:
    if node.id == "scalar" and node.tag in _VALUE_TAGS and node.style is None:
        node.tag = "tag:yaml.org,2002:str"
    elif node.id == "mapping":  # a value that is merged with <<
        for _, value in node.value:
            if value.id == "scalar":
                _mark_as_text(value)


def _collect_lines(node: Any, prefix: str, depth: int, lines: dict[str, int], source: str | None) -> None:
    """Adds the line of each name down to a depth. Raises ConfigError for a name that is given twice."""
    if node is None or not depth:
        return
    if node.id == "mapping":
        own_lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = f"{prefix}{key.value}", key.start_mark.line + 1
            if name in own_lines and key.tag != _MERGE:
                raise ConfigError(
                    f"{printable(name)}: is given twice, first in line {own_lines[name]}",
                    field=name,
                    source=source,
                    line=line,
                )
            lines[name] = own_lines[name] = line
            _collect_lines(value, f"{name}.", depth - 1, lines, source)
    elif node.id == "sequence":
        for number, value in enumerate(node.value):
            lines[f"{prefix}{number}"] = value.start_mark.line + 1
            _collect_lines(value, f"{prefix}{number}.", depth - 1, lines, source)
