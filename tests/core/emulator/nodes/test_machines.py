"""Machines of their own: what a startup script does there, and what it can't do to the host."""

from __future__ import annotations

import pytest
from testbed.node_lab import Lab

pytestmark = pytest.mark.needs("linux", "namespaces", "ssh", "ssh-keygen")


async def test_the_startup_script_runs_as_root_and_its_words_land_in_its_log(lab: Lab) -> None:
    port = await lab.machines.boot(lab.spec("id -un; id -u; pwd; echo $HOME; echo oh >&2; hostname"))
    done = "grep train /var/log/foundry/startup_script.log && cat /var/log/foundry/startup_script.log"
    assert (await lab.until(port, done)).split() == ["train-0", "root", "0", "/", "/root", "oh", "train-0"]
    assert (await lab.ssh(port, "head -1 /var/lib/foundry/startup_script.sh")).out == "#!/bin/bash\n"


async def test_a_machine_answers_over_ssh_with_what_its_script_left(lab: Lab) -> None:
    script = "mkdir -p /var/lib/flow; printf 'EXIT_CODE=3\\nEXITED_AT=now\\n' > /var/lib/flow/workload-exit"
    port = await lab.machines.boot(lab.spec(script))
    assert await lab.until(port, "cat /var/lib/flow/workload-exit") == "EXIT_CODE=3\nEXITED_AT=now\n"
    done = await lab.ssh(port, "cat; echo err >&2; exit 7", typed="in")
    assert done == (7, "in", "err\n")
