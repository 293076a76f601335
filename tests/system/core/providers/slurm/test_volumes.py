"""The shared paths of a cluster as volumes, with doubles of the programs that no test machine has."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import User

from flow_core.errors import Unreachable, Unsupported
from flow_core.models.volume import Volume
from flow_core.providers.contract.listing import find_unreadable
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.discovery.shared_paths import PathLookup, UseQuery
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.settings import LoginHost, SlurmSettings
from flow_core.providers.slurm.volumes import SlurmVolumes

pytestmark = pytest.mark.needs("slurm", "sshd")
MakeVolumes = Callable[[Sequence[str] | None], SlurmVolumes]
DF = """#!/bin/sh
case $* in
*/stuck) exec sleep 600 ;;
*/lustre) printf 'Filesystem 1024-blocks Used\\n10.0.0.1@o2ib:/s 900 800 100 90%% /mnt/s\\n' ;;
*/beegfs) printf 'Filesystem 1024-blocks Used\\nbeegfs_nodev 900 800 100 90%% /mnt/b\\n' ;;
*) exec /bin/df "$@" ;;
esac
"""
LFS = """#!/bin/sh
echo "$*" >>"$HOME/asked"
case $* in
'project -d '*) echo "  4711 P $3" ;;
'quota -q -p 4711 '*) echo "$5 31457280* 20971520 41943040 6d 10 0 0 -" ;;
'quota -q -u '*) echo "$5"; echo "      12 0 0 - 10 0 0 -" ;;
*) exit 1 ;;
esac
"""
BEEGFS = """#!/bin/sh
echo "$*" >>"$HOME/asked"
printf 'name,id,size,hard,files,hard\\nx,1,1073741824,10737418240,5,unlimited\\n'
"""
QUOTA = """#!/bin/sh
printf 'Disk quotas for user x (uid 1):\\n  Filesystem blocks quota limit grace files quota limit grace\\n'
printf '%s 2097152* 4194304 5242880 6days 10 0 0\\n' "$(/bin/df -Pk "$HOME" | sed -n '2s/ .*//p')"
exit 1
"""


@pytest.fixture
async def make_volumes(cluster: SlurmCluster, user: User) -> AsyncIterator[MakeVolumes]:
    pool = HostPool()

    def make(paths: Sequence[str] | None) -> SlurmVolumes:
        host = LoginHost("lab", ssh_config=cluster.login.config(name="lab", user=user.name))
        settings = SlurmSettings(host, paths=None if paths is None else tuple(paths))
        return SlurmVolumes(LoginNode(settings, pool), settings, "lab")

    yield make
    await pool.close()


def write_profile(user: User, text: str) -> None:
    path = user.home / ".bash_profile"
    path.write_text(f"{text}\nexport PATH=$HOME/bin:$PATH\necho Welcome\n")
    os.chown(path, user.uid, user.uid)


def add_program(user: User, name: str, text: str) -> None:
    path = user.home / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make_folders(cluster: SlurmCluster, user: User, *names: str) -> None:
    for name in names:
        cluster.make_folder(user, name)


def find(volumes: Sequence[Volume], name: str) -> Volume:
    return next(volume for volume in volumes if volume.name == name)


def test_the_lookup_expands_variables_and_nothing_else(tmp_path: Path) -> None:
    marker = tmp_path / "made"
    written = ("$HOME", "~", "${A}", "$B", "$C", "$A/x y'z", "~/sub", f"$(touch {marker})", "/a b;'\"", "`id`", "$A b")
    lookup = PathLookup(written)
    env = {
        "HOME": "/home/ana",
        "A": "/data/$(id)/ä",
        "C": "relative",
        "PATH": "/opt/x:/usr/bin:/bin",
        "SHELL": "/bin/sh",
    }
    for script in (lookup.script, lookup.login_script):
        done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, check=True)
        found = lookup.parse(b"Welcome!\n" + done.stdout)
        assert found is not None
        search, paths = found
        assert "/usr/bin" in search
        assert [(one.written, one.path) for one in paths] == [
            ("$HOME", "/home/ana"),
            ("${A}", "/data/$(id)/ä"),
            ("$A/x y'z", "/data/$(id)/ä/x y'z"),
            ("~/sub", "/home/ana/sub"),
            ("/a b;'\"", "/a b;'\""),
        ]
    assert not marker.exists()
    assert lookup.parse(b"the shell failed\n") is None


async def test_the_paths_of_the_login_shell_are_volumes_with_their_use(
    cluster: SlurmCluster, user: User, make_volumes: MakeVolumes
) -> None:
    make_folders(cluster, user, "scratch space", "work")
    write_profile(user, 'export SCRATCH="$HOME/scratch space" WORK=$HOME/work/ PROJECT=$HOME/gone')
    facet = make_volumes(None)
    volumes = await facet.list()
    assert [(one.volume_id, one.name) for one in volumes] == [
        (str(user.home), "home"),
        (f"{user.home}/scratch space", "scratch"),
        (f"{user.home}/work", "work"),
    ]
    stat = os.statvfs(user.home)
    for volume in volumes:
        assert (volume.path, volume.interface, volume.status, volume.context) == (
            volume.volume_id,
            "file",
            "available",
            "lab",
        )
        assert volume.size_gb == pytest.approx(stat.f_blocks * stat.f_frsize / 2**30, abs=1)
        assert volume.used_bytes
        assert volume.provider_metadata["mounted_on"].startswith("/")
    assert find_unreadable(volumes) == (f"$PROJECT ({user.home}/gone): No such file or directory",)
    assert await facet.list() == volumes
    assert not facet.can_change
    with pytest.raises(Unsupported, match="only lists volumes"):
        await facet.create(1, "x", "file", None)
    with pytest.raises(Unsupported, match="only lists volumes"):
        await facet.delete("home")
    with pytest.raises(Unsupported, match="only lists volumes"):
        await facet.attach("home", "1", None)


async def test_paths_of_the_settings_go_before_those_of_the_shell(
    cluster: SlurmCluster, user: User, make_volumes: MakeVolumes
) -> None:
    make_folders(cluster, user, "a'b\t*")
    write_profile(user, "export DATA=$HOME")
    volumes = await make_volumes(["$DATA/a'b\t*", "/", "$NOT_SET", "$(id)", "~"]).list()
    assert [(one.path, one.name) for one in volumes] == [
        (f"{user.home}/a'b␉*", "$DATA/a'b␉*"),
        ("/", "/"),
        (str(user.home), "home"),
    ]
    assert find_unreadable(volumes) == (
        "$NOT_SET: is no path on login node 'lab'",
        "$(id): is no path on login node 'lab'",
    )


async def test_a_quota_is_the_size_of_a_volume(cluster: SlurmCluster, user: User, make_volumes: MakeVolumes) -> None:
    make_folders(cluster, user, "lustre", "beegfs")
    for name, text in (("df", DF), ("lfs", LFS), ("beegfs-ctl", BEEGFS), ("quota", QUOTA)):
        add_program(user, name, text)
    write_profile(user, "")
    volumes = await make_volumes(["~/lustre", "~/beegfs", "~"]).list()
    home, lustre, beegfs = find(volumes, "home"), find(volumes, "~/lustre"), find(volumes, "~/beegfs")
    assert (home.size_gb, home.used_bytes, home.provider_metadata["quota"]) == (5, 2 << 30, "quota")
    assert (lustre.size_gb, lustre.used_bytes, lustre.provider_metadata["quota"]) == (40, 30 << 30, "lfs quota")
    assert (beegfs.size_gb, beegfs.used_bytes, beegfs.provider_metadata["quota"]) == (10, 1 << 30, "beegfs-ctl")
    assert sorted((user.home / "asked").read_text().splitlines()) == sorted(
        [
            f"project -d {user.home}/lustre",
            f"quota -q -p 4711 {user.home}/lustre",
            f"quota -q -u {user.name} {user.home}/lustre",
            f"quota -q -g {user.uid} {user.home}/lustre",
            f"--getquota --csv --uid {user.name} --mount=/mnt/b",
        ]
    )


async def test_a_file_system_that_hangs_delays_no_other(
    cluster: SlurmCluster, user: User, make_volumes: MakeVolumes
) -> None:
    make_folders(cluster, user, "stuck")
    add_program(user, "df", DF)
    add_program(user, "quota", "#!/bin/sh\nexec sleep 600\n")
    write_profile(user, "export SCRATCH=$HOME/stuck")
    volumes = await make_volumes(None).list()
    home, scratch = volumes
    assert home.size_gb
    assert (scratch.name, scratch.size_gb, scratch.used_bytes, scratch.status) == ("scratch", 0, None, "unreachable")
    assert find_unreadable(volumes) == (f"$SCRATCH ({user.home}/stuck): its file system does not answer",)


def test_paths_that_answer_are_known_although_no_program_limits_the_time(tmp_path: Path) -> None:
    for name in ("cut", "df", "id", "printf", "sed", "sh", "sleep", "tail", "tr"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    (tmp_path / "df").unlink()
    (tmp_path / "df").write_text('#!/bin/sh\ncase $* in */stuck) exec sleep 30 ;; *) exec /bin/df "$@" ;; esac\n')
    (tmp_path / "df").chmod(0o755)
    query = UseQuery(["/", "/x/stuck"], str(tmp_path))
    done = subprocess.run(["/bin/sh", "-c", query.script], capture_output=True, check=True, timeout=25)
    uses = query.parse(done.stdout)
    assert uses["/"].total_kb
    assert uses["/x/stuck"].hangs


async def test_a_login_shell_that_waits_is_left_out(user: User, make_volumes: MakeVolumes) -> None:
    write_profile(user, "export SCRATCH=/tmp\nsleep 600")
    volumes = await make_volumes(None).list()
    assert [one.name for one in volumes] == ["home"]


async def test_a_login_node_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    pool = HostPool()
    settings = SlurmSettings(LoginHost("gone", hostname="127.0.0.1", port=1, ssh_config=tmp_path / "none"))
    (tmp_path / "none").touch()
    with pytest.raises(Unreachable):
        await SlurmVolumes(LoginNode(settings, pool), settings, "lab").list()
    await pool.close()
