"""The answers of the steps on the login node, and the errors that they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.errors import (
    ConfigError,
    Conflict,
    FlowError,
    NotFound,
    ProviderError,
    Unreachable,
    Unsupported,
    printable,
)
from flow_core.providers.slurm.slurm_errors import read_first_error
from flow_core.providers.slurm.submit.images import TOOLS
from flow_core.providers.slurm.submit.refusals import build_refusal, build_write_error

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.settings import SlurmSettings
    from flow_core.providers.slurm.submit.plan import SubmissionPlan


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a script: its word, and the rest of the line.

    "job", "ready" and "earlier" are successes; "" is a script that was killed. `submission` is the record of an earlier
    submission, and `home` the home of the user there.
    """

    word: str = ""
    rest: str = ""
    submission: str = ""
    home: str = ""

    def split_job(self) -> tuple[str, str]:
        """Returns the id and the folder of a job."""
        job_id, _, folder = self.rest.partition(" ")
        return job_id, folder


def parse_answer(stdout: bytes, token: str) -> Answer:
    """Returns the last answer; ignores what else the login node printed."""
    found: dict[str, str] = {}
    for line in stdout.decode("utf-8", "surrogateescape").split("\n"):
        if line.startswith(f"{token} "):
            word, _, rest = line[len(token) + 1 :].partition(" ")
            found |= {word: rest} if word in ("submission", "home") else {"word": word, "rest": rest}
    return Answer(**found)


@dataclass(frozen=True, slots=True)
class AnswerErrors:
    """The errors of one submission. `title` is the login node."""

    config: TaskConfig
    settings: SlurmSettings
    title: str

    def build(self, answer: Answer, stderr: bytes, plan: SubmissionPlan) -> FlowError:
        """Returns the error for an answer that is no success."""
        match answer.word:
            case "refused":
                return build_refusal(stderr, plan.request, self.title, is_script=plan.is_user_script)
            case "unwritable":
                return build_write_error(stderr, self.settings.folder, self.title)
            case "busy":
                return Conflict(
                    f"idempotency_key: another client is submitting {self.config.idempotency_key!r} now; try again in a"
                    " minute",
                    field="idempotency_key",
                )
            case "missing":
                source = self.config.data_mounts[int(answer.rest)].source
                return ConfigError(f"data_mounts: {self.title} has no {printable(source)}", field="data_mounts")
            case "no-folder":
                path = printable(repr(self.config.working_dir))
                return ConfigError(f"working_dir: {self.title} has no folder {path}", field="working_dir")
            case "no-container":
                return self._build_image_error()
            case "ended":
                return _build_dependency_error(*answer.rest.partition(" ")[::2])
            case "unclear":
                return Unreachable(
                    f"slurmctld of {self.title} did not answer in time; the task may have been submitted all the same"
                )
        reason = read_first_error(stderr.decode("utf-8", "replace"))
        return ProviderError(f"the submission on {self.title} failed{f': {reason}' if reason else ''}; submit it again")

    def _build_image_error(self) -> Unsupported:
        chosen = self.settings.container
        missing = f"no {chosen}" if chosen else f"none of {', '.join(TOOLS)}"
        return Unsupported(
            f"image: {self.title} has {missing}, so it can't run images; use the site's modules in the command instead",
            field="image",
        )


def _build_dependency_error(job_id: str, state: str) -> FlowError:
    if state == "unknown":
        return NotFound(f"after: Slurm knows no task {printable(job_id)}", field="after")
    return Conflict(
        f"after: task {printable(job_id)} ended as {printable(state.lower())}, so this one would never start",
        field="after",
    )
