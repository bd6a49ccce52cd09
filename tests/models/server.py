"""A provider on loopback: answers the n-th request by the n-th step of its script, and keeps what was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.models.wires import Told, Wire

BUSY_S = "7"
HELLO = Told(text="hello")


@dataclass(frozen=True)
class Step:
    """How one request is answered; `fault` names what goes wrong, and nothing does where it is empty."""

    fault: str = ""
    told: Told = HELLO


@dataclass
class Provider:
    """What happened at the server: `fired` has the fault of each answered request, written once it was done to it."""

    wire: Wire
    streamed: bool
    steps: Sequence[Step]
    url: str = ""
    fired: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the one request of a connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
            body = json.loads(await reader.readexactly(length))
            self.asked.append(body)
            step = self.steps[len(self.asked) - 1] if len(self.asked) <= len(self.steps) else None
            if complaint := self._complaint(head, body, step):
                self.fired.append(complaint)
                writer.write(_whole(400, json.dumps({"error": {"message": complaint}}).encode()))
            elif step is not None:
                await self._answer(step, reader, writer)
            await writer.drain()
        finally:
            writer.close()

    def _complaint(self, head: str, body: dict[str, Any], step: Step | None) -> str:
        method, target, _ = head.split("\r\n")[0].split(" ")
        path = self.wire.paths[self.streamed]
        if (method, target) != ("POST", path):
            return f"unexpected: {method} {target} instead of POST {path}"
        if self.wire.paths[0] == self.wire.paths[1] and bool(body.get("stream")) != self.streamed:
            return f"unexpected: stream is {body.get('stream')}"
        if self.wire.key and f"{self.wire.key[0]}: {self.wire.key[1]}" not in _lowered_names(head):
            return f"unexpected: no {self.wire.key[0]}"
        return "unexpected: one request too many" if step is None else ""

    async def _answer(self, step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire, fault = self.wire, step.fault
        if fault in wire.refusals:
            refusal = wire.refusals[fault]
            extra = f"retry-after: {BUSY_S}\r\n" if fault == "busy" and wire.names_wait else ""
            writer.write(_whole(refusal.status, json.dumps(refusal.body).encode(), extra))
        elif fault == "silent":
            # Ends when the client gives up and hangs up.
            await reader.read()
        elif self.streamed:
            writer.write(_stream(_pieces(wire, step), kind=_kind(wire), complete=fault != "cut"))
        else:
            raw = json.dumps(wire.whole(step.told)).encode()
            sent = raw[: len(raw) // 2] if fault in {"cut", "garbled"} else raw
            promised = len(raw) if fault == "cut" else len(sent)
            writer.write(_whole(200, sent, promised=promised))
        self.fired.append(fault)


def _pieces(wire: Wire, step: Step) -> list[bytes]:
    pieces = wire.pieces(step.told)
    half = len(pieces) // 2
    match step.fault:
        case "cut":
            return pieces[:half]
        case "ended":
            return pieces[: -wire.last]
        case "late":
            return [*pieces[:half], wire.late]
        case "garbled":
            broken = pieces[half].rstrip()[:-9]
            return [*pieces[:half], broken + (b"\n" if wire.lines else b"\n\n"), *pieces[half + 1 :]]
    return pieces


def _kind(wire: Wire) -> str:
    return "application/x-ndjson" if wire.lines else "text/event-stream"


def _whole(status: int, body: bytes, extra: str = "", promised: int | None = None) -> bytes:
    length = len(body) if promised is None else promised
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
    return f"{head}{extra}connection: close\r\n\r\n".encode() + body


def _stream(pieces: Sequence[bytes], *, kind: str, complete: bool) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head.encode() + chunks + (b"0\r\n\r\n" if complete else b"")


def _lowered_names(head: str) -> set[str]:
    pairs = (line.partition(":") for line in head.split("\r\n")[1:] if line)
    return {f"{name.lower()}: {value.strip()}" for name, _, value in pairs}


@asynccontextmanager
async def playing(wire: Wire, steps: Sequence[Step], *, streamed: bool) -> AsyncIterator[Provider]:
    """A server that speaks `wire` and answers by `steps`, gone afterwards."""
    provider = Provider(wire, streamed, steps)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{wire.root}"
    try:
        yield provider
    finally:
        server.close()
        await server.wait_closed()
