"""Submits a TaskConfig through slurmrestd, or refuses it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from flow_core.errors import Conflict, FlowError, NotFound, Unreachable
from flow_core.models.task import TaskStatus
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.slurm.rest.api_description import LAST_VERSION, ApiDescription
from flow_core.providers.slurm.rest.job_request import DIGEST, RestRequestBuilder, shorten_digest
from flow_core.providers.slurm.rest.json_values import read_number, read_table
from flow_core.providers.slurm.rest.rest_client import AnswerLost
from flow_core.providers.slurm.run_folder import COMMENT_PREFIX, Submission, make_key
from flow_core.providers.slurm.submit.batch_script import find_script
from flow_core.providers.slurm.submit.refusals import build_refusal

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.rest.cluster import RestCluster
    from flow_core.providers.slurm.rest.job_queue import RestJobQueue
    from flow_core.providers.slurm.rest.job_request import JobRequest
    from flow_core.providers.slurm.rest.rest_answer import RestAnswer
    from flow_core.providers.slurm.rest.rest_client import SlurmRestClient
    from flow_core.providers.slurm.settings import SlurmSettings

_RESOURCE = "job/submit"
_SHOWN_KEY = "KEY"
_LEAVE_S = 10.0
"""After a cancellation, the longest time to take the job back."""


class RestSubmission:
    """One submission, from checks that change nothing to the job in the queue."""

    def __init__(
        self,
        config: TaskConfig,
        client: SlurmRestClient,
        queue: RestJobQueue,
        cluster: RestCluster,
        settings: SlurmSettings,
    ) -> None:
        self._config = config
        self._client = client
        self._queue = queue
        self._cluster = cluster
        self._settings = settings
        self._key = make_key(config.idempotency_key)

    async def run(self) -> tuple[Submission, str]:
        """Submits the task, and returns what was submitted and the id of the job.

        Makes one call, one more for each job in `after`, and two for the nodes every ten minutes. With an idempotency
        key, it first looks for the earlier job in the queue. Raises ConfigError, Unsupported, CapacityError, NotFound,
        Conflict, AuthError, ProviderError, Unreachable.
        """
        script = await run_blocking(find_script, self._config.command)
        builder = RestRequestBuilder(self._config, self._settings, self._client.user, self._key)
        builder.check(script)
        request = builder.build(await self._cluster.read_facts(), await self._client.describe(), script)
        if self._config.idempotency_key is not None and (found := await self._find_job()) is not None:
            self._check_same(*found, request.submission)
            return self._queue.get_submission(found[0]) or request.submission, found[0]
        if request.dependencies:
            request = replace(request, job={**request.job, **await self._check_dependencies(request)})
        return request.submission, await self._submit(request)

    async def _submit(self, request: JobRequest) -> str:
        """Returns the id of the new job. If the answer is lost, looks for the job in the queue."""
        try:
            answer = await self._client.post(_RESOURCE, request.body)
            return await self._read_job_id(answer, request)
        except Unreachable as error:
            return await self._recover(error)
        except asyncio.CancelledError:
            await self._withdraw()
            raise

    async def _read_job_id(self, answer: RestAnswer, request: JobRequest) -> str:
        """Returns the id of the new job. Raises the error of an answer without success."""
        body = answer.body or {}
        number = read_number(body.get("job_id")) or read_number(read_table(body.get("result")).get("job_id"))
        if answer.is_good and number:
            return str(number)
        if number:  # some versions submit the job although they could not read a field
            await self._client.delete(f"job/{number}")
        error = self._client.build_error(answer, f"POST {_RESOURCE}")
        if answer.is_refused_login or isinstance(error, Unreachable) or not answer.faults:
            raise error
        text = self._client.describe_refusal(answer)
        raise build_refusal(text.encode(), request.options, self._client.title, is_script=request.is_user_script)

    async def _recover(self, error: Unreachable) -> str:
        try:
            found = await self._find_job()
        except FlowError:
            found = None
            if isinstance(error, AnswerLost):
                raise Unreachable(f"{error}; the task may have been submitted all the same") from error
        if found is None:
            raise error
        return found[0]

    async def _withdraw(self) -> None:
        """Cancels the job if the cancelled call has submitted it."""
        try:
            async with asyncio.timeout(_LEAVE_S):
                if (found := await self._find_job()) is not None:
                    await self._client.delete(f"job/{found[0]}")
        except (FlowError, TimeoutError):
            pass

    async def _find_job(self) -> tuple[str, str] | None:
        """Returns the id of the job with this key, and the rest of its comment."""
        return await self._queue.find_comment(f"{COMMENT_PREFIX}{self._key}")

    def _check_same(self, job_id: str, comment: str, submission: Submission) -> None:
        """Raises Conflict if the earlier task with the same key has a different configuration."""
        digest = comment.partition(" ")[0]
        if DIGEST.fullmatch(digest) and digest != shorten_digest(submission):
            raise Conflict(
                f"idempotency_key: {self._config.idempotency_key!r} is that of task {job_id}, which has a different"
                " configuration",
                field="idempotency_key",
            )

    async def _check_dependencies(self, request: JobRequest) -> dict[str, str]:
        """Returns the field for the jobs that it waits for. Raises NotFound and Conflict.

        slurmctld may take a job that it does not know for one that has succeeded.
        """
        parts: list[str] = []
        for kind, job_ids in request.dependencies:
            kept = [job_id for job_id in job_ids if await self._is_waited_for(kind, job_id)]
            parts += [":".join([kind, *kept])] if kept else []
        return {"dependency": ",".join(parts)} if parts else {}

    async def _is_waited_for(self, kind: str, job_id: str) -> bool:
        """Returns whether slurmctld knows the job. False if it does not, and the job ended as it should have."""
        task_id = job_id.partition("_")[0]
        try:
            await self._client.get(f"job/{task_id}")
            return True
        except NotFound:
            pass
        try:
            record = await self._queue.get(task_id)
        except NotFound:
            raise NotFound(f"after: Slurm knows no task {job_id}, or not any more", field="after") from None
        is_success = record.status is TaskStatus.COMPLETED
        if (kind in ("afterok", "aftercorr") and not is_success) or (kind == "afternotok" and is_success):
            raise Conflict(
                f"after: task {job_id} ended as {record.status.value}, so this one would never start", field="after"
            )
        return False


def describe_submission(
    config: TaskConfig, client: SlurmRestClient, cluster: RestCluster, settings: SlurmSettings
) -> str:
    """Returns the call that submits the task, with the complete script. Makes no request.

    What the cluster has is what was last read. Raises what the submission raises.
    """
    script = find_script(config.command)
    key = make_key(config.idempotency_key) if config.idempotency_key is not None else _SHOWN_KEY
    builder = RestRequestBuilder(config, settings, client.user, key)
    builder.check(script)
    api = client.known_description or ApiDescription(LAST_VERSION)
    request = builder.build(cluster.known_facts, api, script)
    version = "v0.0.*" if client.known_description is None else api.name
    return f"POST {client.url}/slurm/{version}/{_RESOURCE}\n{request.describe()}"
