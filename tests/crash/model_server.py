"""A model server on loopback that counts what it was really asked."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FORESIGHT = {"json": {"cause": "It is missing.", "approach": "Add it.", "cases": []}, "usd": 0.0}
"""What a reviewer expects where a test does not say."""
Replies = dict[tuple[str, str, int], list[dict[str, Any]]]


class CountingModelServer:
    """Answers from a table; `asked` counts each key."""

    def __init__(self, replies: Replies) -> None:
        self.asked: Counter[str] = Counter()
        self.replies = replies
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stage, role, round_, turn = asked["stage"], asked["role"], asked["round"], asked["turn"]
                outer.asked[f"{stage}/{role}/{round_}/{turn}"] += 1
                usual = [FORESIGHT] if role == "foresight" else []
                turns = outer.replies.get((stage, role, round_), usual)
                found = turns[turn] if turn < len(turns) else None
                body = json.dumps(found or f"no reply for {stage}/{role}/{round_}/{turn}").encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/replies"

    @contextmanager
    def serving(self) -> "Iterator[CountingModelServer]":
        """The server while the body runs."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
