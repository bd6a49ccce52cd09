"""Has a supervisor ready for each command: everything it needs is loaded already, and one is made ahead.

One process beside each AgentOS process that runs commands, with an empty environment. It reads orders from the socket on
descriptor 0, with the command's control and output as descriptors, and ends when nobody holds the other end any more.
"""

import gc
import os
import signal
import socket
import sys

from agentos.adapters.sandbox.order import Place, place_of, read_order
from agentos.adapters.sandbox.supervisor import stand_by
from agentos.adapters.sandbox.worker import receive


def main(knows_sandlock: str) -> None:
    """Returns when the owner of the socket is gone."""
    os.closerange(3, 4096)
    os.setsid()  # what a terminal sends to AgentOS's group is AgentOS's to pass on
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors answer for themselves; nobody waits for them
    if knows_sandlock:
        import sandlock  # noqa: F401 - loaded once, used by every worker
    gc.disable()
    gc.freeze()  # what is never looked at again stays shared with every process made from this one
    orders = socket.socket(fileno=0)
    ahead: tuple[Place, socket.socket] | None = None
    while True:
        raw, descriptors = receive(orders)
        if not raw:
            return
        place = place_of(read_order(raw))
        door = ahead[1] if ahead is not None and ahead[0] == place else _start(place, orders.fileno(), *descriptors)
        if ahead is not None and ahead[1] is not door:
            ahead[1].close()
        with door:
            socket.send_fds(door, [raw], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        # The next command most likely wants the same.
        ahead = (place, _start(place, orders.fileno()))


def _start(place: Place, *ours_alone: int) -> socket.socket:
    """The door of a supervisor that stands by, and has none of the descriptors that are `ours_alone`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        try:
            for descriptor in (*ours_alone, ours.fileno()):
                os.close(descriptor)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            stand_by(place, theirs)
        finally:
            os._exit(0)
    theirs.close()
    return ours


if __name__ == "__main__":
    main(*sys.argv[1:2])
