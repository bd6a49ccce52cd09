"""A command with some hosts reaches these, by whatever protocol it tries, and nothing else."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentos.domain.error import OutsideError
from agentos.ports.sandbox import ANYWHERE, Command
from tests.boxes import backends, python, sandbox_of

ATTEMPTS = """
import json, os, socket
allowed, other = json.loads(os.environ["PORTS"])

def connect(port, family=socket.AF_INET, host="127.0.0.1", protocol=0):
    with socket.socket(family, socket.SOCK_STREAM, protocol) as client:
        client.settimeout(2)
        client.connect((host, port))

def send(port, protocol=0):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as client:
        client.settimeout(2)
        client.sendto(b"x", 0x20000000, ("127.0.0.1", port))
        client.getpeername()

def message(port):
    with socket.socket() as client:
        client.settimeout(2)
        client.sendmsg([b"x"], [], 0x20000000, ("127.0.0.1", port))
        client.getpeername()

def datagram(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", ("127.0.0.1", port))

attempts = {
    "allowed": lambda: connect(allowed),
    "another port": lambda: connect(other),
    "many paths": lambda: connect(other, protocol=262),
    "six": lambda: connect(other, socket.AF_INET6, "::ffff:127.0.0.1"),
    "while sending": lambda: send(other),
    "many paths while sending": lambda: send(other, 262),
    "with a message": lambda: message(other),
    "datagram": lambda: datagram(other),
    "another host": lambda: connect(80, host="192.0.2.1"),
    "serve": lambda: socket.create_server(("127.0.0.1", 0)).close(),
}
said = {}
for name, attempt in attempts.items():
    try:
        attempt()
        said[name] = True
    except OSError:
        said[name] = False
print(json.dumps(said))
"""


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield one.getsockname()[1], other.getsockname()[1]


async def reached(kind: str, tree: Path, ports: tuple[int, int], network: tuple[str, ...]) -> dict[str, bool]:
    env = {"PORTS": json.dumps(ports)}
    done = await sandbox_of(kind).run(Command(python(ATTEMPTS), tree, (tree,), 60, env, network=network))
    said: dict[str, bool] = json.loads(done.output)
    return said


@pytest.mark.slow
@pytest.mark.parametrize("kind", backends("sandlock"))
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_list_of_hosts_is_all_there_is(kind: str, host: str, tmp_path: Path, ports: tuple[int, int]) -> None:
    said = await reached(kind, tmp_path, ports, (f"{host}:{ports[0]}",))
    assert [name for name, got_through in said.items() if got_through] == ["allowed"]


@pytest.mark.parametrize("kind", backends("sandlock", "bubblewrap"))
async def test_the_whole_network_is_the_machine_s(kind: str, tmp_path: Path, ports: tuple[int, int]) -> None:
    said = await reached(kind, tmp_path, ports, ANYWHERE)
    assert (said["allowed"], said["another port"], said["serve"]) == (True, True, True)


@pytest.mark.parametrize("kind", backends("bubblewrap"))
async def test_a_backend_that_cannot_narrow_the_network_refuses(kind: str, tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="cannot narrow the network"):
        await sandbox_of(kind).run(Command("true", tmp_path, (tmp_path,), 10, network=("pypi.org",)))


@pytest.mark.parametrize("kind", backends("sandlock"))
async def test_a_host_that_is_not_there_is_said_and_nothing_runs(kind: str, tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match=r"could not be started.*no-such-host\.invalid"):
        await sandbox_of(kind).run(Command("touch ran", tmp_path, (tmp_path,), 30, network=("no-such-host.invalid",)))
    assert not (tmp_path / "ran").exists()
