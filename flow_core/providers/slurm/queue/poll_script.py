"""The one script that a refresh runs on the login node, and its answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from flow_core.providers.slurm.cluster_path import quote_path
from flow_core.providers.slurm.queue import sacct, squeue
from flow_core.providers.slurm.queue.limits import QOS_FIELDS
from flow_core.providers.slurm.queue.records import make_token, split_records, split_sections
from flow_core.providers.slurm.queue.values import clean_label, parse_number
from flow_core.providers.slurm.run_folder import ENV, RUNS
from flow_core.providers.slurm.settings import SlurmSettings
from flow_core.ssh.quoting import quote_word

_HISTORY_LINES = 40_000
_NEW_RUNS_MAX = 1000
_HISTORY_WAIT_S = 15
HISTORY_TIMEOUT = f"did not answer within {_HISTORY_WAIT_S} s"
# Prints to descriptor 3, and errors to stdout. The second process ends the first one, unless it is ended before.
_LIMITED = """{{
{call} & child=$!
(trap 'kill $!; exit' TERM; sleep {seconds} & wait; kill $child) >/dev/null 2>&1 3>&- & guard=$!
wait $child; code=$?; kill $guard
[ $code -lt 128 ] || echo "sacct %s" >&2
(exit $code); }} 2>&1 >&3 3>&-""".replace("%s", HISTORY_TIMEOUT)
_FILE = re.compile(r"(jobs/\d{1,20}|runs/[0-9a-f]{12,24})/(submission\.json|status(?:-(\d{1,9}))?):(.*)")
_LINK = re.compile(r"(\d{1,20}) (/.*)")


@dataclass(frozen=True, slots=True)
class PollRequest:
    """What to ask besides the queue.

    `history_s` is the length of the history in seconds, None for none. `newer_than` is the highest job id of flow that
    is known, None to leave new ones out. `submissions` and `statuses` are KEYs of runs to read, `element_statuses`
    those of arrays. `removals` are KEYs of runs that have ended, whose variables to remove.
    """

    is_everyone: bool = False
    history_s: int | None = None
    newer_than: int | None = None
    submissions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    element_statuses: tuple[str, ...] = ()
    removals: tuple[str, ...] = ()
    has_limits: bool = False
    has_nodes: bool = False


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """The answer, in which only the queue and the history are still text: their decoders keep what did not change.

    `queue_s` is the duration of squeue in whole seconds, which may be one too many.
    `folder` is the absolute path of flow's folder on the cluster, "" if there is none. `links` are the run folders by
    job id. The keys of `submissions` and `statuses` are "jobs/JOBID" or "runs/KEY". `history` is None if it was not
    asked or failed; then `history_failure` is what sacct printed. `limits` are rows of QOS_FIELDS. `unusable_nodes` are
    the states and reasons of nodes that take no jobs, by name.
    """

    user: str = ""
    uid: str = ""
    queue_s: int = 0
    token: str = ""
    queue: str = ""
    history: str | None = None
    history_failure: str = ""
    folder: str = ""
    links: dict[str, str] = field(default_factory=dict)
    submissions: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, dict[int | None, list[str]]] = field(default_factory=dict)
    limits: list[list[str]] | None = None
    unusable_nodes: dict[str, tuple[str, str]] | None = None


class PollScript:
    """One script with its random tokens. Its text is for sh on the login node, and prints the answer."""

    def __init__(self, settings: SlurmSettings, request: PollRequest) -> None:
        self._token, self._mark = make_token(), make_token()
        self._settings = settings
        self._request = request

    @property
    def text(self) -> str:
        """The script. It ends with the exit code of squeue if that fails, and with 0 otherwise."""
        return "\n".join(self._build_parts()) + "\n"

    def parse(self, output: bytes) -> PollAnswer:
        """Parses what the script printed."""
        sections = split_sections(output.decode("utf-8", "replace"), self._mark)
        user, _, uid = sections.get("user", "").strip().partition("\n")
        failure = sections.get("history-failure", "").strip()
        submissions, statuses = _parse_files(sections.get("files", ""))
        return PollAnswer(
            user=user.strip(),
            uid=uid.strip(),
            queue_s=_subtract(sections.get("times", "").split()),
            token=self._token,
            queue=sections.get("queue", ""),
            history=None if failure else sections.get("history"),
            history_failure=failure,
            folder=sections.get("folder", "").strip("\n"),
            links={link[1]: link[2] for line in _lines(sections, "links") if (link := _LINK.fullmatch(line))},
            submissions=submissions,
            statuses=statuses,
            limits=[line.split("|") for line in _lines(sections, "limits")] if "limits" in sections else None,
            unusable_nodes=self._parse_nodes(sections["nodes"]) if "nodes" in sections else None,
        )

    def _build_parts(self) -> Iterator[str]:
        request = self._request
        yield f"{self._begin('user')}; id -un; id -u"
        yield f"{self._begin('queue')}; began=$(date +%s); {self._build_squeue()} || exit $?"
        yield f"{self._begin('times')}; echo $began $(date +%s)"
        if request.history_s is not None:
            yield f"{self._begin('history')}\n{self._build_sacct(request.history_s)}"
        if request.has_limits:
            fields = ",".join(QOS_FIELDS)
            yield f"{self._begin('limits')}; command sacctmgr -n -P show qos format={fields} 2>/dev/null"
        if request.has_nodes:
            yield f"{self._begin('nodes')}; {self._build_sinfo()}"
        yield from self._build_folder_parts()
        yield "exit 0"

    def _begin(self, name: str) -> str:
        return f"printf '\\n%s\\n' {self._mark}{name}"

    def _build_squeue(self) -> str:
        """Without -r, Slurm prints one line for all elements of an array that wait: -r prints thousands of the same."""
        users = "" if self._request.is_everyone else " --me"
        form = quote_word(squeue.build_format(self._token))
        return f"SQUEUE_ARRAY_UNIQUE=1 SLURM_BITSTR_LEN=0 command squeue -h -a -t all{users}{self._cluster} -O {form}"

    def _build_sacct(self, history_s: int) -> str:
        """The last lines are those of the newest jobs. A failure of sacct, with what it printed, is a section.

        A slurmdbd that hangs must not take the queue with it, so sacct is ended after some seconds.
        """
        options = f"-X -n -p --delimiter={self._token} -S now-{history_s} -E now -s {sacct.ENDED_STATES}"
        call = f"command sacct{self._cluster} {options} -o {','.join(sacct.FIELDS)}"
        limited = _LIMITED.format(call=call, seconds=_HISTORY_WAIT_S)
        failure = f'{self._begin("history-failure")}; printf "%s" "$failure"'
        return f"{{ {{ failure=$({limited}) || {{ {failure}; }}; }} 3>&1; }} | tail -n {_HISTORY_LINES}"

    def _build_sinfo(self) -> str:
        form = quote_word(f"%N{self._token}%T{self._token}%E{self._token}")
        return f"command sinfo -h -N{self._cluster} -t drain,down,fail -o {form} 2>/dev/null"

    @property
    def _cluster(self) -> str:
        return "" if self._settings.cluster is None else f" -M {quote_word(self._settings.cluster)}"

    def _build_folder_parts(self) -> Iterator[str]:
        """Reads the files of runs with one grep: each line of its output begins with the name of the file."""
        request = self._request
        reads = (request.newer_than is not None, request.submissions, request.statuses, request.element_statuses)
        if not any(reads) and not request.removals:
            return
        yield f"unset CDPATH; set --; cd {quote_path(self._settings.folder)} 2>/dev/null || exit 0"
        if request.removals:
            yield f"rm -f {' '.join(f'{RUNS}/{key}/{ENV}' for key in request.removals)}"
        yield f"{self._begin('folder')}; pwd -P"
        if request.newer_than is not None:
            yield self._begin("links")
            yield f"for id in $(ls jobs 2>/dev/null | sort -n | tail -n {_NEW_RUNS_MAX}); do"
            yield f'[ "$id" -gt {request.newer_than} ] 2>/dev/null || continue'
            yield 'set -- "$@" "jobs/$id/submission.json" "jobs/$id/status"'
            yield '(cd -P "jobs/$id" 2>/dev/null && printf "%s " "$id" && pwd -P); done'
        named = [f"{RUNS}/{key}/submission.json" for key in request.submissions]
        named += [f"{RUNS}/{key}/status" for key in request.statuses]
        yield f'set -- "$@" {" ".join(named)}'
        yield f"{self._begin('files')}; grep -s '' /dev/null \"$@\""
        for key in request.element_statuses:
            yield f"grep -s '' /dev/null {RUNS}/{key}/status-*"

    def _parse_nodes(self, text: str) -> dict[str, tuple[str, str]]:
        rows = split_records(text, self._token, 3)
        return {clean_label(name): (clean_label(state), clean_label(reason)) for name, state, reason in rows}


def _subtract(times: list[str]) -> int:
    began, ended = [parse_number(text) or 0 for text in times] if len(times) == 2 else (0, 0)
    return max(ended - began, 0)


def _lines(sections: dict[str, str], name: str) -> Iterator[str]:
    return (line for line in sections.get(name, "").split("\n") if line)


def _parse_files(text: str) -> tuple[dict[str, str], dict[str, dict[int | None, list[str]]]]:
    """Returns the submissions, and the lines of the status files by index, of each run."""
    submissions: dict[str, str] = {}
    statuses: dict[str, dict[int | None, list[str]]] = {}
    for run, name, index, line in _match_all(text.split("\n")):
        if name == "submission.json":
            submissions[run] = line
        else:
            statuses.setdefault(run, {}).setdefault(None if index is None else int(index), []).append(line)
    return submissions, statuses


def _match_all(lines: Iterable[str]) -> Iterator[tuple[str, str, str | None, str]]:
    for line in lines:
        if found := _FILE.fullmatch(line):
            yield found[1], found[2], found[3], found[4]
