"""A day on Slurm clusters: the real program in a real terminal, through SSH to the login nodes of real clusters."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from testbed.driving import fill, quit_dashboard, squeezed, status_of, submit, trigger
from testbed.editor import FakeEditor
from testbed.pty_screen import Screen
from testbed.slurm_cluster import GPU_PARTITION, SlurmCluster
from testbed.slurm_space import User
from testbed.slurm_worlds import shared_cluster
from testbed.waiting import wait_until

pytestmark = pytest.mark.needs("slurm", "slurm-accounting", "sshd", "bash")

SCRIPTS = Path(__file__).parents[1] / "testbed" / "slurm_scripts"
SCRIPT = "pretrain.slurm"
POLL_S = 0.5
OpenClusters = Callable[[Mapping[str, SlurmCluster]], Screen]


@pytest.fixture
def lab() -> SlurmCluster:
    """Three nodes with four GPUs each, and accounting."""
    cluster = shared_cluster(accounting=True)
    cluster.renew()
    return cluster


@pytest.fixture
def annex() -> Iterator[SlurmCluster]:
    """Another cluster: one node with two GPUs of another type, and no accounting."""
    cluster = SlurmCluster(nodes=1, gpus=2, gpu_type="h100", name="annex")
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def user(lab: SlurmCluster) -> Iterator[User]:
    user = lab.add_user()
    yield user
    lab.renew()
    lab.remove_user(user)


@pytest.fixture
def other(lab: SlurmCluster) -> Iterator[User]:
    """Another user of the lab."""
    user = lab.add_user()
    yield user
    lab.remove_user(user)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the dashboard is started."""
    folder = tmp_path / "code"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "keep").touch()
    (folder / "train.py").touch()
    shutil.copy(SCRIPTS / SCRIPT, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def editor(tmp_path: Path) -> FakeEditor:
    folder = tmp_path / "editor"
    folder.mkdir()
    return FakeEditor(folder)


@pytest.fixture
def open_clusters(
    open_dashboard: Callable[..., Screen],
    environment: dict[str, str],
    editor: FakeEditor,
    user: User,
    code: Path,
    tmp_path: Path,
) -> OpenClusters:
    """Opens the dashboard over these clusters, by their names. Those other than the lab get a user of their own."""

    def opened(clusters: Mapping[str, SlurmCluster]) -> Screen:
        ssh = Path(environment["HOME"]) / ".ssh"
        ssh.mkdir(mode=0o700)
        for name, cluster in clusters.items():
            name_there = user.name if name == "lab" else cluster.add_user().name
            with (ssh / "config").open("a") as config:
                config.write(cluster.login.config(name=name, user=name_there).read_text())
        contexts = {name: {"provider": "slurm", "host": name, "poll_s": POLL_S} for name in clusters}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"contexts": contexts}))
        chosen = ["--context", *clusters] if len(clusters) == 1 else []
        variables = {"FLOW_CONFIG": str(path), "VISUAL": "", "EDITOR": shlex.quote(str(editor.path))}
        return open_dashboard(*chosen, columns=160, rows=40, **variables)

    return opened


def open_form_on(screen: Screen, gpu: str) -> None:
    """Opens the submit form for the first row with this type in the list of GPUs."""
    trigger(screen, "app.show_instances", "instances.filter")
    screen.settle()
    screen.send("end", "ctrl+u", gpu, "enter", "enter")
    screen.wait_for("New task")


def add_fields(screen: Screen, editor: FakeEditor, **fields: object) -> None:
    """Adds fields that the form does not have, in the user's editor."""
    added = yaml.safe_dump(fields)
    editor.does(f"write(text + {added!r})")
    trigger(screen, "submit.edit")
    screen.wait_for(lambda text: all(name in text for name in fields))


def send_form(screen: Screen, name: str) -> None:
    trigger(screen, "form.send")
    screen.wait_for(lambda text: "New task" not in text and name in text)
    trigger(screen, "app.show_tasks")


def cancel(screen: Screen, name: str) -> None:
    trigger(screen, "tasks.cancel")
    screen.wait_for(lambda text: f"End {name}?" in text and "scancel" in text)
    trigger(screen, "confirm.agree")
    screen.wait_for(status_of(name, "cancelled"))


def test_a_task_on_two_nodes_waits_for_another_user_runs_and_is_cancelled(
    open_clusters: OpenClusters, lab: SlurmCluster, user: User, other: User, editor: FakeEditor
) -> None:
    screen = open_clusters({"lab": lab})
    screen.wait_for("lab●")
    screen.wait_for(re.compile(r"4xa100.* 12 of 12").search)
    whole = ("--nodes=3", "--gpus-per-node=4", "--time=5", "--wrap=sleep 600")
    in_the_way = lab.run("sbatch", "--parsable", "--output=/dev/null", *whole, user=other)
    wait_until(lambda: lab.run("squeue", "--noheader", f"--job={in_the_way}", "--format=%T") == "RUNNING")

    open_form_on(screen, "a100")
    fill(screen, "train", 'echo "rank $RANK of $WORLD_SIZE on $SLURMD_NODENAME"; sleep 600')
    add_fields(screen, editor, num_instances=2)
    send_form(screen, "train")
    screen.wait_for(status_of("train", "pending .*waits for Resources, start about"))
    assert lab.run("squeue", "--noheader", f"--user={user.name}", "--format=%D %b").endswith("gpu:a100:4")
    lab.run("scancel", in_the_way)
    screen.wait_for(status_of("train", "● running"))

    # Slurm may choose any two nodes: one that has just been freed can still be completing a job.
    chosen = lab.run("squeue", "--noheader", f"--user={user.name}", "--format=%N")
    nodes = lab.run("scontrol", "show", "hostnames", chosen).split()
    read_both_logs(screen, nodes)
    use_a_shell_on_the_second_node(screen, nodes)
    cancel(screen, "train")
    assert lab.list_jobs(user) == []
    quit_dashboard(screen)


def read_both_logs(screen: Screen, nodes: list[str]) -> None:
    trigger(screen, "tasks.logs")
    screen.wait_for(f"rank 0 of 2 on {nodes[0]}")
    trigger(screen, "logs.next_log")
    screen.wait_for(f"rank 1 of 2 on {nodes[1]}")
    trigger(screen, "app.show_tasks")


def use_a_shell_on_the_second_node(screen: Screen, nodes: list[str]) -> None:
    trigger(screen, "tasks.shell")
    screen.wait_for(re.compile(rf"(?s)Shell in train.*node 0 +{nodes[0]}.*node 1 +{nodes[1]}").search)
    screen.settle()
    screen.send("down", "enter")
    screen.wait_for("ctrl+] leaves")
    screen.wait_for(re.compile(r"(?m)\$ *┃?$").search)
    screen.settle()
    screen.send("PS1='ready> '; clear", "enter")
    screen.wait_for(lambda text: re.search(r"(?m)^┃ready> ", text) and "PS1" not in text)
    screen.send("echo $SLURMD_NODENAME has $CUDA_VISIBLE_DEVICES of job $SLURM_JOB_ID", "enter")
    screen.wait_for(re.compile(rf"(?m)^┃{nodes[1]} has 0,1,2,3 of job \d").search)
    screen.send("ctrl+d")
    screen.wait_for("enter reopen")
    screen.send("ctrl+]", "esc")
    screen.wait_for("new task")
    trigger(screen, "app.show_tasks")


def test_an_array_is_one_row_and_a_failure_has_its_exit_code(
    open_clusters: OpenClusters, lab: SlurmCluster, user: User, editor: FakeEditor
) -> None:
    screen = open_clusters({"lab": lab})
    screen.wait_for("lab●")
    gate = user.home / "gate"
    work = (
        f"until [ -e {gate} ]; do sleep 0.3; done; echo element $FLOW_ARRAY_INDEX; [ $FLOW_ARRAY_INDEX != 7 ] || exit 4"
    )
    trigger(screen, "app.new_task")
    screen.wait_for("New task")
    fill(screen, "sweep", work)
    add_fields(screen, editor, array="0-29%10")
    send_form(screen, "sweep")
    screen.wait_for(status_of("sweep", "● 0/30 ●●●●◌◌◌◌◌◌ .*10 running, 20 pending: waits for other elements"))
    gate.touch()
    screen.wait_for(status_of("sweep", "✖ 30/30 ✔✔✖✔✔✔✔✔✔✔ .*1 failed, 29 completed: exit 4"))
    trigger(screen, "tasks.detail")
    screen.wait_for("7: exit 4")
    trigger(screen, "tasks.detail")
    screen.wait_for(lambda text: "7: exit 4" not in text)
    trigger(screen, "tasks.logs")
    screen.wait_for(lambda text: "sweep  element 0" in text and re.search(r"(?m)^\W*element 0\b", text))
    trigger(screen, "logs.previous_log")
    screen.wait_for(lambda text: "sweep  element 29" in text and re.search(r"(?m)^\W*element 29\b", text))
    trigger(screen, "app.show_tasks")

    submit(screen, "failing", "echo about to fail; exit 3")
    screen.wait_for(status_of("failing", "✖ failed .*exit 3"))
    quit_dashboard(screen)


def test_a_script_of_the_user_runs_unchanged_and_the_form_shows_what_it_requests(
    open_clusters: OpenClusters, lab: SlurmCluster, user: User
) -> None:
    programs = lab.make_folder(user, "bin")
    shutil.copy(SCRIPTS / "torchrun", programs)
    (user.home / ".bashrc").write_text('PATH="$HOME/bin:$PATH"\n')
    screen = open_clusters({"lab": lab})
    screen.wait_for("lab●")
    trigger(screen, "app.new_task")
    screen.wait_for("New task")
    fill(screen, "", SCRIPT)
    shown = squeezed("this script requests name: pretrain-350m partition: gpu nodes: 2 GPUs: 8 x a100")
    screen.wait_for(lambda text: shown in squeezed(text))
    trigger(screen, "submit.preview")
    screen.wait_for(lambda text: "This would be sent to lab" in text and "#SBATCH --nodes=2" in text)
    screen.send("esc")
    screen.wait_for(lambda text: "This would be sent" not in text)
    send_form(screen, "pretrain-350m")
    screen.wait_for(status_of("pretrain-350m", "✔ completed"))
    trigger(screen, "tasks.logs")
    text = screen.wait_for("finished with 0")
    for node in (0, 1):
        assert re.search(rf"{node}: node {node} of 2 is node\d, GPUs 0,1,2,3, threads 8", text)
        assert f"{node}: torchrun --nnodes=2 --nproc-per-node=4" in text
    runs = user.home / ".local" / "state" / "flow" / "slurm" / "runs"
    (output,) = runs.glob("*/code/logs/pretrain-350m-*.out")
    assert re.search(r"rendezvous at node\d:", output.read_text())
    (sent,) = runs.glob("*/script.sh")
    assert sent.read_bytes() == (SCRIPTS / SCRIPT).read_bytes()
    trigger(screen, "app.show_tasks")
    quit_dashboard(screen)


def test_two_clusters_are_in_one_list_and_a_change_on_one_leaves_the_other(
    open_clusters: OpenClusters, lab: SlurmCluster, annex: SlurmCluster, user: User
) -> None:
    screen = open_clusters({"lab": lab, "annex": annex})
    screen.wait_for(lambda text: "lab●" in text and "annex●" in text)
    screen.wait_for(lambda text: "4xa100" in text and "2xh100" in text)
    for name, gpu in (("on-annex", "h100"), ("on-lab", "a100")):
        open_form_on(screen, gpu)
        fill(screen, name, "sleep 600")
        send_form(screen, name)
    screen.wait_for(lambda text: status_of("on-annex", "running")(text) and status_of("▸ on-lab", "running")(text))
    annex.pause_controller()
    cancel(screen, "on-lab")
    assert lab.list_jobs(user) == []
    annex.resume_controller()
    assert status_of("on-annex", "running")(screen.text())
    assert annex.run("squeue", "--noheader", "--format=%T %P") == f"RUNNING {GPU_PARTITION}"
    quit_dashboard(screen)
