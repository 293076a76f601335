"""The body of a submission: the fields of the job, and its script. Makes no request."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, Unsupported
from flow_core.providers.contract.supported_fields import check_supported
from flow_core.providers.slurm.rest.job_fields import build_environment, build_job_fields, build_number
from flow_core.providers.slurm.rest.self_made_folder import HOME_MARK, RUN_MARK, add_folder_lines
from flow_core.providers.slurm.rest.unsupported_fields import UNSUPPORTED_WITHOUT_SSH
from flow_core.providers.slurm.run_folder import COMMENT_PREFIX, RUNS, SCRIPT, Submission
from flow_core.providers.slurm.submit.batch_script import parse_batch_script
from flow_core.providers.slurm.submit.plan import PlanBuilder, SubmissionPlan
from flow_core.providers.slurm.submit.supported_fields import check_task

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.rest.api_description import ApiDescription
    from flow_core.providers.slurm.settings import SlurmSettings
    from flow_core.providers.slurm.submit.batch_script import FoundScript
    from flow_core.providers.slurm.submit.request import SbatchRequest
    from flow_core.providers.slurm.submit.site import SiteFacts

DIGEST = re.compile(r"[0-9a-f]{16}")
"""The word of a comment that tells what was asked."""
_PATH = "/usr/local/bin:/usr/bin:/bin"
_VARIABLES = {
    "ntasks": ("SLURM_NTASKS", "SLURM_NPROCS"),
    "ntasks-per-node": ("SLURM_NTASKS_PER_NODE",),
    "cpus-per-task": ("SLURM_CPUS_PER_TASK",),
    "gpus": ("SLURM_GPUS",),
    "gpus-per-node": ("SLURM_GPUS_PER_NODE",),
    "gpus-per-task": ("SLURM_GPUS_PER_TASK",),
}
"""The variables in which sbatch itself leaves its options to the job."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What to send. `options` are those of sbatch that the fields of the job come from.

    `dependencies` are the jobs that it waits for by kind, as the task names them; `job` does not contain them yet.
    `submission` is what the client remembers. `has_own_script` is whether the script is a field of the job.
    """

    job: Mapping[str, Any]
    script: str
    submission: Submission
    options: SbatchRequest
    dependencies: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_user_script: bool = False
    has_own_script: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The body of the request."""
        if self.has_own_script:
            return {"job": {**self.job, "script": self.script}}
        return {"job": dict(self.job), "script": self.script}

    def describe(self) -> str:
        """Returns the fields of the job as JSON, and the script below, for the user to read."""
        return f"{json.dumps({'job': dict(self.job)}, indent=2)}\n\nscript:\n{self.script}"


class RestRequestBuilder:
    """Builds the request for one task, for a user of the cluster."""

    def __init__(self, config: TaskConfig, settings: SlurmSettings, user: str, key: str) -> None:
        self._config = config
        self._settings = settings
        self._user = user
        self._key = key

    def check(self, found: FoundScript | None) -> None:
        """Checks what needs no request. Raises ConfigError and Unsupported that name the field."""
        config = self._config
        check_task(config, is_script=found is not None)
        check_supported(config, UNSUPPORTED_WITHOUT_SSH)
        if config.image is not None and self._settings.container is None:
            raise Unsupported(
                "image: without SSH, flow can't find out what runs images there; set container in the context",
                field="image",
            )
        if found is not None:
            _check_script(found)

    def build(self, facts: SiteFacts | None, api: ApiDescription, found: FoundScript | None) -> JobRequest:
        """Returns the request. Raises ConfigError, CapacityError and Unsupported that name the field."""
        planner = PlanBuilder(self._config, self._settings, self._key, (RUN_MARK, HOME_MARK))
        plan = planner.build(facts, found)
        options = _merge_options(plan, found)
        directory = self._find_directory(plan, options.pop("chdir", None))
        job = {
            "name": plan.submission.name,
            **build_job_fields(options, api, plan.request.fields),
            **({} if plan.request.starts_at is None else self._build_start(plan.request.starts_at, api)),
            "comment": self._build_comment(plan.submission, options.get("comment")),
            "current_working_directory": directory,
            "environment": build_environment(self._build_variables(options, directory), api),
        }
        if not plan.is_user_script:
            job["standard_output"] = "/dev/null"  # the script writes its own files: only it knows the home
        return JobRequest(
            job=job,
            script=self._build_script(plan),
            submission=plan.submission if plan.is_user_script else self._locate(plan.submission),
            options=plan.request,
            dependencies=plan.request.job_ids,
            is_user_script=plan.is_user_script,
            has_own_script="script" in api.job_fields,
        )

    def _build_comment(self, submission: Submission, own: str | None) -> str:
        """Returns the comment by which the job is found. With an idempotency key, it tells what was asked."""
        digest = None if self._config.idempotency_key is None else shorten_digest(submission)
        return " ".join(filter(None, [f"{COMMENT_PREFIX}{self._key}", digest, own]))

    def _build_script(self, plan: SubmissionPlan) -> str:
        if plan.is_user_script:
            return _decode(plan.files[SCRIPT])
        suffix = f"-{plan.tools[0]}.sh" if plan.tools else ".sh"
        script, enter = plan.files[f"script{suffix}"], plan.files[f"enter{suffix}"]
        folder = self._settings.folder
        return add_folder_lines(_decode(script), _decode(enter), plan.submission, folder, self._key)

    def _find_directory(self, plan: SubmissionPlan, own: str | None) -> str:
        """Returns the directory in which Slurm starts the script. flow's own script changes to the one of the task."""
        directory = self._config.working_dir or own or ""
        if not plan.is_user_script:
            return directory if directory.startswith("/") and not plan.directory.is_in_image else "/"
        if not directory.startswith("/"):
            raise ConfigError(
                "working_dir: slurmrestd does not know your home; write the folder for the script from /",
                field="working_dir",
            )
        return directory

    def _build_variables(self, options: Mapping[str, str], directory: str) -> dict[str, str]:
        """Returns the environment of the job. slurmrestd gives it no other variables, and Slurm adds its own."""
        folders = [self._settings.bin_dir] if (self._settings.bin_dir or "").startswith("/") else []
        variables = {
            "PATH": ":".join([*filter(None, folders), _PATH]),
            "USER": self._user,
            "LOGNAME": self._user,
            "SLURM_SUBMIT_DIR": directory,
        }
        for option, names in _VARIABLES.items():
            if value := options.get(option):
                variables |= dict.fromkeys(names, value)
        return variables

    def _build_start(self, starts_at: float, api: ApiDescription) -> dict[str, Any]:
        """Returns the field for the earliest start."""
        if not api.is_parsed:
            return {"begin_time": f"now+{max(0, math.ceil(starts_at - time.time()))}"}
        return {"begin_time": build_number(int(starts_at), api.job_fields.get("begin_time", "struct"))}

    def _locate(self, submission: Submission) -> Submission:
        folder = f"{self._settings.folder}/{RUNS}/{self._key}"
        working_dir = submission.working_dir.replace(RUN_MARK, folder).replace(HOME_MARK, "~")
        return replace(submission, folder=folder, working_dir=working_dir)


def shorten_digest(submission: Submission) -> str:
    """Returns the digest of what was asked, for the comment of a job."""
    return submission.digest[:16]


def _merge_options(plan: SubmissionPlan, found: FoundScript | None) -> dict[str, str]:
    """Returns all options of the job: those of the script, and those that override them."""
    own = {} if found is None else parse_batch_script(_decode(found.text), found.options).options
    return {**own, **plan.request.options}


def _check_script(found: FoundScript) -> None:
    """Checks what sbatch would check: slurmrestd does not read #SBATCH lines. Raises ConfigError and Unsupported."""
    script = parse_batch_script(_decode(found.text), found.options)
    if script.problems:
        raise ConfigError(f"command: {script.problems[0]}", field="command")
    if found.arguments:
        raise Unsupported("command: without SSH, a script gets no arguments; write them into it", field="command")
    if "begin" in script.options:
        raise Unsupported("command: without SSH, set scheduled_start_time instead of --begin", field="command")


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError("command: slurmrestd takes only UTF-8 text", field="command") from None
