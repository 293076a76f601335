"""Machines on a system without namespaces: only a script that keeps below its root runs."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex

import pytest
from testbed.node_lab import MachineLab, processes_with, volume
from testbed.waiting import until

pytestmark = pytest.mark.needs("ssh", "ssh-keygen")
OURS = "# flow-startup v1\nR=$FLOW_NODE_ROOT\n"


async def test_our_own_script_runs_below_its_root(shared: MachineLab) -> None:
    script = f"{OURS}echo hello; echo $HOME; printf 'EXIT_CODE=0\\n' > $R/var/lib/flow/workload-exit"
    port = await shared.machines.boot(shared.spec(script))
    assert await shared.until(port, "cat $FLOW_NODE_ROOT/var/lib/flow/workload-exit") == "EXIT_CODE=0\n"
    log = (await shared.ssh(port, "cat $FLOW_NODE_ROOT/var/log/foundry/startup_script.log")).out.split()
    root = (await shared.ssh(port, "echo $FLOW_NODE_ROOT")).out.strip()
    assert log == ["hello", f"{root}/root"]
    assert Path(root).is_relative_to(shared.folder)


@pytest.mark.parametrize(
    "script", ["touch {mark}", "\n# flow-startup v1\ntouch {mark}", "# flow-startup v12\ntouch {mark}"]
)
async def test_a_foreign_script_is_refused_with_a_sentence(shared: MachineLab, script: str) -> None:
    mark = shared.folder / "mark"
    port = await shared.machines.boot(shared.spec(script.format(mark=mark)))
    log = (await shared.ssh(port, "cat $FLOW_NODE_ROOT/var/log/foundry/startup_script.log")).out
    assert log.startswith("This machine did not run its startup script: ")
    assert "FLOW_EMULATOR_NO_NAMESPACE" in log
    assert not mark.exists()


async def test_a_command_that_names_a_path_of_the_host_is_refused(shared: MachineLab) -> None:
    mark = shared.folder / "mark"
    port = await shared.machines.boot(shared.spec())
    refused = await shared.ssh(port, f"touch {mark}")
    assert refused.code == 255
    assert "FLOW_NODE_ROOT" in refused.err
    assert not mark.exists()
    assert (await shared.ssh(port, "echo SSH_OK 2>/dev/null")).out == "SSH_OK\n"


async def test_files_are_copied_below_the_root(shared: MachineLab) -> None:
    port = await shared.machines.boot(shared.spec())
    (shared.folder / "up").write_text("text")
    sftp = [*shared.client("sftp"), "-P", str(port), "-b", "-", "ubuntu@127.0.0.1"]
    steps = f"""\
pwd
put {shared.folder}/up /workspace/file
put {shared.folder}/up file
put {shared.folder}/up ../../../../../../../../../workspace/other
get /workspace/other {shared.folder}/down
"""
    done = await shared.run(*sftp, typed=steps)
    assert (done.code, done.err) == (0, "")
    assert "Remote working directory: /home/ubuntu\n" in done.out
    found = await shared.ssh(port, "cd $FLOW_NODE_ROOT; ls workspace home/ubuntu")
    assert found.out.split() == ["home/ubuntu:", "file", "workspace:", "file", "other"]
    assert (shared.folder / "down").read_text() == "text"


async def test_volumes_are_links(shared: MachineLab) -> None:
    file, block = volume("shared-data", "File", "vol_f"), volume("scratch", "Block", "vol_b")
    script = f"{OURS}echo 1 > $R/mnt/shared-data/one; echo 2 > $R/dev/disk/by-id/virtio-vol_b/two; touch $R/run/done"
    port = await shared.machines.boot(shared.spec(script, volumes=(file, block)))
    await shared.until(port, "test -e $FLOW_NODE_ROOT/var/run/done")
    await shared.machines.halt("inst_one", keeps_disk=True)
    port = await shared.machines.boot(shared.spec(script, volumes=(block,)))
    seen = await shared.ssh(port, "cd $FLOW_NODE_ROOT; ls mnt; cat dev/disk/by-id/virtio-vol_b/two")
    assert seen.out.split() == ["local", "2"]
    await shared.machines.halt("inst_one", keeps_disk=False)
    port = await shared.machines.boot(shared.spec(fid="inst_two", volumes=(file,)))
    assert (await shared.ssh(port, "cat $FLOW_NODE_ROOT/mnt/shared-data/one")).out == "1\n"


@pytest.mark.needs("root", "namespaces")
async def test_mounts_of_a_script_are_visible_on_its_machine_only(shared: MachineLab) -> None:
    bind = "mkdir -p $R/data; mount --bind $R/dev/disk/by-id/virtio-vol_b $R/data; touch $R/data/file $R/run/done"
    spec = shared.spec(f"{OURS}{bind}", volumes=(volume("scratch", "Block", "vol_b"),))
    port = await shared.machines.boot(spec)
    await shared.until(port, "test -e $FLOW_NODE_ROOT/run/done")
    assert (await shared.ssh(port, "ls $FLOW_NODE_ROOT/data")).out == "file\n"
    assert str(shared.folder) not in Path("/proc/self/mountinfo").read_text()
    await shared.machines.halt("inst_one", keeps_disk=False)
    port = await shared.machines.boot(shared.spec(fid="inst_two", volumes=spec.volumes))
    assert (await shared.ssh(port, "ls $FLOW_NODE_ROOT/dev/disk/by-id/virtio-vol_b")).out == "file\n"


@pytest.mark.needs("linux")
async def test_a_halt_ends_what_a_script_left_behind(shared: MachineLab) -> None:
    mark = f"mark-{token_hex(8)}"
    script = f"{OURS}(MARK={mark} setsid nohup sleep 1000 &)\nMARK={mark} exec sleep 1001"
    await shared.machines.boot(shared.spec(script))
    await until(lambda: len(processes_with(f"MARK={mark}")) >= 2)
    await shared.machines.halt("inst_one", keeps_disk=True)
    assert processes_with(f"MARK={mark}") == []


async def test_a_hosts_file_and_a_warning_are_below_the_root(shared: MachineLab) -> None:
    port = await shared.machines.boot(shared.spec())
    await shared.machines.warn("inst_one", "text")
    seen = await shared.ssh(port, "cd $FLOW_NODE_ROOT; tail -n 1 etc/hosts; cat opt/mithril/MITHRIL_SIGNAL.yml")
    assert seen.out == "10.4.0.10 train-0\ntext"
    assert (await shared.ssh(port, "echo $FLOW_NODE_ADDRESS")).out == "10.4.0.10\n"
