"""A model that does not answer before it may: whoever asks it stands in the middle of a step."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.crash.toy import replies

PATIENCE_S = 100


class HeldServer:
    """A model server that holds back its first reply, or the first one of `stage`, until it is let go."""

    def __init__(self, stage: str = "") -> None:
        self.stage = stage
        self.asked, self.go = threading.Event(), threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                key = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.stage in ("", key["stage"]):
                    outer.asked.set()
                    outer.go.wait(PATIENCE_S)
                body = json.dumps(replies()[key["stage"], key["role"], key["round"]][key["turn"]]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/replies"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
