"""The tools that run images on clusters, as command lines for sh. None of them shows the value of a variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flow_core.errors import ConfigError, printable

TOOLS = ("apptainer", "pyxis", "enroot")
"""The tools, the preferred one first."""

DETECTION = """
has_apptainer() { command -v apptainer >/dev/null || command -v singularity >/dev/null; }
has_pyxis() { command srun --help 2>/dev/null | grep -q -e --container-image; }
has_enroot() { command -v enroot >/dev/null; }
"""
_IN_FOLDER = """'cd -- "$1" && shift && exec "$@"'"""
_APPTAINER = "$(command -v apptainer || command -v singularity)"


@dataclass(frozen=True, slots=True)
class Bind:
    """A path of the cluster in a container. `source` is a word for sh."""

    source: str
    target: str
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What to run in an image. `working_dir` is a path in the image, `variables` are names of variables to pass on."""

    image: str
    working_dir: str
    binds: Sequence[Bind] = ()
    variables: Sequence[str] = ()
    has_gpus: bool = False
    ranks: int = 1


@dataclass(frozen=True, slots=True)
class ImageLaunch:
    """How one tool does it, in words and lines for sh.

    `prepare` runs once on the first node before the ranks; "" if there is nothing to do. `export` runs in each rank
    before the command. `prefix` goes before the command, and `srun` are options of srun, which then starts the ranks in
    the image.
    """

    prepare: str = ""
    export: str = ""
    prefix: str = ""
    srun: str = ""


def build_launch(tool: str, request: ImageRequest) -> ImageLaunch:
    """Returns how one of `TOOLS` runs the image."""
    return _BUILDERS[tool](request)


def check_bind(path: str, field: str) -> None:
    """Checks a path that the tools separate by colons and commas. Raises ConfigError."""
    if re.search(r"[:,\s]", path):
        raise ConfigError(
            f"{field}: {printable(repr(path))} holds a space, a colon or a comma, which no tool for images can mount",
            field=field,
        )


def _build_apptainer(request: ImageRequest) -> ImageLaunch:
    binds = "".join(
        f" --bind {bind.source}:{_quote(bind.target)}{':ro' if bind.is_read_only else ''}" for bind in request.binds
    )
    image = _quote(f"docker://{request.image}")
    gpus = " --nv" if request.has_gpus else ""
    names = " ".join(request.variables)
    return ImageLaunch(
        # Fills the cache of the user once, so that the nodes don't all convert the image.
        prepare=f'"{_APPTAINER}" exec {image} true' if request.ranks > 1 else "",
        # The variables of the image would replace those of the task.
        export=(
            f"for name in {names}; do\n"
            '  eval "[ -z \\"\\${$name+x}\\" ]" || '
            'eval "export APPTAINERENV_$name=\\"\\$$name\\" SINGULARITYENV_$name=\\"\\$$name\\""\n'
            "done"
        ),
        prefix=f'"{_APPTAINER}" exec{gpus} --pwd {_quote(request.working_dir)}{binds} {image}',
    )


def _build_pyxis(request: ImageRequest) -> ImageLaunch:
    binds = [f"{bind.source}:{_quote(bind.target)}{':ro' if bind.is_read_only else ''}" for bind in request.binds]
    mounts = ",".join(['"$run":"$run"', *binds])
    return ImageLaunch(
        srun=(
            f"--container-image={_quote(_build_uri(request.image))} --container-mounts={mounts}"
            f" --container-workdir={_quote(request.working_dir)} --container-env={','.join(request.variables)}"
        ),
    )


def _build_enroot(request: ImageRequest) -> ImageLaunch:
    mounts = "".join(
        f" --mount {bind.source}:{_quote(bind.target)}:none:x-create=auto,rbind{',ro' if bind.is_read_only else ''}"
        for bind in request.binds
    )
    variables = "".join(f" --env {name}" for name in request.variables)
    file = f'"$root"/images/{_quote(re.sub(r"[^A-Za-z0-9._-]", "+", request.image) + ".sqsh")}'
    return ImageLaunch(
        prepare=(
            f"[ -e {file} ] || {{\n"
            '  mkdir -p "$root/images" &&\n'
            f'    enroot import --output "$run/image.sqsh" {_quote("docker://" + _build_uri(request.image))} &&\n'
            f'    mv "$run/image.sqsh" {file}\n'
            "}"
        ),
        prefix=(f"enroot start --rw{mounts}{variables} {file} sh -c {_IN_FOLDER} sh {_quote(request.working_dir)}"),
    )


_BUILDERS: dict[str, Callable[[ImageRequest], ImageLaunch]] = {
    "apptainer": _build_apptainer,
    "pyxis": _build_pyxis,
    "enroot": _build_enroot,
}


def _build_uri(image: str) -> str:
    """Returns an image in the notation of enroot, which separates the registry by #."""
    registry, slash, rest = image.partition("/")
    is_registry = bool(slash) and (any(sign in registry for sign in ".:") or registry == "localhost")
    return f"{registry}#{rest}" if is_registry else image


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
