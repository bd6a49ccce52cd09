"""A small HTTP/1.1 server for small requests: one a connection, bounded in size, number and time; h11 reads the protocol."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import h11

from agentos.domain.error import UsageError

MOST_BODY_BYTES = 4 * 1024**2
"""GitHub sends up to 25 MB; what tells of an issue, a comment or a review is far below this."""
MOST_HEAD_BYTES = 16 * 1024
MOST_AT_ONCE = 32
PATIENCE_S = 10.0
"""How long one request may take, as GitHub itself waits for the answer."""
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body. `headers` are in small letters; of one that came twice there is none."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a status, and a word or two."""

    status: int
    text: str


Refuses: TypeAlias = Callable[[Head], Reply | None]
Answers: TypeAlias = Callable[[Head, bytes], Awaitable[Reply]]
TOO_LARGE = Reply(413, "too large")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> "Address":
        """`host:port`, `[::1]:port`, or a port alone, which is this machine's own. Raises: UsageError for anything else."""
        host, _, port = text.strip().rpartition(":")
        if not port.isascii() or not port.isdigit() or not int(port) < 2**16:
            raise UsageError(f"service.webhook_address is {text!r}: it should be host:port, for example 127.0.0.1:8471")
        return cls(host.strip("[]") or "127.0.0.1", int(port))


@asynccontextmanager
async def receiving(
    address: Address, refuses: Refuses, answers: Answers, *, patience_s: float = PATIENCE_S
) -> AsyncIterator[int]:
    """The port that listens at `address` until the block ends. `refuses` sees a request before its body is read.

    Raises: UsageError where nobody can listen there.
    """
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        try:
            if len(open_now) <= MOST_AT_ONCE:
                async with asyncio.timeout(patience_s):
                    await _exchange(reader, writer, refuses, answers)
        except (TimeoutError, OSError):
            pass  # whoever it was is gone, or too slow: the poll finds what there is to find
        finally:
            open_now.discard(task)
            writer.close()

    try:
        server = await asyncio.start_server(serve, address.host, address.port, limit=_READ_BYTES)
    except OSError as exc:
        raise UsageError(
            f"nobody can listen at {address.host}:{address.port} ({exc.strerror}): let service.webhook_address name another"
        ) from exc
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(open_now):
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refuses: Refuses, answers: Answers
) -> None:
    wire = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD_BYTES)
    try:
        reply = await _reply(wire, reader, writer, refuses, answers)
    except h11.RemoteProtocolError as exc:
        reply = Reply(exc.error_status_hint, "no HTTP request")
    if reply is not None:
        await _send(wire, writer, reply)
        await _linger(reader, writer)


async def _reply(
    wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refuses: Refuses, answers: Answers
) -> Reply | None:
    """The answer to the one request that comes; None where none did."""
    request = await _event(wire, reader)
    if not isinstance(request, h11.Request):
        return None
    head = _head(request)
    refusal = refuses(head)
    if refusal is not None:
        return refusal
    if int(head.headers.get("content-length", "0")) > MOST_BODY_BYTES:
        return TOO_LARGE
    if wire.they_are_waiting_for_100_continue:
        writer.write(wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
    body = bytearray()
    while not isinstance(event := await _event(wire, reader), h11.EndOfMessage):
        if not isinstance(event, h11.Data):
            return None
        body += event.data
        if len(body) > MOST_BODY_BYTES:
            return TOO_LARGE
    return await answers(head, bytes(body))


async def _event(wire: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := wire.next_event()) is h11.NEED_DATA:
        wire.receive_data(await reader.read(_READ_BYTES))
    return event


def _head(request: h11.Request) -> Head:
    pairs = [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers]
    names = [name for name, _ in pairs]
    once = {name: value for name, value in pairs if names.count(name) == 1}
    return Head(request.method.decode("ascii"), request.target.decode("latin-1").partition("?")[0], once)


async def _send(wire: h11.Connection, writer: asyncio.StreamWriter, reply: Reply) -> None:
    text = f"{reply.text}\n".encode()
    headers = [("content-type", "text/plain"), ("content-length", str(len(text))), ("connection", "close")]
    with contextlib.suppress(h11.LocalProtocolError):  # nothing was asked that could be answered
        for event in (h11.Response(status_code=reply.status, headers=headers), h11.Data(text), h11.EndOfMessage()):
            writer.write(wire.send(event) or b"")
        await writer.drain()


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Effect: what was on its way is let in for a moment, else the other side might not read the answer."""
    if writer.can_write_eof():
        writer.write_eof()
    for _ in range(MOST_AT_ONCE):
        if not await reader.read(_READ_BYTES):
            return
