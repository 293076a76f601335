"""How machines of one order reach each other's ports from inside, by private address and by name."""

from __future__ import annotations

import shlex

import pytest
from testbed.node_lab import Lab

pytestmark = pytest.mark.needs("user-namespaces", "ssh", "ssh-keygen")
IPS = ("10.4.0.10", "10.4.0.11")
SERVE = """
import socket, sys
is_6 = ":" in sys.argv[1]
family = socket.AF_INET6 if is_6 else socket.AF_INET
end = socket.create_server((sys.argv[1], 0), family=family, dualstack_ipv6=is_6)
open("/run/port", "w").write(str(end.getsockname()[1]))
while True:
    end.accept()[0].sendall(socket.gethostname().encode())
"""
ASK = """
import socket, sys
print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).recv(99).decode())
"""


def python(program: str, *arguments: str) -> str:
    return shlex.join(["python3", "-c", program, *arguments])


async def pair(lab: Lab, listens_at: str) -> tuple[int, str]:
    """The SSH port of the first machine, and the port at which a program on the second one listens."""
    first = await lab.machines.boot(lab.spec(private_ips=IPS))
    fields = {"name": "train-1", "index": 1, "private_ips": IPS}
    second = await lab.machines.boot(lab.spec(python(SERVE, listens_at), fid="inst_two", **fields))
    return first, await lab.until(second, "cat /run/port", lambda done: done.out != "")


@pytest.mark.parametrize("listens_at", ["0.0.0.0", "::", "10.4.0.11", "train-1"])
async def test_from_the_first_machine_the_others_ports_are_reached_by_address_and_name(
    lab: Lab, listens_at: str
) -> None:
    first, port = await pair(lab, listens_at)
    for address in ("10.4.0.11", "train-1", "::ffff:10.4.0.11"):
        assert await lab.ssh(first, python(ASK, address, port)) == (0, "train-1\n", "")


async def test_a_port_at_which_a_machine_listens_on_loopback_only_is_not_reached_from_another(lab: Lab) -> None:
    first, port = await pair(lab, "127.0.0.1")
    refused = await lab.ssh(first, python(ASK, "10.4.0.11", port))
    assert refused.code == 1
    assert "ConnectionRefusedError" in refused.err
    assert (await lab.ssh(first, python(ASK, "127.0.0.1", port))).code == 0  # loopback is the host's, for all machines


async def test_other_addresses_and_sockets_of_other_kinds_are_left_alone(lab: Lab) -> None:
    port = await lab.machines.boot(lab.spec())
    program = """
import socket
with socket.socket() as end:
    end.settimeout(0.2)
    print(end.connect_ex(("10.4.0.12", 9)) != 111)
with socket.socket(socket.AF_UNIX) as end:
    end.bind("/tmp/socket")
    end.listen()
    socket.socket(socket.AF_UNIX).connect("/tmp/socket")
with socket.create_server(("10.4.0.10", 0)) as end:
    print(end.getsockname()[0])
    socket.create_connection(end.getsockname()).close()
"""
    assert await lab.ssh(port, python(program)) == (0, "True\n127.4.0.10\n", "")


async def test_a_machine_answers_while_many_of_its_programs_connect_and_are_killed(lab: Lab) -> None:
    port = await lab.machines.boot(lab.spec())
    connects = "import socket\nwhile True:\n    end = socket.socket(); end.connect_ex(('10.4.0.10', 9)); end.close()"
    line = f"for i in 1 2 3 4 5 6 7 8; do timeout -s KILL 0.$i {python(connects)} & done; wait; echo ended"
    for _ in range(3):
        assert (await lab.ssh(port, line)).out == "ended\n"
