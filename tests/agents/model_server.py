"""A model server on loopback that tells a script and counts what it was asked."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Key = tuple[str, str, int, int]
"""Stage, role, round, turn."""


class CountingModelServer:
    """Replies by key; `asked` counts every request, also those whose answer never arrived."""

    def __init__(self, replies: Mapping[Key, Mapping[str, Any]], url: str = "") -> None:
        self.replies = dict(replies)
        self.asked: Counter[Key] = Counter()
        self.digests: dict[Key, list[str]] = {}
        self.url = url

    def answer(self, asked: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        key = (asked["stage"], asked["role"], asked["round"], asked["turn"])
        self.asked[key] += 1
        self.digests.setdefault(key, []).append(asked["digest"])
        reply = self.replies.get(key)
        return (404, {"error": f"no reply for {key}"}) if reply is None else (200, reply)


@contextmanager
def model_server(replies: Mapping[Key, Mapping[str, Any]]) -> Iterator[CountingModelServer]:
    """A server that tells `replies`, gone afterwards."""
    counting = CountingModelServer(replies)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                status, reply = counting.answer(asked)
            raw = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what was asked is counted."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    counting.url = f"http://127.0.0.1:{server.server_port}/reply"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield counting
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def implementer(*turns: Mapping[str, Any]) -> dict[Key, Mapping[str, Any]]:
    """`turns` as the replies of the first round of the implementer."""
    return {("impl", "implementer", 1, turn): reply for turn, reply in enumerate(turns)}


def calls(*named: tuple[str, Mapping[str, Any]], text: str = "") -> dict[str, Any]:
    """A reply that calls tools."""
    return {"text": text, "tool_calls": [{"name": name, "args": dict(args)} for name, args in named]}


SUBMIT = calls(("submit", {"summary": "done", "evidence": [{"criterion": "AC-1", "proofs": ["t.py::test_a"]}]}))
