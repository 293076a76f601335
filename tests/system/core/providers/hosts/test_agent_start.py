"""The start of the agent on a host: which Python runs it, and from which folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from testbed.agent_start import BareMachine, is_alive
from testbed.pythons import pythons
from testbed.waiting import DEADLINE_S, wait_until

from flow_core.agent.agent_start_exit import OLD_PYTHON, SYSTEM_ERROR, UNSAFE
from flow_core.agent.protocol import VERSION
from flow_core.providers.hosts.bootstrap_payload import NO_PYTHON, NOT_THIS_PYTHON, build_archive, build_loader_input

SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in SHELLS])
def untouched_anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> BareMachine:
    """A machine without a copy of the agent, with one of several shells."""
    return BareMachine(tmp_path / "far", SHELLS[request.param])


@pytest.fixture
def anywhere(untouched_anywhere: BareMachine) -> BareMachine:
    """As above, with a copy of the agent; no machine has a Python yet."""
    return untouched_anywhere.keep_copy()


@pytest.fixture
def untouched(tmp_path: Path) -> BareMachine:
    return BareMachine(tmp_path / "far")


@pytest.fixture
def machine(untouched: BareMachine) -> BareMachine:
    return untouched.keep_copy()


@pytest.fixture
def ready(machine: BareMachine) -> BareMachine:
    """A machine with a copy of the agent and a Python."""
    machine.add(machine.bin / "python3")
    return machine


def test_every_sh_starts_the_agent_which_ends_with_its_input(untouched_anywhere: BareMachine) -> None:
    machine = untouched_anywhere
    machine.add(machine.bin / "python3")
    first = machine.start(sent=build_archive().data)
    assert (first.code, first.requests_archive, first.stderr) == (0, True, "")
    assert first.greeting["protocol"] == VERSION
    assert first.greeting["agent"] == build_archive().name
    again = machine.start()
    assert (again.code, again.requests_archive, again.stderr) == (0, False, "")
    assert again.greeting["root"] == str(machine.programs.parent)


@pytest.mark.parametrize(
    "place",
    [
        *("home/miniconda3/bin/python3", "home/.pyenv/versions/3.12.1/bin/python3", "home/.local/bin/python3.11"),
        *("home/.local/share/uv/python/cpython-3.11/bin/python3", "system/opt/conda/bin/python3"),
        *("system/opt/python/3.9/bin/python3", "system/usr/local/bin/python3.10", "bin/python3.9", "bin/python"),
    ],
)
def test_a_python_is_found_in_the_usual_places_of_gpu_machines(machine: BareMachine, place: str) -> None:
    found = machine.add(machine.home.parent / place)
    assert machine.start().code == 0
    assert machine.tried() == [str(found)]


def test_a_python_that_is_too_old_or_hangs_is_skipped(anywhere: BareMachine, tmp_path: Path) -> None:
    stuck = tmp_path / "stuck"
    old = anywhere.add(anywhere.bin / "python3", "exit 1")
    slow = anywhere.add(anywhere.bin / "python3.12", f"echo $$ >{stuck}; exec sleep 617")
    good = anywhere.add(anywhere.home / "venv/bin/python3")
    start = anywhere.start()
    assert (start.code, start.stderr) == (0, "")
    assert anywhere.tried() == [str(old), str(slow), str(good)]
    wait_until(lambda: not is_alive(int(stuck.read_text())))


def test_without_a_python_the_start_fails_with_its_own_exit_code(anywhere: BareMachine) -> None:
    assert anywhere.start().code == NO_PYTHON
    anywhere.add(anywhere.bin / "python3", "exit 1")
    (anywhere.bin / "python").mkdir()
    assert (anywhere.start().code, anywhere.start().stderr) == (NO_PYTHON, "")


def test_only_the_python_of_the_settings_is_tried(anywhere: BareMachine) -> None:
    anywhere.add(anywhere.bin / "python3")
    mine = anywhere.add(anywhere.home / "my env/bin/python")
    named = anywhere.add(anywhere.bin / "mine")
    assert anywhere.start("~/my env/bin/python").code == 0
    assert anywhere.start("mine").code == 0
    assert anywhere.tried() == [str(mine), str(named)]
    for none in ("~/no/python", "nothing-like-it", str(anywhere.home)):
        assert anywhere.start(none).code == NOT_THIS_PYTHON


def test_the_stub_of_a_mac_is_never_run(machine: BareMachine) -> None:
    machine.be("Darwin")
    stub = machine.add(machine.system / "usr/bin/python3")
    machine.env["PATH"] = f"{stub.parent}:{machine.bin}"
    assert machine.start().code == NO_PYTHON
    assert machine.start(str(stub)).code == NOT_THIS_PYTHON
    assert machine.tried() == []
    brewed = machine.add(machine.system / "opt/homebrew/bin/python3")
    assert machine.start().code == 0
    assert machine.tried() == [str(brewed)]


def test_the_python_that_was_found_before_is_used_until_it_is_gone(machine: BareMachine) -> None:
    first = machine.add(machine.bin / "python3")
    known = machine.add(machine.home / "elsewhere/python3")
    assert machine.start(known=str(known)).code == 0
    assert machine.tried() == [str(known)]
    known.unlink()
    assert machine.start(known=str(known)).code == 0
    assert machine.tried() == [str(known), str(first)]


@pytest.mark.needs("pythons")
@pytest.mark.parametrize("version", [one for one in ((2, 7), (3, 6), (3, 7)) if one in pythons()])
def test_a_known_python_that_is_too_old_is_refused_by_the_loader(
    untouched: BareMachine, version: tuple[int, int]
) -> None:
    start = untouched.start(known=str(untouched.add(untouched.bin / "old", python=pythons()[version])))
    if version > (3,):  # an older one doesn't even know the options
        assert (start.code, start.stderr.split(" is ")[1][:10]) == (OLD_PYTHON, f"Python {version[0]}.{version[1]}")
    assert start.code != 0
    assert not untouched.state.exists()


def test_an_archive_that_was_changed_or_cut_leaves_nothing(untouched: BareMachine) -> None:
    untouched.add(untouched.bin / "python3")
    data = build_archive().data
    changed = untouched.start(sent=bytes([*data[:-1], data[-1] ^ 1]))
    assert (changed.code, changed.greeting) == (SYSTEM_ERROR, {})
    assert changed.stderr == "the program for this machine was changed on its way"
    cut = untouched.start(sent=data[:-1])
    assert (cut.code, cut.stderr) == (SYSTEM_ERROR, "the program for this machine came only in part")
    assert not untouched.state.exists()
    assert untouched.start(sent=data).code == 0


def test_clients_that_connect_first_at_the_same_time_all_start_and_make_one_copy(untouched: BareMachine) -> None:
    untouched.add(untouched.bin / "python3")
    started = [untouched.open() for _ in range(3)]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(build_loader_input())
        process.stdin.flush()
    for process in started:  # all request the archive before one receives it
        assert process.stdout is not None
        assert process.stdout.readline() == b"archive\n"
    for process in started:
        process.stdin.write(build_archive().data)  # type: ignore[union-attr]
        process.stdin.close()  # type: ignore[union-attr]
    assert [process.wait(DEADLINE_S) for process in started] == [0, 0, 0]
    assert [path.name for path in untouched.programs.iterdir()] == [build_archive().name]
    for process in started:
        for stream in (process.stdout, process.stderr):
            stream.close()  # type: ignore[union-attr]


@pytest.mark.parametrize("spoil", ["empty file", "no sizes", "no folder"])
def test_an_incomplete_copy_is_made_again(ready: BareMachine, spoil: str) -> None:
    home = ready.programs / build_archive().name
    if spoil == "empty file":
        replace(home / "flow_core/agent/serve.py", "")
    elif spoil == "no sizes":
        replace(home / "sizes.json", "[")
    else:
        shutil.rmtree(home / "flow_core/agent/capacity")
    start = ready.start(sent=build_archive().data)
    assert (start.code, start.requests_archive) == (0, True)
    assert ready.start().greeting["agent"] == build_archive().name
    assert [path.name for path in ready.programs.iterdir()] == [build_archive().name]


INSIDE = ["", "bin", f"bin/{build_archive().name}", f"bin/{build_archive().name}/flow_core/agent/capacity"]
INSIDE += [f"bin/{build_archive().name}/flow_core/agent/__pycache__", "contexts"]


@pytest.mark.parametrize("inside", INSIDE)
def test_no_code_is_run_from_a_folder_that_others_can_write_to(ready: BareMachine, inside: str) -> None:
    folder = ready.programs.parent / inside
    folder.mkdir(exist_ok=True)
    plant = ready.programs / build_archive().name / "flow_core/agent/serve.py"
    ran = ready.home / "ran"
    size = plant.stat().st_size
    replace(plant, f"open({str(ran)!r}, 'w')\n".ljust(size, "#"))
    folder.chmod(0o777)
    start = ready.start()
    assert (start.code, start.greeting) == (UNSAFE, {})
    assert start.stderr.startswith(f"others can write to {str(folder)!r}; ")
    assert not ran.exists()


@pytest.mark.needs("root")
@pytest.mark.parametrize("inside", ["", "bin", f"bin/{build_archive().name}"])
def test_no_code_is_run_from_a_folder_of_another_user(ready: BareMachine, inside: str) -> None:
    folder = ready.programs.parent / inside
    os.chown(folder, 12345, 12345)
    start = ready.start()
    assert (start.code, start.greeting) == (UNSAFE, {})
    assert start.stderr.startswith(f"{str(folder)!r} belongs to user 12345, not to you; ")


def test_the_error_names_a_folder_that_can_not_be_created(untouched: BareMachine) -> None:
    untouched.add(untouched.bin / "python3")
    (untouched.home / ".local").write_text("no folder")
    start = untouched.start(sent=build_archive().data)
    assert start.code == SYSTEM_ERROR
    assert str(untouched.home / ".local") in start.stderr


def test_invalid_frames_end_the_agent_with_a_sentence(ready: BareMachine) -> None:
    start = ready.start(sent=b"\xff" * 9)
    assert (start.code, start.stderr) == (1, "what the client sent can't be read: a frame is too long")
    start = ready.start(sent=(2).to_bytes(4, "big") + b"{}")
    assert (start.code, start.stderr) == (1, "what the client sent can't be read: a frame holds no message")


@pytest.mark.needs("linux")
def test_processes_of_the_agent_can_not_read_its_requests(ready: BareMachine) -> None:
    with ready.open() as process:
        process.stdin.write(build_loader_input())  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        assert process.stdout.readline() == b"ready\n"  # type: ignore[union-attr]
        wait_until(lambda: os.path.realpath(f"/proc/{process.pid}/fd/0") == "/dev/null")
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(DEADLINE_S) == 0


def replace(path: Path, text: str) -> None:
    """Replaces a file of a copy; the file itself belongs to other copies too."""
    path.unlink()
    path.write_text(text)
