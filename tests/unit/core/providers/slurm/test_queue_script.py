"""The script of a refresh, and its answer."""

from __future__ import annotations

from testbed.tables import each

from flow_core.providers.slurm.queue.poll_script import PollAnswer, PollRequest, PollScript
from flow_core.providers.slurm.settings import SlurmSettings

KEY = "abcdef012345"
EVERYTHING = PollRequest(
    history_s=3600,
    newer_than=0,
    submissions=(KEY,),
    statuses=(KEY,),
    element_statuses=(KEY,),
    has_limits=True,
    has_nodes=True,
)


def get_token(script: PollScript) -> str:
    """Returns the token that ends the first field of squeue."""
    return script.text.partition("JobId:0")[2].partition(",")[0]


def get_mark(script: PollScript) -> str:
    return script.text.partition("printf '\\n%s\\n' ")[2].partition("user")[0]


def test_a_refresh_asks_only_for_the_queue_unless_more_is_due() -> None:
    text = PollScript(SlurmSettings(), PollRequest()).text
    assert text.count("command squeue") == 1
    assert " --me " in text
    assert not any(word in text for word in ("sacct", "sinfo", "sacctmgr", "cd "))


def test_the_queue_of_everyone_and_of_another_cluster_can_be_asked_for() -> None:
    settings = SlurmSettings(cluster="it's")
    text = PollScript(settings, PollRequest(is_everyone=True, history_s=60, has_nodes=True)).text
    assert " --me" not in text
    assert text.count(r"-M 'it'\''s' ") == 3


def test_each_script_has_tokens_of_its_own() -> None:
    scripts = [PollScript(SlurmSettings(), PollRequest()) for _ in range(50)]
    assert len({get_token(script) for script in scripts} | {get_mark(script) for script in scripts}) == 100


def test_the_parts_of_an_answer_are_told_apart() -> None:
    script = PollScript(SlurmSettings(), EVERYTHING)
    token, mark = get_token(script), get_mark(script)
    sections = {
        "user": "ada\n1001",
        "queue": "records",
        "times": "1700000000 1700000003",
        "history": "ended",
        "limits": "normal|gres/gpu=8|||||\n",
        "nodes": f"node1{token}drained{token}bad \x1b GPU\nsince noon{token}\nnode2{token}down*{token}(null){token}\n",
        "folder": "/home/ada/flow\n",
        "links": "12 /home/ada/flow/runs/abcdef012345\nx /y\n13 relative\n",
        "files": "\n".join(
            (
                'jobs/12/submission.json:{"a": 1}',
                "jobs/12/status:start 0 1",
                "jobs/12/status:end 0 0 0 2",
                "runs/abcdef012345/status-7:start 0 1",
                "runs/../x/status:start 0 1",
                "Binary file (standard input) matches",
            )
        ),
    }
    output = "Welcome!\n" + "".join(f"\n{mark}{name}\n{body}\n" for name, body in sections.items())
    answer = script.parse(output.encode())
    assert (answer.user, answer.uid, answer.queue_s, answer.token) == ("ada", "1001", 3, token)
    assert answer.queue.strip() == "records"
    assert answer.history is not None
    assert answer.history.strip() == "ended"
    assert answer.history_failure == ""
    assert answer.limits == [["normal", "gres/gpu=8", "", "", "", "", ""]]
    assert answer.unusable_nodes == {"node1": ("drained", "bad ␛ GPU␊since noon"), "node2": ("down*", "")}
    assert answer.folder == "/home/ada/flow"
    assert answer.links == {"12": "/home/ada/flow/runs/abcdef012345"}
    assert answer.submissions == {"jobs/12": '{"a": 1}'}
    assert answer.statuses == {
        "jobs/12": {None: ["start 0 1", "end 0 0 0 2"]},
        "runs/abcdef012345": {7: ["start 0 1"]},
    }


def test_a_failure_of_the_accounting_is_no_history() -> None:
    script = PollScript(SlurmSettings(), PollRequest(history_s=60))
    mark = get_mark(script)
    answer = script.parse(f"\n{mark}history\n\n{mark}history-failure\nno database\n".encode())
    assert answer.history is None
    assert answer.history_failure == "no database"


@each("output", [b"", b"\xff\xfe\0", b"Segmentation fault\n", b"x" * 100_000])
def test_any_output_is_an_answer(output: bytes) -> None:
    script = PollScript(SlurmSettings(), EVERYTHING)
    assert script.parse(output) == PollAnswer(token=get_token(script))
