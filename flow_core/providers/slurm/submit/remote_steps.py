"""The scripts for the login node that carry out a submission, and their answers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING

from flow_core.providers.slurm.cluster_path import quote_path
from flow_core.providers.slurm.run_folder import BATCH_LOG, COMMENT_PREFIX, ENV, RUNS, SCRIPT, SUBMISSION, Submission
from flow_core.providers.slurm.submit.answers import Answer, parse_answer
from flow_core.providers.slurm.submit.environment import quote
from flow_core.providers.slurm.submit.images import DETECTION
from flow_core.providers.slurm.submit.plan import SubmissionPlan, list_links
from flow_core.providers.slurm.submit.sbatch_options import list_variables

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.settings import SlurmSettings

_LIMIT_S = 180
"""Longest time of a submission without its upload, in seconds, until others take it for abandoned."""
CLUSTER_OPTION = '${cluster:+--clusters="$cluster"}'


@dataclass(frozen=True, slots=True)
class RemoteSteps:
    """The scripts of one submission. `token` begins each line of an answer, `owner` marks the files of this client."""

    config: TaskConfig
    settings: SlurmSettings
    key: str
    has_code: bool
    token: str = field(default_factory=lambda: secrets.token_hex(12))
    owner: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def marks(self) -> tuple[str, str]:
        """The marks for the run folder and the home in the record, which the login node replaces."""
        return f"{self.token}-run", f"{self.token}-home"

    def build_first(self, plan: SubmissionPlan) -> tuple[str, bytes]:
        """Returns the script that stores the files, with its stdin; without code it also submits the job."""
        sent = {name: data for name, data in plan.files.items() if name != SUBMISSION}
        lines = [
            f"size={sum(map(len, sent.values()))}",
            "make_folder",
            f"receive_files {' '.join(map(quote, sent))}",
            *([DETECTION, f"choose_container {' '.join(plan.tools)}"] if plan.tools else []),
            *self._build_checks(plan),
            *(["expect_code"] if self.has_code else self._build_submit(plan)),
        ]
        return self._build_script(lines), self._build_input(plan)

    def build_second(self, plan: SubmissionPlan) -> str:
        """Returns the script that submits the job once the code has arrived."""
        return self._build_script(['[ -d "$run/code" ] || fail_to_write', "guard_folder", *self._build_submit(plan)])

    def build_withdrawal(self) -> str:
        """Returns the script that undoes the submission, as far as it came."""
        return self._build_script(["withdraw"])

    def parse(self, stdout: bytes) -> Answer:
        """Returns the answer of one of the scripts."""
        return parse_answer(stdout, self.token)

    def locate(self, submission: Submission, answer: Answer) -> Submission:
        """Returns the record of a submission with the paths on the cluster."""
        _, folder = answer.split_job()
        run_mark, home_mark = self.marks
        working_dir = submission.working_dir.replace(run_mark, folder).replace(home_mark, answer.home)
        return replace(submission, folder=folder, working_dir=working_dir)

    def _build_script(self, lines: Sequence[str]) -> str:
        root = quote_path(self.settings.folder)
        limit_s = _LIMIT_S + (self.config.upload_timeout if self.has_code else 0)
        head = [
            "mask=$(umask)",
            "umask 077",
            f"root={root} run={root}/{RUNS}/{self.key} unfinished={root}/unfinished/{self.key}",
            f"key={self.key} owner={self.owner} token={self.token} limit_s={limit_s}",
            f"is_keyed={'yes' if self.config.idempotency_key is not None else ''} dependency= known=",
            f"cluster={quote(self.settings.cluster or '')}",
        ]
        steps = (files(__package__) / "steps.sh").read_text("utf-8")
        return "\n".join([*head, steps, *lines]) + "\n"

    def _build_input(self, plan: SubmissionPlan) -> bytes:
        """Returns the files, each after a line with its name."""
        sent = {**plan.files, SUBMISSION: plan.submission.to_json().encode()}
        return b"".join(b"%s %s\n%s\n" % (self.token.encode(), name.encode(), data) for name, data in sent.items())

    def _build_checks(self, plan: SubmissionPlan) -> list[str]:
        paths = [quote_path(mount.source) for mount in self.config.data_mounts]
        ids = [job_id for _, job_ids in plan.request.job_ids for job_id in job_ids]
        lines = [f"check_paths {' '.join(paths)}"] if paths else []
        if not plan.directory.is_in_code and not plan.directory.is_in_image:
            lines.append(f"check_folder {plan.directory.word}")
        lines += [f"list_known_jobs {quote(','.join(ids))}"] if ids else []
        return lines

    def _build_submit(self, plan: SubmissionPlan) -> list[str]:
        config = self.config
        own = not plan.is_user_script
        variables = list_variables(plan.request.options) if own else ()
        return [
            *(f"link_path {source} {quote(path)}" for source, path in list_links(config)),
            *([f"check_folder {plan.directory.word}"] if plan.directory.is_in_code else []),
            *(f"add_dependency {kind} {' '.join(job_ids)}" for kind, job_ids in plan.request.job_ids),
            *([f"begin=$(({int(plan.request.starts_at)} - $(date +%s)))"] if plan.request.starts_at else ["begin=0"]),
            'cd "$run/code" || fail_to_write',
            *([f"set_output {get_output_name(plan)}"] if own else []),
            f"is_probed={'yes' if plan.request.must_be_tested else ''}",
            f"unset SBATCH_WAIT {' '.join(variables)}",
            *(_USE_ENV if not own and ENV in plan.files else ()),
            f"submit {build_words(plan, self.key)}",
            "remove_abandoned",
        ]


# A user's script runs unchanged, so its variables come from the environment of sbatch.
_USE_ENV = ('. "$run/env.sh"', 'rm -f "$run/env.sh"')


def build_words(plan: SubmissionPlan, key: str) -> str:
    """Returns the arguments of sbatch, as words for sh."""
    comment = " ".join(filter(None, [f"{COMMENT_PREFIX}{key}", plan.request.options.get("comment")]))
    words = [CLUSTER_OPTION, f"--comment={quote(comment)}"]
    if plan.is_user_script:
        words += [] if plan.submission.config.get("working_dir") is None else [f"--chdir={plan.directory.word}"]
        words += [_format_word(name, value) for name, value in plan.options.items()]
    else:
        words += ["--export=ALL", '--output="$output"']
    words += ['${dependency:+--dependency="$dependency"}'] if plan.request.job_ids else []
    words += ['$([ "$begin" -le 0 ] || echo "--begin=now+$begin")'] if plan.request.starts_at else []
    return " ".join([*words, f'"$run/{SCRIPT}"', *map(quote, plan.arguments)])


def _format_word(name: str, value: str) -> str:
    return f"--{name}={quote(value)}" if value else f"--{name}"


def get_output_name(plan: SubmissionPlan) -> str:
    """Returns the name of the file to which Slurm writes the output of the batch script itself."""
    stem, _, suffix = BATCH_LOG.partition(".")
    return f"{stem}-%A_%a.{suffix}" if plan.submission.array else BATCH_LOG
