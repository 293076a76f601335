"""Startup scripts, run by bash on a node that is only a folder."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testbed.waiting import DEADLINE_S, wait_until

from flow_core.errors import ConfigError
from flow_core.providers.mithril.exit_status import ExitStatus, parse_node_state
from flow_core.providers.mithril.startup import script as room
from flow_core.providers.mithril.startup.script import (
    LONGEST,
    NodeTask,
    NodeVolume,
    build_startup_script,
    parse_command,
)

pytestmark = pytest.mark.needs("linux")
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60)


class Node:
    """A folder that stands for a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lib = root / "var/lib/flow"
        (root / "etc").mkdir(parents=True)
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")

    def boot(self, text: str, **env: str) -> subprocess.CompletedProcess[str]:
        clean = {"PATH": os.environ["PATH"], "FLOW_NODE_ROOT": str(self.root), **env}
        return subprocess.run(
            ["bash"], input=text, env=clean, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )

    def boot_again(self) -> None:
        """As its service manager does, which knows no startup script."""
        env = {"PATH": os.environ["PATH"], "FLOW_NODE_ROOT": str(self.root)}
        subprocess.Popen(["bash", str(self.lib / "run_task.sh")], env=env, start_new_session=True)

    def runner(self) -> int | None:
        """The process that runs the command."""
        command = ["pgrep", "-of", f"bash {self.lib}/run_task.sh"]
        found = subprocess.run(command, capture_output=True, check=False, text=True).stdout
        return int(found) if found else None

    def stop(self) -> int | None:
        if (runner := self.runner()) is not None:
            os.kill(runner, signal.SIGTERM)
        return runner

    def until_logged(self, text: str) -> None:
        wait_until(lambda: text in self.log())

    def ended(self) -> ExitStatus:
        wait_until((self.lib / "workload-exit").exists)
        written = (self.lib / "workload-exit").read_text(encoding="utf-8")
        started = (self.lib / "started-0").read_text() if self.has_started else ""
        return ExitStatus.of_task([parse_node_state(f"STARTED_AT={started}\n{written}")])

    @property
    def has_started(self) -> bool:
        return (self.lib / "started-0").exists()

    def log(self, attempt: int = 0) -> str:
        return (self.root / f"var/log/flow/attempt-{attempt}.log").read_text(encoding="utf-8")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    one = Node(tmp_path / "node")
    yield one
    one.stop()


def test_the_command_runs_in_its_directory_with_its_environment_and_its_exit_status_is_recorded(node: Node) -> None:
    task = NodeTask(
        "train", 'echo "$WORD $FLOW_TASK_NAME $GPU_COUNT"; pwd; echo wrong >&2; exit 7', env={"WORD": "a 'b'\nc"}
    )
    assert node.boot(build_startup_script(task)).returncode == 0
    end = node.ended()
    assert (end.exit_code, end.attempt, end.reason) == (7, 0, "")
    assert end.started_at is not None
    assert end.ended_at is not None
    assert end.started_at <= end.ended_at
    assert node.log() == f"a 'b'\nc train 0\n{node.root}/workspace\nwrong\n"
    assert (node.root / "var/log/flow/user-workload.log").resolve().name == "attempt-0.log"


def test_a_second_boot_does_not_start_it_again(node: Node) -> None:
    text = build_startup_script(NodeTask("once", "echo ran"))
    node.boot(text)
    node.ended()
    node.boot(text)
    assert node.log() == "ran\n"


def test_a_list_is_run_word_by_word(node: Node) -> None:
    node.boot(build_startup_script(NodeTask("words", ["printf", "%s|", "a b", "$HOME", "'", ""])))
    assert (node.ended().exit_code, node.log()) == (0, "a b|$HOME|'||")


def test_a_failing_command_is_retried_until_it_succeeds(node: Node) -> None:
    task = NodeTask("again", "echo x >>tries; [ $(wc -l <tries) = 3 ]", attempts=5, delay_s=0.05, delay_factor=2.0)
    node.boot(build_startup_script(task))
    end = node.ended()
    assert (end.exit_code, end.attempt) == (0, 2)


def test_a_command_past_its_time_limit_is_ended_with_all_its_processes(node: Node) -> None:
    node.boot(build_startup_script(NodeTask("long", "sleep 1000 & echo $! >child; sleep 1000", limit_s=3)))
    end = node.ended()
    assert (end.exit_code, end.reason) == (143, "timeout")
    child = int((node.root / "workspace/child").read_text())
    wait_until(lambda: not _lives(child))


def test_a_machine_that_stops_ends_the_command_without_an_exit_status_and_its_next_boot_restarts_it(node: Node) -> None:
    command = "trap 'echo told; exit 1' TERM; echo begun; printf part; while :; do sleep 0.05; done"
    node.boot(build_startup_script(NodeTask("steady", command)))
    node.until_logged("part")
    runner = node.stop()
    assert runner is not None
    node.until_logged("told")
    wait_until(lambda: not _lives(runner))
    assert not (node.lib / "workload-exit").exists()
    node.boot_again()
    node.until_logged("told\n[flow] the machine has started again, and the command with it\nbegun\npart")


def test_the_platforms_notice_of_a_machines_end_is_in_the_log(node: Node) -> None:
    notice = node.root / "opt/mithril/MITHRIL_SIGNAL.yml"
    notice.parent.mkdir(parents=True)
    node.boot(build_startup_script(NodeTask("warned", "printf 'no end of line'; while :; do sleep 0.05; done")))
    node.until_logged("no end of line")
    notice.write_text("instance_status: STATUS_PREEMPTING\nbid_status: Preempting\nend_time: 2031-01-01T00:05:00Z\n")
    node.until_logged("line\n[flow] preempting: this machine ends at 2031-01-01T00:05:00Z, and with it")
    notice.unlink()
    node.until_logged("[flow] this machine stays\n")


def test_code_is_unpacked_before_the_command_runs(node: Node) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        about = tarfile.TarInfo("lib/main.sh")
        about.size = 8
        archive.addfile(about, io.BytesIO(b"echo hey"))
    node.boot(build_startup_script(NodeTask("code", "sh lib/main.sh", code=packed.getvalue())))
    assert (node.ended().exit_code, node.log()) == (0, "hey\n")


def test_code_that_does_not_arrive_ends_the_task(node: Node) -> None:
    node.boot(build_startup_script(NodeTask("code", "echo ran", code_wait_s=1)))
    end = node.ended()
    assert (end.exit_code, end.reason) == (125, "the code did not arrive within 1 s")
    assert node.log() == "[flow] the code did not arrive within 1 s\n"


def test_volumes_are_found_by_name_and_by_id(node: Node) -> None:
    (node.root / "mnt/shared").mkdir(parents=True)
    (node.root / "dev/disk/by-id/virtio-AbC123").mkdir(parents=True)
    (node.root / "mnt/shared/one").write_text("1\n")
    (node.root / "dev/disk/by-id/virtio-AbC123/two").write_text("2\n")
    volumes = (
        NodeVolume("File", "vol_x", "shared", "/data"),
        NodeVolume("Block", "vol_AbC123", "fast", "/volumes/fast"),
    )
    command = f"cat {node.root}/data/one {node.root}/volumes/fast/two"
    node.boot(build_startup_script(NodeTask("volumes", command, volumes=volumes)))
    assert (node.ended().exit_code, node.log()) == (0, "1\n2\n")


def test_a_missing_volume_ends_the_task(node: Node) -> None:
    task = NodeTask("volumes", "echo ran", volumes=(NodeVolume("Block", "vol_none", "lost", "/data"),))
    node.boot(build_startup_script(task))
    assert node.ended().reason == "volume lost could not be mounted at /data"
    assert "ran" not in node.log()


@pytest.mark.parametrize(("address", "rank"), [("10.0.0.3", 0), ("10.0.0.2", 1), ("192.168.4.4", 2)])
def test_each_node_knows_its_rank_and_the_head(node: Node, address: str, rank: int) -> None:
    hosts = "127.0.0.1 localhost\n192.168.4.4 c\n10.0.0.2 b\n10.0.0.3 a\n"
    (node.root / "etc/hosts").write_text(hosts, encoding="utf-8")
    task = NodeTask("ranks", 'echo "$RANK $WORLD_SIZE $MASTER_ADDR $FLOW_NODE_RANK $GPU_COUNT"', nodes=3, gpu_count=8)
    node.boot(build_startup_script(task), FLOW_NODE_ADDRESS=address)
    assert (node.ended().exit_code, node.log()) == (0, f"{rank} 3 10.0.0.3 {rank} 8\n")


def test_a_node_that_finds_another_number_of_nodes_says_so(node: Node) -> None:
    (node.root / "etc/hosts").write_text("10.0.0.2 b\n", encoding="utf-8")
    node.boot(build_startup_script(NodeTask("ranks", "echo ran", nodes=2)), FLOW_NODE_ADDRESS="10.0.0.2")
    assert node.ended().reason == "/etc/hosts names 1 nodes, the task has 2"


def test_a_shell_in_the_task_has_its_environment_and_directory(node: Node) -> None:
    node.boot(build_startup_script(NodeTask("enter", "true", env={"SECRET": "s p"})))
    node.ended()
    entered = subprocess.run(
        [node.lib / "enter", "-c", 'echo "$SECRET"; pwd'],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    )
    assert entered.stdout == f"s p\n{node.root}/workspace\n"
    assert (node.lib / "env").stat().st_mode & 0o777 == 0o600
    assert (node.lib / "command").stat().st_mode & 0o777 == 0o600


def test_a_long_script_is_packed_and_still_runs(node: Node) -> None:
    text = build_startup_script(NodeTask("long", "echo short\n" + "# a comment that says nothing much\n" * 200))
    assert len(text) <= LONGEST
    assert text.startswith("#!/bin/bash\n# flow-startup v1\n")
    node.boot(text)
    assert (node.ended().exit_code, node.log()) == (0, "short\n")
    assert parse_command(text).startswith("echo short\n# a comment")


def test_a_damaged_script_runs_nothing(node: Node) -> None:
    text = build_startup_script(NodeTask("long", "echo short\n" + "# a comment that says nothing much\n" * 200))
    assert node.boot(text.replace("\nsum=", "\nsum=0")).returncode != 0
    assert not node.has_started


def test_a_script_too_long_even_when_packed_is_refused_by_field() -> None:
    noise = base64.b64encode(os.urandom(20_000)).decode()
    with pytest.raises(ConfigError) as refused:
        build_startup_script(NodeTask("huge", f"echo {noise}"))
    assert refused.value.field == "command"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(command=TEXT.filter(lambda text: bool(text.strip())), value=TEXT)
def test_any_command_and_any_value_arrive_as_they_are(command: str, value: str) -> None:
    task = NodeTask("any", command, env={"VALUE": value})
    for text in (build_startup_script(task), room._build_unpacking_script(build_startup_script(task))):
        assert len(text) <= LONGEST
        assert parse_command(text) == command.strip().removeprefix("exec ")
        checked = subprocess.run(
            ["bash", "-n"], input=text.encode(), capture_output=True, check=False, timeout=DEADLINE_S
        )
        assert checked.returncode == 0, checked.stderr
        assert text.splitlines()[1] == "# flow-startup v1"


def test_no_foreign_script_has_a_command_of_ours() -> None:
    assert parse_command("#!/bin/bash\nCOMMAND=ZWNobw==\n") == ""
    assert parse_command("") == ""
    assert parse_command("#!/bin/bash\n# flow-startup v1\nCOMMAND=!!!\n") == ""
    assert parse_command("#!/bin/bash\n# flow-startup v1\ndata=AAAA\n") == ""


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
