"""The shared paths of a cluster: where they are, and what df and the programs for quotas print about them."""

from __future__ import annotations

import pytest
from testbed.tables import each

from flow_core.providers.slurm.discovery.shared_paths import (
    PathUse,
    SharedPath,
    build_use,
    parse_quota,
)

SIZE = "10.0.0.1@o2ib:/scratch 1000000 600000 400000      60% /mnt/scratch"
QUOTA = """\
Disk quotas for user ana (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
server:/home   5120*  4096    8192   6days      10       0       0
/dev/sda1        12      0       0               3       0       0
/dev/sdb1        12    100       0               3       0       0
"""
BEEGFS = "name,id,size,hard,files,hard\nana,1000,1048576,10737418240,5,unlimited\n"
DEVICE, MOUNTED = "10.0.0.1@o2ib:/scratch", "/mnt/scratch"


@each(
    "written, name",
    [
        ("$HOME", "home"),
        ("~", "home"),
        ("${SCRATCH}", "scratch"),
        ("$WORK", "work"),
        ("$WORK/data", "$WORK/data"),
        ("~/data", "~/data"),
        ("/data/shared", "/data/shared"),
    ],
)
def test_a_path_has_a_short_name(written: str, name: str) -> None:
    assert SharedPath(written, "/x").name == name


@each(
    "answers, use",
    [
        ({"size": SIZE}, PathUse(1_000_000, 600_000, "", DEVICE, MOUNTED)),
        ({}, PathUse(hangs=True)),
        ({"size": "nonsense"}, PathUse(problem="df prints no size")),
        ({"error": "df: /x: No such file or directory\n"}, PathUse(problem="No such file or directory")),
        ({"error": ""}, PathUse(problem="df fails")),
        (
            {"size": SIZE, "lustre-user": "/mnt/scratch 1234* 2000 2500 6d 10 0 0 -"},
            PathUse(2500, 1234, "lfs quota", DEVICE, MOUNTED),
        ),
        (
            {
                "size": SIZE,
                "lustre-user": "/mnt/scratch [7] 0 0 - 10 0 0 -",
                "lustre-group": "/mnt/scratch\n     99 50 0 - 10 0 0 -",
            },
            PathUse(50, 99, "lfs quota", DEVICE, MOUNTED),
        ),
        (
            {"size": SIZE, "lustre-user": "/s 1 2 3 - 1 0 0 -", "lustre-project": "/s 4 5 6 - 1 0 0 -"},
            PathUse(6, 4, "lfs quota", DEVICE, MOUNTED),
        ),
        ({"size": SIZE, "beegfs": BEEGFS}, PathUse(10_485_760, 1024, "beegfs-ctl", DEVICE, MOUNTED)),
        (
            {"size": SIZE, "beegfs": BEEGFS.replace("10737418240", "unlimited")},
            PathUse(1_000_000, 600_000, "", DEVICE, MOUNTED),
        ),
        (
            {"size": "server:/home 900 500 400 56% /home"},
            PathUse(8192, 5120, "quota", "server:/home", "/home"),
        ),
        ({"size": "/dev/sda1 900 500 400 56% /"}, PathUse(900, 500, "", "/dev/sda1", "/")),
        ({"size": "/dev/sdb1 900 500 400 56% /"}, PathUse(100, 12, "quota", "/dev/sdb1", "/")),
        ({"size": "a disk 900 500 - - /mnt/a disk"}, PathUse(900, 500, "", "a disk", "/mnt/a disk")),
    ],
)
def test_the_quota_of_the_user_goes_before_the_size_of_the_file_system(answers: dict[str, str], use: PathUse) -> None:
    assert build_use(answers, parse_quota(QUOTA.splitlines())) == use


@pytest.mark.parametrize("text", ["", "Disk quotas for user ana (uid 1000): none", "quota: cannot open"])
def test_a_quota_program_without_quotas_prints_none(text: str) -> None:
    assert parse_quota(text.splitlines()) == {}
