"""Scripts with #SBATCH lines that the user already has: how one is found in a command, and what it requests."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from flow_core.errors import ConfigError, printable
from flow_core.providers.slurm.submit.sbatch_options import ParsedOptions, parse_options

_SCRIPT_BYTES_MAX = 4 << 20  # MaxScriptSize of Slurm, by default
_MAX_PATH_CHARS = 4096
_MAGIC = "#SBATCH"
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_GRES_GPU = re.compile(
    r"(?:gres[:/])?gpu(?::(?P<type>[^:,=()]*[^:,=()\d][^:,=()]*))?(?:[:=](?P<count>\d+))?(?:\(.*\))?"
)
_GPUS = re.compile(r"(?:(?P<type>[^:,=]+)[:=])?(?P<count>\d+)")
_UNLIMITED = ("infinite", "unlimited", "-1")


@dataclass(frozen=True, slots=True)
class BatchScript:
    """What a script requests. `options` are all of its options, the last value of each.

    `nodes` and `gpus` count the whole job (None: the script leaves it to the site), `gpu_type` is "" for any.
    `time_limit` is the text, `time_limit_s` its seconds (None: the site's limit). The other texts are "" if the script
    does not have the option. `problems` are sentences about lines that sbatch would refuse.
    """

    options: dict[str, str] = field(default_factory=dict)
    nodes: int | None = None
    gpus: int | None = None
    gpu_type: str = ""
    time_limit: str = ""
    time_limit_s: int | None = None
    partition: str = ""
    array: str = ""
    output: str = ""
    error: str = ""
    name: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundScript:
    """A script that a command names or is. `path` is its file on this machine, None for text.

    `options` come from `sbatch OPTIONS SCRIPT`, and `arguments` follow the script there.
    """

    text: bytes
    path: Path | None = None
    options: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()


def find_script(command: str | list[str]) -> FoundScript | None:
    """Returns the script of a command: text with #SBATCH lines, the path of such a file, or `sbatch SCRIPT`.

    Returns None for any other command. Reads the file, so call it in a thread. Raises ConfigError (field "command") for
    a script that sbatch could not take.
    """
    if isinstance(command, str) and "\n" in command:
        return FoundScript(_encode(command)) if _has_options(command) else None
    words = _split(command)
    if words[:1] == ["sbatch"]:
        return _find_argument_of_sbatch(words[1:])
    if len(words) != 1 or (path := _find_file(words[0])) is None:
        return None
    text = _read(path)
    return FoundScript(text, path) if _has_options(text.decode("utf-8", "replace")) else None


def parse_batch_script(text: str, extra: tuple[tuple[str, str], ...] = ()) -> BatchScript:
    """Reads the #SBATCH lines of a script as sbatch does. `extra` are options of a command line, which override them.

    The lines end at the first command.
    """
    parts, problems = _read_lines(text)
    options: dict[str, str] = {}
    for part in parts[:1]:
        options |= dict(part)
    options |= dict(extra)
    if len(parts) > 1:
        problems.append(f"it is a heterogeneous job of {len(parts)} parts; the summary shows the first one")
    if not text.startswith("#!"):
        problems.append("its first line must name an interpreter, such as #!/bin/bash")
    if "\r\n" in text:
        problems.append("it has Windows line ends, which sbatch refuses; convert it with dos2unix")
    nodes, (gpus, gpu_type) = _count_nodes(options), _count_gpus(options)
    time_limit = options.get("time", "")
    return BatchScript(
        options=options,
        nodes=nodes,
        gpus=gpus,
        gpu_type=gpu_type,
        time_limit=time_limit,
        time_limit_s=parse_time_limit(time_limit),
        partition=options.get("partition", ""),
        array=options.get("array", ""),
        output=options.get("output", ""),
        error=options.get("error", ""),
        name=options.get("job-name", ""),
        problems=tuple(problems),
    )


def parse_time_limit(text: str) -> int | None:
    """Returns the seconds of a limit such as 30, 1:00:00 or 2-12; None for no limit, or what is no limit."""
    found = _TIME.fullmatch(text.strip())
    if found is None or text.strip().lower() in _UNLIMITED:
        return None
    days, first, second, third = found.groups()
    if days is not None:  # days-hours[:minutes[:seconds]]
        return int(days) * 86400 + int(first) * 3600 + int(second or 0) * 60 + int(third or 0)
    if third is not None:
        return int(first) * 3600 + int(second) * 60 + int(third)
    return int(first) * 60 + int(second or 0)


def _find_argument_of_sbatch(words: list[str]) -> FoundScript:
    parsed = parse_options(words, stop_at_word=True)
    if parsed.problems:
        raise ConfigError(f"command: {parsed.problems[0]}", field="command")
    if "wrap" in dict(parsed.options):
        raise ConfigError("command: give the command itself instead of sbatch --wrap", field="command")
    if not parsed.words:
        raise ConfigError("command: sbatch needs a script; name its file", field="command")
    path = _find_file(parsed.words[0])
    if path is None:
        raise ConfigError(
            f"command: {printable(repr(parsed.words[0]))} is no file of this machine; name the script",
            field="command",
        )
    return FoundScript(_read(path), path, parsed.options, parsed.words[1:])


def _split(command: str | list[str]) -> list[str]:
    if not isinstance(command, str):
        return command
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _find_file(word: str) -> Path | None:
    if len(word) > _MAX_PATH_CHARS or "\0" in word or "\n" in word:
        return None
    try:
        path = Path(word).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # RuntimeError: a ~user without a home
        return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_SCRIPT_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"command: {printable(repr(str(path)))} can't be read: {error.strerror}", field="command"
        ) from None
    return text


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _has_options(text: str) -> bool:
    """Returns whether a #SBATCH line comes before the first command."""
    for line in text.split("\n"):
        if line.startswith(_MAGIC):
            return True
        if (code := line.strip()) and not code.startswith("#"):
            return False
    return False


def _read_lines(text: str) -> tuple[list[list[tuple[str, str]]], list[str]]:
    """Returns the options of each part of a heterogeneous job, usually one, and the problems."""
    parts: list[list[tuple[str, str]]] = [[]]
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.startswith(_MAGIC):
            if (code := line.strip()) and not code.startswith("#"):
                break
            continue
        rest = line[len(_MAGIC) :]
        for word in ("hetjob", "packjob"):
            if word in rest.split("#")[0].split():
                parts.append([])
                rest = rest.replace(word, " ", 1)
        words, problem = split_line(rest)
        parsed: ParsedOptions = parse_options(words)
        parts[-1] += parsed.options
        found = [problem] if problem else list(parsed.problems)
        found = found or [f"{printable(repr(word))} is not an option" for word in parsed.words]
        problems += [f"line {number}: {one}" for one in found]
    return parts, problems


def split_line(line: str) -> tuple[list[str], str]:
    """Splits the rest of a #SBATCH line as sbatch does: with quotes, backslashes and comments.

    Returns the words, and the problem if a quote is not closed.
    """
    words: list[str] = []
    word: list[str] | None = None
    quote, is_escaped = "", False
    for character in line:
        if is_escaped:
            word, is_escaped = [*(word or []), character], False
        elif character == "\\":
            is_escaped = True
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = [*(word or []), character]
        elif character in "'\"":
            quote, word = character, word or []
        elif character == "#":
            break
        elif character.isspace():
            words += [] if word is None else ["".join(word)]
            word = None
        else:
            word = [*(word or []), character]
    words += [] if word is None else ["".join(word)]
    return words, f"a {quote} is not closed" if quote else ""


def _count_nodes(options: dict[str, str]) -> int | None:
    """Returns the smallest number of nodes; None if the options leave it open."""
    found = re.match(r"\d+", options.get("nodes", ""))
    return int(found[0]) if found else None


def _count_gpus(options: dict[str, str]) -> tuple[int | None, str]:
    """Returns the number of GPUs of the whole job and their type; None for no request, or an unreadable one."""
    nodes = _count_nodes(options) or 1
    if "gpus" in options:
        return _parse_gpus(options["gpus"], 1)
    if "gpus-per-node" in options:
        return _parse_gpus(options["gpus-per-node"], nodes)
    if "gpus-per-task" in options:
        per_node = options.get("ntasks-per-node", "1")
        tasks = options.get("ntasks") or str(nodes * int(per_node) if per_node.isdecimal() else nodes)
        return _parse_gpus(options["gpus-per-task"], int(tasks) if tasks.isdecimal() else nodes)
    return _parse_gres(options.get("gres", ""), nodes)


def _parse_gpus(text: str, factor: int) -> tuple[int | None, str]:
    """Parses the value of --gpus and its relatives, such as 4 or a100:2,t4:1."""
    parts = [_GPUS.fullmatch(part) for part in text.split(",")]
    counts = [int(part["count"]) for part in parts if part is not None]
    types = [part["type"] for part in parts if part is not None and part["type"]]
    return (sum(counts) * factor, ", ".join(types)) if counts else (None, "")


def _parse_gres(text: str, nodes: int) -> tuple[int | None, str]:
    found = [one for part in text.split(",") if (one := _GRES_GPU.fullmatch(part.strip()))]
    if not found:
        return None, ""
    count = sum(int(one["count"] or 1) for one in found)
    return count * nodes, ", ".join(one["type"] for one in found if one["type"])
