"""The files of a submission on the cluster, and the record of what was submitted.

All of them are below the setting `folder`, which every node of the cluster must share:

runs/KEY/                  one submission; KEY is random, or follows from the idempotency key
  submission.json          the Submission
  script.sh                the script as sent to sbatch; `script.sh rank` runs one rank
  env.sh                   the variables of the task; removed when the task has ended
  enter.sh                 sh script that enters the environment of the task: its directory and its variables
  job                      the job id, written after sbatch answered
  code/                    the uploaded code, and the default working directory
  attempt-A/rank-R.log     the log of a rank; of an array, R is the index of the element
  status, status-I         lines of the batch script: "start ATTEMPT EPOCH", "end ATTEMPT EXITCODE SIGNAL EPOCH"
  batch.log                the output of the batch script itself; of an array, batch-JOBID_INDEX.log
jobs/JOBID -> ../runs/KEY  the submission of a job
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

RUNS = "runs"
SUBMISSION, SCRIPT, ENV, ENTER, CODE = "submission.json", "script.sh", "env.sh", "enter.sh", "code"
BATCH_LOG = "batch.log"
COMMENT_PREFIX = "flow:"
"""`--comment` of a job is this prefix and the KEY of its folder."""

_KEY = re.compile(r"[0-9a-f]{12}|[0-9a-f]{24}")


def make_key(idempotency_key: str | None) -> str:
    """Returns the name of the folder: random, or the same for each use of an idempotency key."""
    if idempotency_key is None:
        return secrets.token_hex(6)
    return hashlib.sha256(idempotency_key.encode()).hexdigest()[:24]


def parse_comment(comment: str) -> str | None:
    """Returns the KEY in the comment of a job, which may go on; None if flow did not submit the job."""
    key = comment.partition(" ")[0].removeprefix(COMMENT_PREFIX)
    return key if comment.startswith(COMMENT_PREFIX) and _KEY.fullmatch(key) else None


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one submission. `path` is its absolute path on the cluster."""

    path: str

    @property
    def key(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def code(self) -> str:
        return f"{self.path}/{CODE}"

    @property
    def enter_script(self) -> str:
        return f"{self.path}/{ENTER}"

    def get_log(self, attempt: int, rank: int) -> str:
        """Returns the log of a rank; of an array, `rank` is the index of the element."""
        return f"{self.path}/attempt-{attempt}/rank-{rank}.log"


@dataclass(frozen=True, slots=True)
class Submission:
    """What was submitted, as stored in submission.json.

    `folder` is the absolute path of the run folder, which is not stored. `config` is `TaskConfig.to_dict()` with the
    values of `env` replaced by "". `digest` identifies the config with these values. `array` is the text of the field;
    "" for a task without one. `output_path` and `error_path` are the patterns of a user's script, relative to
    `working_dir` unless absolute; "" is Slurm's default. `submitted_at` is in seconds since 1970. `working_dir` is
    absolute on the cluster; with an image it is a path in the image.
    """

    folder: str
    name: str
    command: str
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    ranks: int = 1
    array: str = ""
    image: str = ""
    is_user_script: bool = False
    output_path: str = ""
    error_path: str = ""
    submitted_at: float = 0.0
    working_dir: str = ""
    digest: str = ""

    @property
    def files(self) -> RunFolder:
        return RunFolder(self.folder)

    @property
    def key(self) -> str:
        return self.files.key

    def to_json(self) -> str:
        """Returns one line of ASCII JSON."""
        stored = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "folder"}
        return json.dumps(stored)


def parse_submission(text: str | bytes, folder: str) -> Submission | None:
    """Parses submission.json. Returns None if it can't be read. Ignores unknown fields."""
    try:
        stored = json.loads(text)
    except ValueError:
        return None
    if not isinstance(stored, dict):
        return None
    known: dict[str, Any] = {}
    for one in fields(Submission):
        value = stored.get(one.name)
        if one.name == "folder" or value is None:
            continue
        if not _has_type(value, one.type):
            return None
        known[one.name] = value
    if not {"name", "command"} <= known.keys():
        return None
    return Submission(folder=folder, **known)


def _has_type(value: object, annotation: object) -> bool:
    expected = {"str": str, "int": int, "bool": bool, "float": int | float}.get(str(annotation), dict)
    return isinstance(value, expected) and isinstance(value, bool) == (expected is bool)
