"""Reads the values of sbatch's options for a job in JSON. Each function raises ValueError for what it can't read."""

from __future__ import annotations

import re

from flow_core.providers.slurm.queue.values import parse_memory_mb, parse_number
from flow_core.providers.slurm.submit.batch_script import parse_time_limit

_UNLIMITED = ("infinite", "unlimited", "-1")
_DEFAULT_NICE = 100
_SIGNAL = re.compile(r"(?P<batch>B:)?(?P<name>[A-Za-z0-9]{1,12})(?:@(?P<delay>\d{1,6}))?")
_DEFAULT_WARNING_S = 60
_MAIL_TYPES = {
    "ALL": "BEGIN,END,FAIL,REQUEUE,INVALID_DEPENDENCY,STAGE_OUT",
    "INVALID_DEPEND": "INVALID_DEPENDENCY",
    "TIME_LIMIT": "TIME=100%",
    "TIME_LIMIT_90": "TIME=90%",
    "TIME_LIMIT_80": "TIME=80%",
    "TIME_LIMIT_50": "TIME=50%",
}


def read_text(text: str) -> str:
    """Returns the value as it is."""
    return text


def read_whole(text: str) -> int:
    number = parse_number(text.strip())
    if number is None:
        raise ValueError(text)
    return number


def read_nice(text: str) -> int:
    """Reads an adjustment of the priority, which may be negative."""
    if not text:
        return _DEFAULT_NICE
    return -read_whole(text[1:]) if text.startswith("-") else read_whole(text)


def read_flag(text: str) -> bool:
    """Reads yes or no; an option without a value means yes."""
    if text.lower() not in ("", "yes", "no", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("", "yes", "1")


def read_opposite(text: str) -> bool:
    return not read_flag(text)


def read_minutes(text: str) -> int | None:
    """Reads a time limit, and rounds it up; None for no limit."""
    seconds = parse_time_limit(text)
    if seconds is None and text.strip().lower() not in _UNLIMITED:
        raise ValueError(text)
    return None if seconds is None else -(-seconds // 60)


def read_megabytes(text: str) -> int:
    """Reads an amount of memory; 0 means all of a node."""
    megabytes = parse_memory_mb(text.strip())
    if megabytes is None and text.strip().rstrip("KMGT") != "0":
        raise ValueError(text)
    return megabytes or 0


def read_gpus(text: str) -> str:
    """Returns GPUs such as 2 or a100:4 in the notation of gres: gpu:2, gpu:a100:4."""
    return ",".join(f"gpu:{part.strip().replace('=', ':')}" for part in text.split(","))


def read_gpu_share(text: str) -> str:
    """Returns a number for each GPU in the notation of gres."""
    return f"gpu:{read_whole(text)}"


def read_gpu_memory(text: str) -> str:
    """Returns the memory for each GPU in the notation of gres."""
    return f"gpu:{read_megabytes(text)}"


def read_mail_types(text: str) -> str:
    words = (word.strip().upper() for word in text.split(","))
    return ",".join(_MAIL_TYPES.get(word, word) for word in words if word not in ("", "NONE"))


def read_open_mode(text: str) -> str:
    modes = {"a": "APPEND", "t": "TRUNCATE"}
    if text.lower()[:1] not in modes:
        raise ValueError(text)
    return modes[text.lower()[:1]]


def read_exclusive(text: str) -> str:
    """Returns the value for the versions that take sbatch's options."""
    return text or "exclusive"


def read_sharing(text: str) -> str:
    """Returns who shares the nodes of a job: nobody, or the jobs of the same user or label."""
    kinds = {"": "none", "exclusive": "none", "user": "user", "mcs": "mcs", "topo": "topo"}
    if text not in kinds:
        raise ValueError(text)
    return kinds[text]


def read_oversubscription(text: str) -> str:
    if not read_flag(text):
        raise ValueError(text)
    return "oversubscribe"


def read_warning(text: str) -> tuple[str, int, bool]:
    """Reads a signal before the end, such as B:USR1@60: its name, the seconds before, and whether for the script."""
    found = _SIGNAL.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found["name"], int(found["delay"] or _DEFAULT_WARNING_S), bool(found["batch"])
