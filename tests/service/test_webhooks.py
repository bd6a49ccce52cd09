"""A webhook wakes its repository once, if GitHub signed it; whatever else comes in does nothing."""

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from pydantic import SecretStr

from agentos.domain.error import UsageError
from agentos.service.receiver import MOST_AT_ONCE, MOST_BODY_BYTES, Address, receiving
from agentos.service.webhooks import Webhooks
from agentos.store import Store
from agentos.store.deliveries import DeliveryStore

SECRET, REPO = "a-webhook-secret-of-32-characters", "github.com/acme/todo"
BODY = json.dumps({"action": "labeled", "issue": {"number": 7}, "repository": {"full_name": "Acme/todo"}}).encode()
ONE, TWO = "72d3162e-cc78-11e3-81ab-4c9367dc0958", "72d3162e-cc78-11e3-81ab-4c9367dc0959"

pytestmark = pytest.mark.slow


@dataclass
class Yard:
    """A receiver on loopback, and what it woke and told."""

    heard: DeliveryStore
    woken: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    url: str = ""
    port: int = 0

    async def post(self, body: bytes = BODY, **more: str | None) -> httpx.Response:
        """The answer to a delivery; `more` changes or leaves out headers."""
        return await self.send(body, headers_of(body, **more))

    async def send(self, body: object, headers: dict[str, str], path: str = "/github") -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(f"{self.url}{path}", content=body, headers=headers)  # type: ignore[arg-type]

    async def say(self, raw: bytes) -> bytes:
        """What comes back for bytes that no client would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(raw)
        await writer.drain()
        said = await reader.read()
        writer.close()
        return said


def signature(body: bytes, secret: str = SECRET, kind: str = "sha256") -> str:
    return f"{kind}={hmac.new(secret.encode(), body, kind).hexdigest()}"


def headers_of(body: bytes, **more: str | None) -> dict[str, str]:
    """The headers GitHub sends; `more` by name with underscores, None leaves one out."""
    usual = {
        "content-type": "application/json",
        "x-github-event": "issues",
        "x-github-delivery": ONE,
        "x-hub-signature-256": signature(body),
    }
    changed = {name.replace("_", "-"): value for name, value in more.items()}
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


@asynccontextmanager
async def yard_on(store: Store) -> AsyncIterator[Yard]:
    yard = Yard(store.deliveries)
    hooks = Webhooks(
        SecretStr(SECRET), store.deliveries, [REPO, "github.com/acme/other"], yard.woken.append, yard.told.append
    )
    async with hooks.receiving(Address.of("127.0.0.1:0")) as port:
        yard.port, yard.url = port, f"http://127.0.0.1:{port}"
        yield yard


@pytest.fixture
async def yard(store: Store) -> AsyncIterator[Yard]:
    async with yard_on(store) as yard:
        yield yard


async def test_a_signed_delivery_wakes_its_repository_and_no_other(yard: Yard) -> None:
    answer = await yard.post()
    assert (answer.status_code, yard.woken, yard.told) == (202, [REPO], [])


async def test_a_delivery_that_comes_again_wakes_nobody(yard: Yard, store: Store) -> None:
    await yard.post()
    again = await yard.post()
    under_another_id = await yard.post(x_github_delivery=TWO)
    other = BODY.replace(b"labeled", b"unlabeled")
    same_id = await yard.post(other)
    assert [each.status_code for each in (again, under_another_id, same_id)] == [202, 202, 202]
    assert yard.woken == [REPO]
    async with yard_on(store) as elsewhere:
        await elsewhere.post()
        assert elsewhere.woken == []
    await yard.post(other, x_github_delivery=TWO)
    assert yard.woken == [REPO, REPO]


FORGED = (
    None,
    "",
    "sha256=",
    signature(BODY, "another secret of 32 characters!"),
    signature(BODY, kind="sha1"),
    signature(BODY).removeprefix("sha256="),
    signature(BODY).upper(),
    signature(BODY)[:-1],
    signature(BODY) + "0",
    signature(BODY + b" "),
    "sha256=" + "\u00e9" * 64,
)


async def test_what_github_did_not_sign_does_nothing_and_is_told_without_its_content(yard: Yard) -> None:
    for signed in FORGED:
        headers = {**headers_of(BODY, x_hub_signature_256=None), "x-hub-signature": signature(BODY, kind="sha1")}
        headers |= {} if signed is None else {"x-hub-signature-256": signed}
        raw = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST /github HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n{raw}\r\n".encode("latin-1")
        assert (await yard.say(head + BODY)).startswith(b"HTTP/1.1 401 "), signed
    assert yard.woken == []
    assert len(yard.told) == 1
    assert all(word not in yard.told[0] for word in ("labeled", "todo", SECRET, "sha256="))
    assert await yard.heard.hear(ONE, "anything")


async def test_two_signatures_are_none(yard: Yard) -> None:
    twice = [*headers_of(BODY).items(), ("x-hub-signature-256", signature(BODY))]
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{yard.url}/github", content=BODY, headers=twice)
    assert (answer.status_code, yard.woken) == (401, [])


async def test_a_body_that_is_changed_on_its_way_is_refused(yard: Yard) -> None:
    answer = await yard.send(BODY.replace(b"7", b"8"), headers_of(BODY))
    assert (answer.status_code, yard.woken) == (401, [])


async def test_a_flood_of_forgeries_is_told_once(yard: Yard) -> None:
    for number in range(20):
        await yard.post(x_hub_signature_256=signature(b"%d" % number))
    assert len(yard.told) == 1
    await yard.post()
    await yard.post(x_hub_signature_256=signature(b"x"))
    assert len(yard.told) == 2


async def test_a_large_one_is_refused_before_it_is_read(yard: Yard) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers_of(BODY).items())
    said = await yard.say(
        f"POST /github HTTP/1.1\r\nhost: x\r\n{head}content-length: {MOST_BODY_BYTES + 1}\r\n\r\n".encode()
    )
    assert said.startswith(b"HTTP/1.1 413 ")
    assert yard.woken == []


async def test_a_chunked_body_is_read_whole_and_a_large_one_cut_off(yard: Yard) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for byte in BODY:
            yield bytes([byte])

    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 4 * MOST_BODY_BYTES:
            sent += 65_536
            yield b"x" * 65_536

    answer = await yard.send(parts(), headers_of(BODY))
    assert (answer.status_code, yard.woken) == (202, [REPO])
    with contextlib.suppress(httpx.TransportError):  # it may hang up while we are sending
        assert (await yard.send(endless(), headers_of(BODY))).status_code == 413
    assert sent < 4 * MOST_BODY_BYTES
    assert yard.woken == [REPO]


async def test_what_is_signed_and_no_json_object_is_a_bad_request(yard: Yard) -> None:
    for body in (b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000, b"payload=%7B%7D"):
        assert (await yard.post(body)).status_code == 400, body[:8]
    assert yard.woken == []


OTHERS: tuple[tuple[dict[str, str | None], str, int], ...] = (
    ({"content_type": "application/x-www-form-urlencoded"}, "/github", 415),
    ({"content_type": None}, "/github", 415),
    ({"content_type": "text/json"}, "/github", 415),
    ({"x_github_delivery": None}, "/github", 400),
    ({"x_github_delivery": "' OR 1=1; --"}, "/github", 400),
    ({"x_github_event": None}, "/github", 202),
    ({"x_github_event": "star"}, "/github", 202),
    ({"x_github_event": "ping"}, "/github", 202),
    ({}, "/", 404),
    ({}, "/github/", 404),
    ({}, "/health", 404),
)


async def test_other_requests_wake_nobody(yard: Yard) -> None:
    for more, path, status in OTHERS:
        assert (await yard.send(BODY, headers_of(BODY, **more), path)).status_code == status, (more, path)
    assert yard.woken == []
    with_charset = headers_of(BODY, content_type="application/json; charset=utf-8")
    assert (await yard.send(BODY, with_charset)).status_code == 202
    assert yard.woken == [REPO]


async def test_another_repository_is_acknowledged_and_ignored(yard: Yard) -> None:
    named = ({"full_name": name} for name in (None, "acme/other-one", "evil/todo", 7))
    for repository in (None, {}, "acme/todo", *named):
        body = json.dumps({"repository": repository}).encode()
        assert (await yard.post(body)).status_code == 202, repository
    assert yard.woken == []


NO_REQUESTS = (
    b"\r\n\r\n",
    b"hello\r\n\r\n",
    b"GET / HTTP/9\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\n\r\n",
    b"POST /github HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 100_000,
)


async def test_bytes_that_are_no_request_end_nothing(yard: Yard) -> None:
    for raw in NO_REQUESTS:
        assert (await yard.say(raw)).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431", b"HTTP/1.1 505")), raw[:20]
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{yard.url}/health")).status_code == 200
        assert (await client.get(f"{yard.url}/github")).status_code == 405


async def test_whoever_waits_is_let_go_and_more_than_enough_are_not_served(yard: Yard) -> None:
    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        said = await reader.read()
        writer.close()
        return said

    hooks = Webhooks(SecretStr(SECRET), yard.heard, [REPO], yard.woken.append, yard.told.append)
    async with receiving(Address.of(":0"), hooks.refuses, hooks.answers, patience_s=0) as port:
        assert await ask(port) == b""
    waiting = [await asyncio.open_connection("127.0.0.1", yard.port) for _ in range(MOST_AT_ONCE)]
    assert await ask(yard.port) == b""
    for _, writer in waiting:
        writer.close()


async def test_old_deliveries_are_forgotten(store: Store) -> None:
    assert await store.deliveries.hear("old", "a")
    async with store.db.connection() as conn:
        await conn.execute("UPDATE deliveries SET at = at - interval '31 days'")
    assert await store.deliveries.hear("new", "b")
    assert [row["id"] for row in await store.db.rows("SELECT id FROM deliveries", {})] == ["new"]


async def test_of_a_hundred_at_the_same_moment_one_is_heard(store: Store) -> None:
    heard = await asyncio.gather(*(store.deliveries.hear(ONE, "a") for _ in range(100)))
    assert sum(heard) == 1


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "x:-1"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="should be host:port"):
        Address.of(text)


def test_a_port_alone_is_this_machines_own() -> None:
    assert Address.of(":8471") == Address("127.0.0.1", 8471)
    assert Address.of("8471") == Address("127.0.0.1", 8471)
    assert Address.of("[::1]:8471") == Address("::1", 8471)


async def test_a_short_secret_and_a_taken_port_are_refused(yard: Yard) -> None:
    with pytest.raises(UsageError, match="shorter than 16"):
        Webhooks(SecretStr("short"), yard.heard, [REPO], yard.woken.append, yard.told.append)
    hooks = Webhooks(SecretStr(SECRET), yard.heard, [REPO], yard.woken.append, yard.told.append)
    with pytest.raises(UsageError, match="nobody can listen"):
        async with hooks.receiving(Address.of(f"127.0.0.1:{yard.port}")):
            pass
