"""Isolated machines: what a startup script does there, and what it can't do to the host."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from secrets import token_hex

import pytest
from testbed.node_lab import MachineLab, processes_with, volume
from testbed.waiting import DEADLINE_S, until

pytestmark = pytest.mark.needs("user-namespaces", "ssh", "ssh-keygen")


async def test_the_startup_script_runs_as_root_and_its_output_is_in_its_log(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec("id -un; id -u; pwd; echo $HOME; echo oh >&2; hostname"))
    done = "grep train /var/log/foundry/startup_script.log && cat /var/log/foundry/startup_script.log"
    assert (await lab.until(port, done)).split() == ["train-0", "root", "0", "/", "/root", "oh", "train-0"]
    assert (await lab.ssh(port, "head -1 /var/lib/foundry/startup_script.sh")).out == "#!/bin/bash\n"


async def test_ssh_shows_the_files_that_the_startup_script_wrote(lab: MachineLab) -> None:
    script = "mkdir -p /var/lib/flow; printf 'EXIT_CODE=3\\nEXITED_AT=now\\n' > /var/lib/flow/workload-exit"
    port = await lab.machines.boot(lab.spec(script))
    assert await lab.until(port, "cat /var/lib/flow/workload-exit") == "EXIT_CODE=3\nEXITED_AT=now\n"
    done = await lab.ssh(port, "cat; echo err >&2; exit 7", typed="in")
    assert done == (7, "in", "err\n")


async def test_files_of_a_script_stay_on_its_machine(lab: MachineLab) -> None:
    mark = f"flow-{lab.folder.name}"
    places = ("/etc", "/var/log/flow", "/var/lib", "/root", "/opt", "/tmp", "/home/ubuntu", "/usr/local/bin", "/")
    script = "\n".join(f"echo mine > {place}/{mark}" for place in places)
    port = await lab.machines.boot(lab.spec(f"{script}\ntouch /var/run/done"))
    await lab.until(port, "test -e /run/done")
    seen = await lab.ssh(port, f"cat {' '.join(f'{place}/{mark}' for place in places)}")
    assert seen.out.split() == ["mine"] * len(places)
    assert not [place for place in places if os.path.exists(f"{place}/{mark}")]


async def test_not_even_root_of_a_machine_can_write_to_the_host_or_see_its_files(lab: MachineLab) -> None:
    (lab.folder / "secret").write_text("of the host")
    port = await lab.machines.boot(lab.spec())
    attempts = (
        "touch /usr/bin/x",
        "touch /run/host/etc/x",
        "mount -o remount,rw /usr",
        "mount -o remount,bind,rw /run/host/usr",
        "umount /usr/local",
        "echo 1 > /proc/sys/vm/drop_caches",
        "mknod /tmp/disk b 8 0",
        "mount -t proc proc /mnt",
        f"cat {lab.folder}/secret",
        f"cat /proc/1/root{lab.folder}/secret",
        f"cat /proc/1/cwd{lab.folder}/secret",
        "cat /etc/shadow",
        "kill -9 1 && ! kill -0 1",
    )
    script = "\n".join(f'( {attempt} ) 2>/dev/null && echo "could {attempt}"' for attempt in attempts)
    assert (await lab.ssh(port, f"{script}\necho tried")).out == "tried\n"
    devices = (await lab.ssh(port, "stat -Lc '%n %F' /dev/* | grep special")).out.splitlines()
    harmless = {"full", "null", "ptmx", "random", "tty", "urandom", "zero"}
    assert {row.split()[0].removeprefix("/dev/") for row in devices} - {"stdin", "stdout", "stderr"} <= harmless


async def test_a_machine_does_not_see_processes_of_the_host_or_of_others(lab: MachineLab) -> None:
    first = await lab.machines.boot(lab.spec("exec sleep 1000"))
    second = await lab.machines.boot(lab.spec(fid="inst_two"))
    assert (await lab.until(first, "pgrep -x sleep")).strip()
    assert (await lab.ssh(second, "pgrep -x sleep || echo none; ls -d /proc/[0-9]* | wc -l")).out.split()[0] == "none"


async def test_the_script_runs_on_the_first_boot_only(lab: MachineLab) -> None:
    spec = lab.spec("echo run >> /var/log/flow/runs; touch /run/done; exec sleep 1000")
    port = await lab.machines.boot(spec)
    await lab.until(port, "test -e /run/done")
    await lab.machines.halt(spec.instance_fid, keeps_disk=True)
    assert (await lab.ssh(port, "true")).code == 255
    again = await lab.machines.boot(spec)
    assert again == port
    seen = await lab.ssh(again, "cat /var/log/flow/runs; pgrep -x sleep; test ! -e /run/done && echo off")
    assert seen.out.split() == ["run", "off"]


async def test_a_machine_keeps_its_host_key_and_each_has_its_own(lab: MachineLab) -> None:
    spec = lab.spec()

    async def host_key(port: int) -> str:
        done = await lab.run("ssh-keyscan", "-t", "ed25519", "-p", str(port), "127.0.0.1")
        return done.out.split()[-1]

    port = await lab.machines.boot(spec)
    first = await host_key(port)
    other = await host_key(await lab.machines.boot(lab.spec(fid="inst_two")))
    await lab.machines.halt(spec.instance_fid, keeps_disk=True)
    assert await host_key(await lab.machines.boot(spec)) == first != other


async def test_a_halt_ends_every_process_and_every_session(lab: MachineLab) -> None:
    mark = f"mark-{token_hex(8)}"
    port = await lab.machines.boot(lab.spec(f"MARK={mark} setsid nohup sleep 1000 & MARK={mark} exec sleep 1001"))
    session = await asyncio.create_subprocess_exec(
        *lab.client(), "-p", str(port), "x@127.0.0.1", f"echo {mark}; sleep 9"
    )
    await until(lambda: len(processes_with(mark)) >= 3)
    await lab.machines.halt("inst_one", keeps_disk=False)
    async with asyncio.timeout(DEADLINE_S):
        assert await session.wait() == 255
    assert processes_with(mark) == []
    assert (await lab.ssh(port, "true")).code == 255
    await lab.machines.halt("inst_one", keeps_disk=False)


async def test_volumes_are_mounted_by_name_or_id_and_outlive_the_machine(lab: MachineLab) -> None:
    file, block = volume("shared-data", "File", "vol_f"), volume("scratch", "Block", "vol_b")
    bind = "mkdir -p /data && mount --bind /dev/disk/by-id/virtio-vol_b /data && echo 2 > /data/two"
    port = await lab.machines.boot(
        lab.spec(f"echo 1 > /mnt/shared-data/one; {bind}; touch /run/done", volumes=(file, block))
    )
    await lab.until(port, "test -e /run/done")
    assert (await lab.ssh(port, "cat /data/two; chown ubuntu:ubuntu /data && stat -c %U /data")).out.split() == [
        "2",
        "root",
    ]
    await lab.machines.halt("inst_one", keeps_disk=False)
    port = await lab.machines.boot(lab.spec(fid="inst_two", volumes=(file, block)))
    assert (await lab.ssh(port, "cat /mnt/*/one /dev/disk/by-id/virtio-vol_b/two")).out.split() == ["1", "2"]
    await lab.machines.halt("inst_two", keeps_disk=False)
    await lab.machines.delete_volume("vol_f")
    await lab.machines.delete_volume("vol_f")
    port = await lab.machines.boot(lab.spec(fid="inst_three", volumes=(file,)))
    assert (await lab.ssh(port, "ls /mnt/shared-data")).out == ""


async def test_a_mount_in_fstab_is_made_again_when_the_machine_starts_again(lab: MachineLab) -> None:
    row = "/dev/disk/by-id/virtio-vol_b /data none bind,nofail 0 0"
    script = f"mkdir -p /data; echo '{row}' >> /etc/fstab; mount -a; echo kept > /data/file; touch /run/done"
    spec = lab.spec(script, volumes=(volume("scratch", "Block", "vol_b"),))
    port = await lab.machines.boot(spec)
    await lab.until(port, "test -e /run/done")
    await lab.machines.halt(spec.instance_fid, keeps_disk=True)
    port = await lab.machines.boot(spec)
    assert (await lab.ssh(port, "cat /data/file; ls /dev/disk/by-id/virtio-vol_b")).out.split() == ["kept", "file"]


async def test_a_service_that_is_enabled_starts_with_the_machine_though_the_script_does_not(lab: MachineLab) -> None:
    script = """\
test -d /run/systemd/system || exit 1
cat >/etc/systemd/system/work.service <<'UNIT'
[Service]
Environment="WORD=one two" OTHER=3
WorkingDirectory=/workspace
ExecStart=/bin/sh -c 'echo "$WORD $OTHER $(pwd)" >>/var/log/flow/runs; exec sleep 1000'
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload && systemctl enable --now work.service"""
    spec = lab.spec(script)
    port = await lab.machines.boot(spec)
    await lab.until(port, "systemctl is-active work && test -s /var/log/flow/runs")
    await lab.machines.halt(spec.instance_fid, keeps_disk=True)
    port = await lab.machines.boot(spec)
    await lab.until(port, "systemctl is-active work && [ $(wc -l < /var/log/flow/runs) = 2 ]")
    assert (await lab.ssh(port, "cat /var/log/flow/runs")).out == "one two 3 /workspace\n" * 2
    stopped = await lab.ssh(port, "sudo -n systemctl disable --now work; systemctl is-active work; pgrep -x sleep")
    assert stopped.out == "inactive\n"
    unknown = await lab.ssh(port, "systemctl start docker")
    assert unknown == (5, "", "Failed to start docker.service: Unit docker.service not found.\n")


async def test_the_hosts_file_ends_with_the_first_machine_of_the_order(lab: MachineLab) -> None:
    ips = ("10.4.0.10", "10.4.0.11", "10.4.0.12")
    port = await lab.machines.boot(lab.spec(name="train-1", index=1, private_ips=ips))
    rows = (await lab.ssh(port, "grep ^10 /etc/hosts; hostname")).out.splitlines()
    assert rows == ["10.4.0.12 train-2", "10.4.0.11 train-1", "10.4.0.10 train-0", "train-1"]


async def test_a_warning_is_a_file_on_the_machine_that_can_be_withdrawn(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec())
    await lab.machines.warn("inst_one", "bid_status: Preempting\n")
    assert (await lab.ssh(port, "cat /opt/mithril/MITHRIL_SIGNAL.yml")).out == "bid_status: Preempting\n"
    await lab.machines.warn("inst_one", None)
    assert (await lab.ssh(port, "ls /opt/mithril")).out == ""
    await lab.machines.warn("inst_unknown", "text")


async def test_a_warning_is_never_written_through_a_link_to_outside(lab: MachineLab) -> None:
    outside = lab.folder / "outside"
    outside.mkdir()
    port = await lab.machines.boot(lab.spec())
    await lab.ssh(port, f"rm -r /opt/mithril; ln -s {outside} /opt/mithril")
    await lab.machines.warn("inst_one", "text")
    assert list(outside.iterdir()) == []


async def test_sudo_runs_the_command_and_docker_is_not_there(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec())
    done = await lab.ssh(
        port, "sudo -n id -u; sudo -n -E -u ubuntu A=5 sh -c 'echo $A $HOME'; su - ubuntu -c 'echo $HOME'"
    )
    assert done.out.splitlines() == ["0", "5 /home/ubuntu", "/home/ubuntu"]
    for command in ("docker ps", "sudo -n docker ps"):
        done = await lab.ssh(port, command)
        assert done.code != 0
        assert "docker" in done.err
        assert "not found" in done.err


async def test_the_sessions_of_a_machine_end_with_its_first_process(lab: MachineLab) -> None:
    mark = f"mark-{token_hex(8)}"
    port = await lab.machines.boot(lab.spec(f"MARK={mark} exec sleep 1000"))
    await until(lambda: len(processes_with(mark)) == 1)
    (sleeper,) = processes_with(mark)
    first = int(Path(f"/proc/{sleeper}/stat").read_text().rpartition(")")[2].split()[1])
    session = await asyncio.create_subprocess_exec(*lab.client(), "-p", str(port), "x@127.0.0.1", "sleep 1000")
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        assert await session.wait() == 255
    assert processes_with(mark) == []


@pytest.mark.parametrize("isolated", [True, False])
async def test_a_killed_emulator_leaves_no_process(tmp_path: Path, programs: Path, isolated: bool) -> None:
    mark = f"mark-{token_hex(8)}"
    script = f"#!/bin/bash\n# flow-startup v1\nMARK={mark} setsid nohup sleep 1000 &\nMARK={mark} exec sleep 1001\n"
    env = {**os.environ, **({} if isolated else {"FLOW_EMULATOR_NO_NAMESPACE": "1"})}
    emulator = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _EMULATOR, str(tmp_path / "n"), script, str(programs), env=env
    )
    try:
        await until(lambda: len(processes_with(mark)) >= 3)
    finally:
        emulator.kill()
        await emulator.wait()
    await until(lambda: processes_with(mark) == [])


_EMULATOR = """
import asyncio, sys
from pathlib import Path
from flow_core.emulator.nodes.machine_interface import NodeSpec
from flow_core.emulator.nodes.machines import Machines

async def main():
    machines = Machines(Path(sys.argv[1]), Path(sys.argv[3]))
    await machines.boot(NodeSpec("inst_one", "bid_one", "train-0", 0, ("10.4.0.10",), sys.argv[2], (), ()))
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "mount",
    [
        "mount -t nfs4 -o nfsvers=4.1,hard fileshare-vol_two.mithril.internal:/ /data",
        "command -v mount.nfs && mount.nfs fileshare-vol_two.mithril.internal:/ /data",
        "mount -t virtiofs shared /data",
        "mount --bind $(mount -t virtiofs | awk '$3 == \"/mnt/shared\" { print $3 }') /data",
    ],
)
async def test_a_file_share_is_mounted_as_on_a_real_machine(lab: MachineLab, mount: str) -> None:
    shares = (volume("other", "File", "vol_one"), volume("shared", "File", "vol_two"))
    port = await lab.machines.boot(lab.spec(f"set -e\n{mount}\nmountpoint -q /data\ntouch /run/done", volumes=shares))
    await lab.until(port, "test -e /run/done")
    assert (await lab.ssh(port, "echo kept > /data/file; cat /mnt/shared/file; ls /mnt/other")).out == "kept\n"


async def test_a_boot_that_is_cancelled_writes_nothing_once_its_machine_is_deleted(lab: MachineLab) -> None:
    for _ in range(3):
        boot = asyncio.create_task(lab.machines.boot(lab.spec("true")))
        disk = lab.folder / "nodes" / "machines" / "inst_one" / "disk"
        while not (disk / "etc").exists():
            await asyncio.sleep(0)
        boot.cancel()
        await lab.machines.halt("inst_one", keeps_disk=False)
        with pytest.raises(asyncio.CancelledError):
            await boot
        assert not disk.parent.exists()
