"""How machines of one order reach each other's ports from inside, by private address and by name."""

from __future__ import annotations

import shlex

import pytest
from testbed.node_lab import MachineLab

pytestmark = pytest.mark.needs("user-namespaces", "ssh", "ssh-keygen")
IPS = ("10.4.0.10", "10.4.0.11")
LISTENS_AT = ("0.0.0.0", "::", "10.4.0.11", "train-1", "127.0.0.1")
SERVE = """
import os, select, socket, sys

def listen(address):
    is_6 = ":" in address
    family = socket.AF_INET6 if is_6 else socket.AF_INET
    return socket.create_server((address, 0), family=family, dualstack_ipv6=is_6)

ends = [listen(address) for address in sys.argv[1:]]
open("/run/new", "w").write(" ".join(str(end.getsockname()[1]) for end in ends))
os.rename("/run/new", "/run/ports")
while True:
    for end in select.select(ends, [], [])[0]:
        end.accept()[0].sendall(socket.gethostname().encode())
"""
ASK = """
import socket, sys
for place in sys.argv[1:]:
    address, _, port = place.rpartition(":")
    try:
        print(socket.create_connection((address, int(port)), 10).recv(99).decode())
    except OSError as error:
        print(type(error).__name__)
"""


def python(program: str, *arguments: str) -> str:
    return shlex.join(["python3", "-c", program, *arguments])


async def test_another_machines_ports_are_reached_by_address_and_name_unless_they_are_on_loopback(
    lab: MachineLab,
) -> None:
    first = await lab.machines.boot(lab.spec(private_ips=IPS))
    fields = {"name": "train-1", "index": 1, "private_ips": IPS}
    second = await lab.machines.boot(lab.spec(python(SERVE, *LISTENS_AT), fid="inst_two", **fields))
    *ports, hidden = (await lab.until(second, "cat /run/ports")).split()
    places = [f"{address}:{port}" for address in ("10.4.0.11", "train-1", "::ffff:10.4.0.11") for port in ports]
    assert await lab.ssh(first, python(ASK, *places)) == (0, "train-1\n" * len(places), "")
    # The loopback of the host is that of all machines.
    seen = await lab.ssh(first, python(ASK, f"10.4.0.11:{hidden}", f"127.0.0.1:{hidden}"))
    assert seen.out == "ConnectionRefusedError\ntrain-1\n"


async def test_other_addresses_and_sockets_of_other_kinds_are_left_alone(lab: MachineLab) -> None:
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


async def test_a_machine_answers_while_many_of_its_programs_connect_and_are_killed(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec())
    connects = "import socket\nwhile True:\n    end = socket.socket(); end.connect_ex(('10.4.0.10', 9)); end.close()"
    line = f"for i in 1 2 3 4 5 6 7 8; do timeout -s KILL 0.$i {python(connects)} & done; wait; echo ended"
    assert (await lab.ssh(port, line)).out == "ended\n"
