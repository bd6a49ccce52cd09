"""GitHub's webhooks: they wake what polling runs anyway, so that it happens at once. Nothing they say is believed."""

import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pydantic import SecretStr

from agentos.domain.error import OutsideError, UsageError
from agentos.service.loop import Service
from agentos.service.notice import Notice, Tell
from agentos.service.receiver import Address, Head, Reply, receiving
from agentos.store.deliveries import DeliveryStore

PATH, HEALTH = "/github", "/health"
EVENTS = frozenset(
    [
        "issues",
        "issue_comment",
        "label",
        "sub_issues",
        "issue_dependencies",
        "pull_request",
        "pull_request_review",
        "pull_request_review_comment",
        "pull_request_review_thread",
        "push",
        "check_run",
        "check_suite",
        "status",
        "workflow_run",
        "deployment",
        "deployment_status",
        "projects_v2_item",
        "create",
        "delete",
    ]
)
"""What polling would find something new after; every other event is acknowledged and ignored."""
LEAST_SECRET = 16
SEEN, HEARD = Reply(202, "seen before"), Reply(202, "heard")
_DELIVERY = re.compile(r"[0-9A-Za-z-]{8,64}")


@asynccontextmanager
async def listening(
    address: str, secret: SecretStr | None, heard: DeliveryStore, service: Service, tell: Tell
) -> AsyncIterator[str]:
    """Where the service hears of webhooks until the block ends; empty where `address` is.

    Raises: UsageError where it cannot listen there, or could not tell GitHub from anybody else.
    """
    if not address:
        yield ""
        return
    if secret is None:
        raise UsageError(
            "service.webhook_address is set, and AGENTOS_GITHUB_WEBHOOK_SECRET is not: without it anybody could call there"
        )
    hooks = Webhooks(secret, heard, service.repos, service.wake, lambda text: tell(Notice(text, is_trouble=True)))
    where = Address.of(address)
    async with hooks.receiving(where) as port:
        yield f"http://{where.host}:{port}{PATH}"


class Webhooks:
    """The deliveries for the repositories `repos` (repo-keys `host/owner/name`): each wakes its own, once.

    `tell` gets a sentence about what was refused: the first of its kind, and again after a delivery that was good.
    """

    def __init__(
        self,
        secret: SecretStr,
        heard: DeliveryStore,
        repos: Iterable[str],
        wake: Callable[[str], None],
        tell: Callable[[str], None],
    ) -> None:
        if len(secret.get_secret_value().strip()) < LEAST_SECRET:
            raise UsageError(
                f"AGENTOS_GITHUB_WEBHOOK_SECRET is shorter than {LEAST_SECRET} characters: make one with `openssl rand -hex 32`"
            )
        self._secret = secret
        self._heard = heard
        self._repos = [(each.partition("/")[2].lower(), each) for each in repos]
        self._wake, self._tell = wake, tell
        self._told: set[int] = set()

    def receiving(self, address: Address) -> AbstractAsyncContextManager[int]:
        """The port where they are received until the block ends. Raises: UsageError where nobody can listen there."""
        return receiving(address, self.refuses, self.answers)

    def refuses(self, head: Head) -> Reply | None:
        """Why a request is answered without reading what it brings; None where it is read."""
        if head.path == HEALTH and head.method == "GET":
            return Reply(200, "well")
        if head.path != PATH:
            return Reply(404, "nothing here")
        if head.method != "POST":
            return Reply(405, "POST only")
        if head.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return self._refused(Reply(415, "application/json only"), "its content type is not application/json")
        if not head.headers.get("x-hub-signature-256", "").startswith("sha256="):
            return self._refused(Reply(401, "not signed"), "it carries no SHA-256 signature")
        return None

    async def answers(self, head: Head, body: bytes) -> Reply:
        """The answer to a delivery. Effect: its repository is woken, if it is a new one of a kind that may matter."""
        if not self._is_signed(body, head.headers["x-hub-signature-256"]):
            return self._refused(Reply(401, "wrong signature"), "its signature is not of our secret")
        self._told.clear()
        delivery, event = head.headers.get("x-github-delivery", ""), head.headers.get("x-github-event", "")
        if not _DELIVERY.fullmatch(delivery):
            return Reply(400, "no X-GitHub-Delivery")
        named = _repository(body)
        if named is None:
            return Reply(400, "not JSON")
        woken = [key for title, key in self._repos if title == named.lower()]
        if event not in EVENTS or not woken:
            return Reply(202, "ignored")
        try:
            is_new = await self._heard.hear(delivery, hashlib.sha256(body).hexdigest())
        except OutsideError:
            return Reply(503, "not now")
        for key in woken if is_new else ():
            self._wake(key)
        return HEARD if is_new else SEEN

    def _is_signed(self, body: bytes, said: str) -> bool:
        ours = hmac.new(self._secret.get_secret_value().strip().encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(f"sha256={ours}".encode(), said.encode("utf-8", "replace"))

    def _refused(self, reply: Reply, why: str) -> Reply:
        if reply.status not in self._told:
            self._told.add(reply.status)
            self._tell(f"a webhook was refused: {why}")
        return reply


def _repository(body: bytes) -> str | None:
    """The `owner/name` that a delivery is about, empty where it names none; None where it is no JSON object."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    repository = said.get("repository")
    name = repository.get("full_name") if isinstance(repository, dict) else None
    return name if isinstance(name, str) else ""
