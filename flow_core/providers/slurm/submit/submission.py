"""Submits a TaskConfig as a job of a cluster, or refuses it and leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import Conflict, FlowError, Unreachable
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.over_ssh.code_folder import find_code, send_code
from flow_core.providers.slurm.run_folder import RunFolder, Submission, make_key, parse_submission
from flow_core.providers.slurm.submit.answers import Answer, AnswerErrors
from flow_core.providers.slurm.submit.batch_script import find_script
from flow_core.providers.slurm.submit.description import build_test, describe_plan
from flow_core.providers.slurm.submit.plan import PlanBuilder, SubmissionPlan, digest_config
from flow_core.providers.slurm.submit.refusals import build_refusal
from flow_core.providers.slurm.submit.remote_steps import RemoteSteps
from flow_core.providers.slurm.submit.site import Site
from flow_core.providers.slurm.submit.supported_fields import check_task

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.settings import SlurmSettings

_SUBMIT_S = 60.0
_WITHDRAW_S = 20.0
_LEAVE_S = 5.0  # after a cancellation, wait only this long
_SHOWN_KEY = "KEY"


class SlurmSubmission:
    """One submission, from checks that change nothing to the job in the queue.

    `site` should be the same object for all submissions of a context: it remembers what the cluster has.
    """

    def __init__(
        self, config: TaskConfig, login_node: LoginNode, settings: SlurmSettings, site: Site | None = None
    ) -> None:
        self._config = config
        self._login_node = login_node
        self._settings = settings
        self._site = site or Site(login_node, settings)
        self._key = make_key(config.idempotency_key)
        self._is_undone = False

    async def run(self) -> tuple[Submission, str]:
        """Submits the task, and returns what was submitted and the id of the job.

        Makes one call to the login node, or two and an upload if code is sent; the first submission of a context makes
        one more. With an idempotency key, calling it again returns the earlier job. Raises ConfigError, Unsupported,
        CapacityError, NotFound, Conflict, AuthError, ProviderError, Unreachable.
        """
        script = await run_blocking(find_script, self._config.command)
        check_task(self._config, is_script=script is not None)
        code = find_code(self._config)
        facts = await self._site.read()
        steps = RemoteSteps(self._config, self._settings, self._key, has_code=code is not None)
        plan = PlanBuilder(self._config, self._settings, self._key, steps.marks).build(facts, script)
        try:
            answer = await self._carry_out(steps, plan, code)
        except (FlowError, asyncio.CancelledError) as error:
            if not self._is_undone:
                await self._withdraw(steps, error)
            raise
        if answer.word == "earlier":
            return self._read_earlier(answer)
        return steps.locate(plan.submission, answer), answer.split_job()[0]

    async def estimate(self) -> str:
        """Returns what `sbatch --test-only` prints for the task: when it would start, in UTC, and where.

        Leaves nothing behind.
        Makes one call, and one more if it is the first of the context. Raises what `run` raises.
        """
        script = await run_blocking(find_script, self._config.command)
        check_task(self._config, is_script=script is not None)
        facts = await self._site.read()
        steps = RemoteSteps(self._config, self._settings, self._key, has_code=False)
        plan = PlanBuilder(self._config, self._settings, self._key, steps.marks).build(facts, script)
        command, stdin = build_test(plan, self._settings)
        result = await self._login_node.run(command, timeout_s=_SUBMIT_S, stdin=stdin)
        if result.exit_code:
            raise build_refusal(result.stderr, plan.request, self._login_node.title, is_script=plan.is_user_script)
        return result.stderr.decode("utf-8", "replace")

    async def _carry_out(self, steps: RemoteSteps, plan: SubmissionPlan, code: Path | None) -> Answer:
        """Returns the answer "job" or "earlier"; raises the error for any other one."""
        script, stdin = steps.build_first(plan)
        answer = await self._call(steps, plan, script, stdin)
        if answer.word == "ready" and code is not None:
            await send_code(await self._login_node.get_host(), code, RunFolder(answer.rest).code, self._config)
            answer = await self._call(steps, plan, steps.build_second(plan))
        return answer

    async def _call(self, steps: RemoteSteps, plan: SubmissionPlan, script: str, stdin: bytes = b"") -> Answer:
        result = await self._login_node.run(script, timeout_s=_SUBMIT_S, stdin=stdin)
        answer = steps.parse(result.stdout)
        # The script has removed the folder itself, unless it was killed, or waits for the code.
        self._is_undone = answer.word not in ("", "ready", "job", "earlier")
        if answer.word in ("ready", "job", "earlier"):
            return answer
        raise AnswerErrors(self._config, self._settings, self._login_node.title).build(answer, result.stderr, plan)

    def _read_earlier(self, answer: Answer) -> tuple[Submission, str]:
        """Returns the earlier submission with the same key. Raises Conflict if its config was another one."""
        job_id, folder = answer.split_job()
        earlier = parse_submission(answer.submission, folder)
        if earlier is None or earlier.digest != digest_config(self._config):
            raise Conflict(
                f"idempotency_key: {self._config.idempotency_key!r} is that of task {job_id}, which has a different"
                " configuration",
                field="idempotency_key",
            )
        return earlier, job_id

    async def _withdraw(self, steps: RemoteSteps, error: FlowError | asyncio.CancelledError) -> None:
        """Undoes what the login node has done. Raises Unreachable if nobody knows whether there is a job."""
        is_lost = isinstance(error, Unreachable)
        timeout_s = _WITHDRAW_S if isinstance(error, FlowError) else _LEAVE_S
        try:
            async with asyncio.timeout(timeout_s):
                result = await self._login_node.run(steps.build_withdrawal(), timeout_s=timeout_s)
                is_lost = is_lost and result.exit_code != 0
        except (FlowError, TimeoutError):
            pass
        if is_lost:
            raise Unreachable(f"{error}; the task may have been submitted all the same") from error


def describe_submission(config: TaskConfig, settings: SlurmSettings, site: Site | None = None) -> str:
    """Returns the commands that submit the task, with the complete script, as lines for sh.

    Contains no value of `env`. Makes no request: what the cluster has is what `site` remembers. Raises ConfigError,
    CapacityError and Unsupported as the submission does.
    """
    script = find_script(config.command)
    check_task(config, is_script=script is not None)
    key = make_key(config.idempotency_key) if config.idempotency_key is not None else _SHOWN_KEY
    steps = RemoteSteps(config, settings, key, has_code=False)
    plan = PlanBuilder(config, settings, key, steps.marks).build(site.known if site else None, script)
    return describe_plan(plan, settings, key, find_code(config))
