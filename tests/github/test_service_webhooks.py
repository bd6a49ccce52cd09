"""Polling alone is enough; a webhook only makes it sooner, and what it says decides nothing."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr

from agentos.domain.error import UsageError
from agentos.domain.event import EventKind
from agentos.domain.status import READY_LABEL
from agentos.service.webhooks import listening
from tests.github.fake import NAME, OWNER, label
from tests.github.service import BODY, Serving, Yard
from tests.service.test_webhooks import SECRET, headers_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
NOTHING_OF_IT = {"action": "labeled", "issue": {"number": 1}, "label": {"name": READY_LABEL}}


@asynccontextmanager
async def hearing(service: Serving) -> AsyncIterator[str]:
    secret = SecretStr(SECRET)
    heard = service.desk.store.deliveries
    async with listening("127.0.0.1:0", secret, heard, service.service, service.notices.append) as address:
        yield address


async def deliver(address: str, said: Mapping[str, object], delivery: str) -> int:
    """The status that a delivery about the repository is answered with."""
    body = json.dumps({**said, "repository": {"full_name": f"{OWNER}/{NAME}"}}).encode()
    async with httpx.AsyncClient(trust_env=False) as client:
        sent = await client.post(address, content=body, headers=headers_of(body, x_github_delivery=delivery))
        return sent.status_code


async def test_an_issue_is_taken_in_at_the_next_look_and_with_a_webhook_at_once(yard: Yard) -> None:
    hub = yard.server.github
    async with yard.serving() as service, hearing(service) as address:
        await service.first()
        first = hub.open_issue("Add a shout function", BODY, labels=(READY_LABEL,))
        await service.clock.advance(service.clock.naps[-1] - 1)
        await service.at_rest()
        assert await service.runs() == (), "nobody looked yet"
        await service.clock.advance(1)
        await service.until(lambda: service.count(EventKind.RUN_WAITING) == 1)

        before = service.clock.monotonic_s()
        hub.comment(first, "/agentos cancel")
        assert await deliver(address, {"action": "created"}, "delivery-0001") == 202
        await service.until(lambda: service.count(EventKind.RUN_ENDED) == 1)
        assert service.clock.monotonic_s() == before, "no time passed"


async def test_what_a_webhook_says_is_not_believed_and_a_forged_or_repeated_one_wakes_nobody(yard: Yard) -> None:
    hub = yard.server.github
    number = hub.open_issue("Add a shout function", BODY)
    async with yard.serving() as service, hearing(service) as address:
        await service.first()
        looks = len(service.clock.naps)
        assert await deliver(address, NOTHING_OF_IT, "delivery-0001") == 202
        await service.until(lambda: len(service.clock.naps) > looks)
        await service.at_rest()
        assert (await service.runs(), service.labels(number)) == ((), set())

        hub.issues[number]["labels"].append(label(READY_LABEL))
        asked = len(hub.ledger)
        assert await deliver(address, NOTHING_OF_IT, "delivery-0001") == 202
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = headers_of(b"{}", x_hub_signature_256="sha256=" + "0" * 64)
            assert (await client.post(address, content=b"{}", headers=headers)).status_code == 401
        await service.at_rest()
        assert (await service.runs(), len(hub.ledger)) == ((), asked)
        assert [each.text for each in service.notices if each.is_trouble] == [
            "a webhook was refused: its signature is not of our secret"
        ]


async def test_after_a_webhook_it_looks_again_soon_for_github_may_show_it_late(yard: Yard) -> None:
    async with yard.serving() as service, hearing(service) as address:
        await service.first()
        for _ in range(3):
            await service.look(by_itself=True)
        assert service.clock.naps[-1] > 30
        looks = len(service.clock.naps)
        assert await deliver(address, {"action": "opened"}, "delivery-0001") == 202
        await service.until(lambda: len(service.clock.naps) > looks)
        assert service.clock.naps[-1] == 30


async def test_without_a_secret_nobody_listens_and_without_an_address_nothing_does(yard: Yard) -> None:
    async with yard.serving() as service:
        await service.first()
        heard, tell = service.desk.store.deliveries, service.notices.append
        with pytest.raises(UsageError, match="anybody could call there"):
            async with listening("127.0.0.1:0", None, heard, service.service, tell):
                pass
        async with listening("", None, heard, service.service, tell) as address:
            assert address == ""


async def test_the_command_hears_webhooks_where_it_is_told_and_stops_when_it_is_asked_to(yard: Yard) -> None:
    env = {
        **os.environ,
        "AGENTOS_HOME": str(yard.home),
        "AGENTOS_DATABASE_URL": yard.database_url,
        "AGENTOS_SERVICE__WEBHOOK_ADDRESS": "127.0.0.1:0",
        "AGENTOS_GITHUB_WEBHOOK_SECRET": SECRET,
    }
    words = ("-c", "from agentos.cli.main import main; raise SystemExit(main())", "serve", "--repo", str(yard.target))
    started = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=env, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert started.stderr is not None
    said = [""]
    while "are heard at" not in said[-1]:
        said.append((await started.stderr.readline()).decode())
        assert said[-1], said
    address = said[-1].rpartition(" ")[2].strip().removesuffix(".")
    assert await deliver(address, {"action": "opened"}, "delivery-0001") == 202
    started.terminate()
    rest = (await started.stderr.read()).decode()
    assert await started.wait() == 0, rest
    assert SECRET not in "".join([*said, rest])
