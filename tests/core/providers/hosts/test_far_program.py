"""The program of the machines, run by each shell that may be sh somewhere, with and without what some systems lack."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from testbed.far_machine import FarMachine, posix_path
from testbed.waiting import DEADLINE_S, wait_until

from flow_core.providers.hosts.program import question

ID = "task_aaaaaaaaa"
SHELLS = {
    "dash": (("dash",), False),
    "bash": (("bash", "--posix"), False),
    "busybox": (("busybox", "sh"), False),
    "dash-bare": (("dash",), True),
    "busybox-bare": (("busybox", "sh"), True),
    "bash-bare": (("bash", "--posix"), True),
}
GPU = "pretend-a100-0"
pytestmark = pytest.mark.needs("linux")


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(words[0])) for name, (words, _) in SHELLS.items()])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarMachine]:
    """A machine with each of the shells in turn."""
    words, is_bare = SHELLS[request.param]
    program = shutil.which(words[0]) or words[0]
    path = posix_path(tmp_path / "bin") if is_bare else None
    machine = FarMachine(tmp_path / "home", (program, *words[1:]), path)
    yield machine
    machine.end_everything()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[FarMachine]:
    made = FarMachine(tmp_path / "home")
    yield made
    made.end_everything()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def until_gone(pid: int) -> None:
    wait_until(lambda: not is_alive(pid))


def test_a_task_runs_and_leaves_its_exit_code_and_every_byte(anywhere: FarMachine) -> None:
    task_id = f"{ID}a"
    anywhere.start("printf 'a\\0b\\377'; echo c >&2; exit 3", task_id)
    told = anywhere.ended(task_id)
    assert (told.word, told.exit_code, told.message) == ("failed", 3, "")
    assert anywhere.log(task_id) == b"a\0b\xffc\n"
    assert told.asked_at <= (told.began_at or 0) <= (told.ended_at or 0)


def test_cancelling_ends_what_will_not_end_and_all_below_it(anywhere: FarMachine) -> None:
    task_id = f"{ID}b"
    anywhere.start("trap '' TERM; sleep 611 & sleep 612 & echo $! $$; wait; wait; sleep 613", task_id)
    anywhere.running(task_id)
    deadline = time.monotonic() + DEADLINE_S
    while not anywhere.log(task_id).endswith(b"\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    anywhere.ask("cancel", task_id, "")
    told = anywhere.ended(task_id)
    assert (told.word, told.exit_code) == ("cancelled", 137)
    for pid in anywhere.log(task_id).split():
        assert not is_alive(int(pid))


def test_a_task_whose_keeper_is_killed_is_lost_once_nothing_of_it_lives(anywhere: FarMachine) -> None:
    task_id = f"{ID}c"
    anywhere.start("echo $$; exec sleep 614", task_id)
    anywhere.running(task_id)
    deadline = time.monotonic() + DEADLINE_S
    while not anywhere.log(task_id).endswith(b"\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    anywhere.kill_keeper(task_id)
    told = anywhere.ended(task_id)
    assert (told.word, told.message) == ("failed", "lost: its keeper was killed")
    assert not is_alive(int(anywhere.log(task_id)))


def test_a_task_that_fails_is_tried_again_with_a_log_for_each_attempt(anywhere: FarMachine) -> None:
    task_id = f"{ID}d"
    anywhere.start('echo try >>tries; cat tries; [ "$(cat tries | tr -d "\\n")" = trytry ]', task_id, delays="0 0")
    told = anywhere.ended(task_id)
    assert (told.word, told.attempt) == ("completed", 1)
    assert (anywhere.log(task_id), anywhere.log(task_id, 1)) == (b"try\n", b"try\ntry\n")


def test_who_waits_for_a_gpu_gets_it_in_order(anywhere: FarMachine) -> None:
    ids = [f"{ID}{letter}" for letter in "efg"]
    for task_id in ids:
        anywhere.start("echo $CUDA_VISIBLE_DEVICES; exec sleep 615", task_id, gpus=[GPU])
    anywhere.running(ids[0])
    assert [anywhere.told(one).word for one in ids] == ["running", "pending", "pending"]
    anywhere.until(ids[2], lambda told: told.message == "waiting for 1 x a100: 1 ahead in the line")
    anywhere.ask("cancel", ids[0], "force")
    anywhere.running(ids[1])
    assert anywhere.told(ids[2]).word == "pending"
    anywhere.ask("cancel", ids[2], "")
    told = anywhere.ended(ids[2])
    assert (told.word, told.began_at) == ("cancelled", None)
    deadline = time.monotonic() + DEADLINE_S
    while anywhere.log(ids[1]) != b"0\n":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_task_ends_when_its_time_is_up(anywhere: FarMachine) -> None:
    task_id = f"{ID}h"
    anywhere.start("exec sleep 616", task_id, limit_s="1", max_hours="0.0003")
    told = anywhere.ended(task_id)
    assert (told.word, told.message) == ("failed", "stopped after 0.0003 h (max_run_time_hours)")


def test_starting_twice_makes_one_task(machine: FarMachine) -> None:
    task_id = f"{ID}i"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: machine.start("echo once; exec sleep 617", task_id), range(4)))
    machine.running(task_id)
    machine.start("echo twice", task_id)
    assert any(not answer.refusal for answer in answers)
    deadline = time.monotonic() + DEADLINE_S
    while machine.log(task_id) != b"once\n":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert sorted(path.name for path in (machine.root / "tasks").iterdir()) == [task_id]
    assert not (machine.task(task_id) / task_id).exists()


def test_many_who_race_for_one_gpu_have_it_one_after_the_other(machine: FarMachine) -> None:
    ids = [f"{ID}{letter}" for letter in "abcdefghijklmnop"]
    # Whoever finds the mark of another has the GPU together with it.
    command = f"mkdir {machine.home}/held || echo together; sleep 0.05; rmdir {machine.home}/held"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda task_id: machine.start(command, task_id, gpus=[GPU]), ids))
    for task_id in ids:
        assert machine.ended(task_id).word == "completed"
        assert machine.log(task_id) == b""


def test_who_waits_behind_one_that_has_just_begun_is_not_taken_for_running(machine: FarMachine) -> None:
    machine.start("exec sleep 625", f"{ID}u", gpus=[GPU])
    machine.running(f"{ID}u")
    deadline = time.monotonic() + DEADLINE_S
    while list((machine.root / "line").glob("1*")):  # it is about to leave it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    submitter = (machine.task(f"{ID}u") / "submitter").read_text()
    (machine.root / "line" / "1000000001").write_text(f"{ID}u 1 {GPU} {submitter}")
    machine.start("true", f"{ID}v", gpus=[GPU])
    told = machine.until(f"{ID}v", lambda told: told.message == "waiting for 1 x a100: 1 ahead in the line")
    assert told.word == "pending"


def test_several_gpus_are_had_together_or_not_at_all(machine: FarMachine) -> None:
    both = [GPU, "pretend-a100-1"]
    machine.start("exec sleep 618", f"{ID}j", gpus=both, count=1)
    machine.running(f"{ID}j")
    machine.start("exec sleep 619", f"{ID}k", gpus=both, count=2)
    machine.until(f"{ID}k", lambda told: told.message == "waiting for 2 x a100: 1 free")
    machine.start("exec sleep 620", f"{ID}l", gpus=both, count=1)
    machine.until(f"{ID}l", lambda told: told.message == "waiting for 1 x a100: 1 ahead in the line")
    machine.ask("cancel", f"{ID}j", "force")
    assert set(machine.running(f"{ID}k").gpus) == set(both)


def test_the_gpu_of_a_task_whose_keeper_was_killed_is_given_on_when_nothing_of_it_lives(machine: FarMachine) -> None:
    machine.start("trap '' TERM; echo $$; while :; do sleep 1; done", f"{ID}m", gpus=[GPU])
    machine.running(f"{ID}m")
    deadline = time.monotonic() + DEADLINE_S
    while not machine.log(f"{ID}m").endswith(b"\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first = int(machine.log(f"{ID}m"))
    machine.start(f"cat /proc/{first}/comm; true", f"{ID}n", gpus=[GPU])
    machine.kill_keeper(f"{ID}m")
    # Nobody looks at the first one: who waits for its GPU sees to it.
    deadline = time.monotonic() + DEADLINE_S
    while not (machine.task(f"{ID}n") / "child").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not is_alive(first)
    machine.ended(f"{ID}n")
    assert machine.told(f"{ID}m").message == "lost: its keeper was killed"


def rewrite(path: Path, number: int, text: str) -> None:
    """Puts another word into a record of identities."""
    words = path.read_text().split()
    words[number] = text
    path.write_text(" ".join(words) + "\n")


def test_after_a_restart_of_the_machine_what_ran_is_lost(machine: FarMachine) -> None:
    machine.start("exec sleep 621", f"{ID}o", gpus=[GPU])
    machine.running(f"{ID}o")
    keeper = machine.keeper(f"{ID}o")
    os.kill(keeper, signal.SIGSTOP)  # it lives on, as the process that has its number after the restart
    try:
        for record in (machine.task(f"{ID}o") / "keeper", machine.task(f"{ID}o") / "child"):
            rewrite(record, 2, "another-boot")
        (lease,) = (machine.root / "gpus" / GPU).glob("1*")
        rewrite(lease, 2, "another-boot")
        assert machine.ended(f"{ID}o").message == "lost: the machine was restarted"
    finally:
        os.kill(keeper, signal.SIGKILL)
    machine.start("true", f"{ID}p", gpus=[GPU])
    assert machine.ended(f"{ID}p").word == "completed"


def test_another_process_with_the_number_of_a_keeper_is_not_taken_for_it(machine: FarMachine) -> None:
    machine.start("exec sleep 622", f"{ID}q")
    machine.running(f"{ID}q")
    machine.kill_keeper(f"{ID}q")
    stranger = subprocess.Popen(["sleep", "623"])
    try:
        rewrite(machine.task(f"{ID}q") / "keeper", 0, str(stranger.pid))
        assert machine.ended(f"{ID}q").message == "lost: its keeper was killed"
        machine.ask("cancel", f"{ID}q", "force")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


CLAIM = """
find_root
: >"$root/claimed/.ready-$$"
while [ ! -e "$root/claimed/.go" ]; do :; done
newest "$root/claimed"
{ [ "$last" = $first ] || ! named "$root/claimed/$last"; } && found=$last && began $$ && last=$found &&
  claim "$root/claimed" "$$ $start $boot" && printf 'L won\\n'
: >"$root/claimed/.done-$$"
while [ ! -e "$root/claimed/.over" ]; do nap 0.05; done
finish_answer
"""


def test_of_all_who_find_a_lease_dead_exactly_one_gets_it(machine: FarMachine) -> None:
    machine.ask("eval", 'find_root; make_root; mkdir -p "$root/claimed"; finish_answer')
    folder = machine.root / "claimed"
    for round_number in range(12):
        max(folder.glob("1*"), default=folder / "1000000001").write_text("999999 1 gone\n")
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(machine.ask, "eval", CLAIM) for _ in range(4)]
            until_there(folder, ".ready-*", 4)
            (folder / ".go").touch()
            until_there(folder, ".done-*", 4)
            (folder / ".over").touch()
            won = [len(one.result().of("L")) for one in asked]
        assert sum(won) == 1, round_number
        for mark in folder.glob(".*"):
            mark.unlink()


def until_there(folder: Path, pattern: str, count: int) -> None:
    wait_until(lambda: len(list(folder.glob(pattern))) >= count)


def leave_a_dead_lease(folder: Path) -> None:
    """Once whoever had it has let go of it."""
    wait_until(lambda: max(folder.glob("1*")).read_text() == "free\n")
    max(folder.glob("1*")).write_text("999999 1 gone task_zzzzzzzzzz\n")


def test_a_lease_left_by_the_dead_is_taken_by_exactly_one(machine: FarMachine) -> None:
    machine.start("true", f"{ID}r", gpus=[GPU])
    machine.ended(f"{ID}r")
    for round_number in range(6):
        leave_a_dead_lease(machine.root / "gpus" / GPU)
        ids = [f"task_{'abcdef'[round_number]}bbbbbbbb{letter}" for letter in "abcd"]
        command = f"mkdir {machine.home}/held || echo together; sleep 0.05; rmdir {machine.home}/held"
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(partial(machine.start, command, gpus=[GPU]), ids))
        for task_id in ids:
            assert machine.ended(task_id).word == "completed"
            assert machine.log(task_id) == b""


def test_values_of_the_environment_are_in_no_process_list_and_readable_for_nobody_else(machine: FarMachine) -> None:
    secret = "hunter2-" + "x" * 5000
    machine.start('echo "${#TOKEN}"; exec sleep 624', f"{ID}s", env={"TOKEN": secret})
    machine.running(f"{ID}s")
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"hunter2" not in line.read_bytes()
        except OSError:
            continue  # it has ended
    script = machine.task(f"{ID}s") / "task.sh"
    assert script.stat().st_mode & 0o777 == 0o600
    for folder in (machine.root, machine.task(f"{ID}s")):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95, 0.999])
def test_a_question_that_was_cut_off_on_its_way_does_nothing(machine: FarMachine, share: float) -> None:
    text = question("make_volume", "vol_aaaaaaaaaa", "cut", "{}")
    ended = subprocess.run(
        ["/bin/sh"],
        input=text[: int(len(text) * share)],
        env={"HOME": str(machine.home), "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.stdout == b""
    assert list(machine.home.iterdir()) == []


def test_a_task_of_ignored_signals_gets_them_back(machine: FarMachine) -> None:
    """A shell starts what runs in the background with interrupts ignored, which a trainer would never be rid of."""
    machine.start("grep SigIgn /proc/self/status", f"{ID}t")
    machine.ended(f"{ID}t")
    ignored = int(machine.log(f"{ID}t").split()[1], 16)
    assert ignored & (1 << signal.SIGINT - 1 | 1 << signal.SIGQUIT - 1) == 0


def test_a_task_makes_files_as_its_user_does(machine: FarMachine) -> None:
    before = os.umask(0o027)
    try:
        machine.start("umask; touch made; ls -l made", f"{ID}w")
    finally:
        os.umask(before)
    machine.ended(f"{ID}w")
    mask, made = machine.log(f"{ID}w").decode().splitlines()
    assert int(mask, 8) == 0o027
    assert made.startswith("-rw-r-----")


def test_records_of_another_version_are_left_alone(machine: FarMachine) -> None:
    machine.start("true", f"{ID}x")
    machine.ended(f"{ID}x")
    (machine.root / "version").write_text("2\n")
    try:
        assert machine.ask("tell", "-", "1").refusal == ("version",)
        assert machine.start("true", f"{ID}y").refusal == ("version",)
    finally:
        (machine.root / "version").write_text("1\n")
    assert not machine.task(f"{ID}y").exists()
