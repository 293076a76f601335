"""What a submission sends to the login node: the files of the task, and the options of sbatch. Makes no request."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flow_core.errors import Unsupported
from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.retries import Retries
from flow_core.providers.contract.request_checks import build_task_name
from flow_core.providers.over_ssh.code_folder import resolve_working_dir
from flow_core.providers.slurm.cluster_path import quote_path
from flow_core.providers.slurm.run_folder import ENTER, ENV, RUNS, SCRIPT, Submission
from flow_core.providers.slurm.submit.batch_script import BatchScript, FoundScript, parse_batch_script
from flow_core.providers.slurm.submit.environment import (
    build_enter_file,
    build_env_file,
    build_variables,
    quote,
    select_common,
)
from flow_core.providers.slurm.submit.images import TOOLS, Bind, ImageLaunch, ImageRequest, build_launch
from flow_core.providers.slurm.submit.request import SbatchRequest, build_overrides, build_request
from flow_core.providers.slurm.submit.script import ScriptRequest, build_script
from flow_core.providers.slurm.submit.supported_fields import find_link

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.settings import SlurmSettings
    from flow_core.providers.slurm.submit.site import SiteFacts

_CODE = '"$run"/code'
_WORKSPACE = "/workspace"
_DEFAULT_NAMES = ("flow-task", "flow-submit")  # of a config, and of `submit`


@dataclass(frozen=True, slots=True)
class WorkingDirectory:
    """Where the command starts: a word for sh, and the path as text with marks for the folder and the home.

    `is_in_code` is whether it is a path in the uploaded code, and `is_in_image` whether it is one in the image.
    """

    word: str
    text: str
    is_in_code: bool
    is_in_image: bool = False


@dataclass(frozen=True, slots=True)
class SubmissionPlan:
    """What to send. `files` are the files of the run folder by name, without submission.json.

    `submission` has marks instead of the paths that only the cluster knows. `options` are those of the command line of
    sbatch, `arguments` those of a user's script. With an image, `tools` are the tools of which the first that the site
    has is used, and there are a script and an enter.sh for each.
    """

    request: SbatchRequest
    submission: Submission
    files: Mapping[str, bytes]
    directory: WorkingDirectory
    options: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    tools: Sequence[str] = ()
    is_user_script: bool = False


class PlanBuilder:
    """Builds the plan of one task. `marks` stand for the run folder and the home in paths, until the cluster knows."""

    def __init__(self, config: TaskConfig, settings: SlurmSettings, key: str, marks: tuple[str, str]) -> None:
        self._config = config
        self._settings = settings
        self._root = quote_path(settings.folder)
        self._run = f"{self._root}/{RUNS}/{key}"
        self._run_mark, self._home_mark = marks
        self._directory = self._find_directory()

    def build(self, facts: SiteFacts | None, script: FoundScript | None) -> SubmissionPlan:
        """Builds the plan. Raises ConfigError, CapacityError and Unsupported that name the field."""
        return self._build_own(facts) if script is None else self._build_from_script(facts, script)

    def _build_own(self, facts: SiteFacts | None) -> SubmissionPlan:
        config = self._config
        name = build_task_name(config)
        request = build_request(config, name, self._settings, facts)
        lines = {**request.options, "open-mode": "append"}
        lines = {option: value for option, value in lines.items() if option != "comment"}
        files = {ENV: os.fsencode(build_env_file(config.env))} if config.env else {}
        tools = self._choose_tools()
        variables = build_variables(config, request.gpu_count)
        for tool in tools or ("",):
            script = self._build_script(lines, variables, tool)
            files[f"script-{tool}.sh" if tool else SCRIPT] = os.fsencode(script)
            files[f"enter-{tool}.sh" if tool else ENTER] = os.fsencode(self._build_enter(variables, tool))
        submission = Submission(
            folder="",
            name=name,
            command=config.command_line,
            config=_hide_values(config),
            ranks=config.num_instances,
            array=config.array or "",
            image=config.image or "",
            submitted_at=time.time(),
            working_dir=self._directory.text,
            digest=digest_config(config),
        )
        return SubmissionPlan(request, submission, files, self._directory, tools=tools)

    def _build_from_script(self, facts: SiteFacts | None, found: FoundScript) -> SubmissionPlan:
        config = self._config
        if config.env and facts is not None and facts.stores_environment:
            raise Unsupported(
                "env: this cluster stores the environment of every job in its accounting; let the script read the"
                " values from a file that only you can read",
                field="env",
            )
        script = parse_batch_script(found.text.decode("utf-8", "replace"), found.options)
        is_named = config.name not in _DEFAULT_NAMES
        name = build_task_name(config) if is_named else script.name or (found.path.name if found.path else "sbatch")
        request = build_overrides(config, name if is_named else None, self._settings, facts, script)
        files = {SCRIPT: found.text, ENTER: os.fsencode(self._build_enter({}, ""))}
        if config.env:
            files[ENV] = os.fsencode(build_env_file(config.env))
        submission = Submission(
            folder="",
            name=name,
            command=found.path.name if found.path else config.command_line,
            config=_hide_values(config),
            ranks=config.num_instances if config.num_instances > 1 else script.nodes or 1,
            array=config.array or script.array,
            is_user_script=True,
            output_path=script.output,
            error_path=script.error,
            submitted_at=time.time(),
            working_dir=self._find_script_directory(script),
            digest=digest_config(config),
        )
        options = {**dict(found.options), **request.options}
        return SubmissionPlan(
            request,
            submission,
            files,
            self._directory,
            options={name: value for name, value in options.items() if name != "comment"},
            arguments=found.arguments,
            is_user_script=True,
        )

    def _build_script(self, options: Mapping[str, str], variables: Mapping[str, str], tool: str) -> str:
        config = self._config
        launch = self._build_launch(tool, variables) if tool else None
        request = ScriptRequest(
            run=self._run,
            root=self._root,
            directory=self._find_start(launch),
            command=config.command,
            options=options,
            variables=variables,
            ranks=config.num_instances,
            is_array=config.array is not None,
            has_env=bool(config.env),
            retries=config.retries or Retries(max_retries=0),
            launch=launch,
        )
        return build_script(request)

    def _build_enter(self, variables: Mapping[str, str], tool: str) -> str:
        """Returns enter.sh. Without the image if srun would have to start it."""
        plain = select_common(variables)
        launch = self._build_launch(tool, plain) if tool else ImageLaunch()
        outside = _CODE if self._directory.is_in_image else self._directory.word
        return build_enter_file(self._run, self._root, outside, plain, launch.prefix, launch.export)

    def _find_start(self, launch: ImageLaunch | None) -> str:
        """Returns where the script changes to before it starts the command, or the tool that runs the image.

        With srun's own containers, it is in the image already, and where it belongs.
        """
        if launch is None:
            return self._directory.word
        return "." if launch.srun else _CODE

    def _choose_tools(self) -> tuple[str, ...]:
        if self._config.image is None:
            return ()
        chosen = self._settings.container
        if chosen == "none":
            raise Unsupported("image: this context runs no images (container: none)", field="image")
        return TOOLS if chosen is None else (chosen,)

    def _build_launch(self, tool: str, variables: Mapping[str, str]) -> ImageLaunch:
        config = self._config
        binds = [
            Bind(quote_path(mount.source), mount.target, is_read_only=mount.options.get("read_only", True) is not False)
            for mount in config.data_mounts
        ]
        if all(bind.target != _WORKSPACE for bind in binds):
            binds = [Bind(_CODE, _WORKSPACE), *binds]
        names = list(dict.fromkeys([*variables, *config.env]))
        return build_launch(
            tool,
            ImageRequest(
                image=str(config.image),
                working_dir=config.working_dir or _WORKSPACE,
                binds=binds,
                variables=names,
                has_gpus=config.min_gpu_memory_gb is not None
                or any(parse_gpu(one).needs_gpu for one in config.instance_types),
                ranks=config.num_instances,
            ),
        )

    def _find_directory(self) -> WorkingDirectory:
        config = self._config
        if config.image is not None:
            path = config.working_dir or _WORKSPACE
            return WorkingDirectory(quote(path), path, is_in_code=False, is_in_image=True)
        path = resolve_working_dir(config)
        if path.startswith(("/", "~")):
            home = path == "~" or path.startswith("~/")
            text = f"{self._home_mark}{path[1:]}" if home else path
            return WorkingDirectory(quote_path(path), text, is_in_code=False)
        code = f"{self._run_mark}/code"
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts:
            return WorkingDirectory(_CODE, code, is_in_code=True)
        relative = "/".join(parts)
        return WorkingDirectory(f"{_CODE}/{quote(relative)}", f"{code}/{relative}", is_in_code=True)

    def _find_script_directory(self, script: BatchScript) -> str:
        """Returns the directory of a user's script: of the task, else that of its own --chdir."""
        own = script.options.get("chdir", "")
        if self._config.working_dir is not None or not own:
            return self._directory.text
        return own if own.startswith("/") else f"{self._run_mark}/code/{own}"


def digest_config(config: TaskConfig) -> str:
    """Returns a digest of the whole config, with the values of `env`. It is stored where only the user can read it."""
    text = json.dumps(config.to_dict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def list_links(config: TaskConfig) -> list[tuple[str, str]]:
    """Returns the links of the code to paths of the cluster, which replace mounts: source as a word for sh, path."""
    if config.image is not None:
        return []
    links = [(mount.source, find_link(mount)) for mount in config.data_mounts]
    return [(quote_path(source), link) for source, link in links if link is not None]


def _hide_values(config: TaskConfig) -> dict[str, object]:
    fields = config.to_dict()
    return {**fields, "env": dict.fromkeys(config.env, "")} if config.env else fields
