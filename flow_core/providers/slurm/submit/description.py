"""Shows a submission before it is sent, and tests it with sbatch without submitting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import printable
from flow_core.providers.slurm.cluster_path import quote_path
from flow_core.providers.slurm.run_folder import CODE, ENV, RUNS, SCRIPT
from flow_core.providers.slurm.submit.environment import quote
from flow_core.providers.slurm.submit.remote_steps import CLUSTER_OPTION, build_words, get_output_name
from flow_core.providers.slurm.submit.sbatch_options import format_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flow_core.providers.slurm.settings import SlurmSettings
    from flow_core.providers.slurm.submit.plan import SubmissionPlan

_END = "END_OF_SCRIPT"


def describe_plan(plan: SubmissionPlan, settings: SlurmSettings, key: str, code: Path | None = None) -> str:
    """Returns lines for sh that write the script and submit it, without the values of variables.

    `code` is the folder of this machine that is uploaded; None for none.
    """
    return "\n".join(_list_lines(plan, settings, key, code))


def _list_lines(plan: SubmissionPlan, settings: SlurmSettings, key: str, code: Path | None) -> Iterator[str]:
    name = f"script-{plan.tools[0]}.sh" if plan.tools else SCRIPT
    script = plan.files[name].decode("utf-8", "replace")
    end = _END
    while end in script:
        end += "_"
    yield f"run={quote_path(settings.folder)}/{RUNS}/{key}"
    yield f'mkdir -p "$run/{CODE}" && cd "$run/{CODE}"'
    if code is not None:
        yield f'# The files in {printable(repr(str(code)))} of your machine are copied to "$run/{CODE}".'
    if len(plan.tools) > 1:
        yield f"# With {plan.tools[0]}; another of {', '.join(plan.tools)} if the site has that one."
    yield f"cat >\"$run/{SCRIPT}\" <<'{end}'"
    yield script.removesuffix("\n")
    yield end
    if ENV in plan.files:
        names = " ".join(f"{one}=..." for one in plan.submission.config.get("env", {}))
        yield f'# "$run/{ENV}", which only you can read, has the values: export {names}'
    if not plan.is_user_script:
        yield f'output="$run"/{get_output_name(plan)}'
    if settings.cluster is not None:
        yield f"cluster={quote(settings.cluster)}"
    if plan.request.job_ids:
        yield f"dependency={','.join(':'.join([kind, *ids]) for kind, ids in plan.request.job_ids)}"
    if plan.request.starts_at is not None:
        yield f"begin=$(({int(plan.request.starts_at)} - $(date +%s)))"
    words = build_words(plan, key)
    yield f"sbatch {words if settings.cluster is not None else words.removeprefix(CLUSTER_OPTION).lstrip()}"


def build_test(plan: SubmissionPlan, settings: SlurmSettings) -> tuple[str, bytes]:
    """Returns a script that asks sbatch when the task would start, and its stdin. The answer has times in UTC."""
    words = [f"--clusters={quote(settings.cluster)}"] if settings.cluster is not None else []
    options = plan.options if plan.is_user_script else {}
    words += [f"--{name}={quote(value)}" if value else f"--{name}" for name, value in options.items()]
    if plan.is_user_script:
        script = plan.files[SCRIPT]
    else:
        lines = [f"#SBATCH {format_option(name, value)}" for name, value in plan.request.options.items()]
        script = "\n".join(["#!/bin/sh", *lines, ""]).encode()
    return f"unset SLURM_TIME_FORMAT; LC_ALL=C TZ=UTC0 command sbatch --test-only {' '.join(words)}", script
