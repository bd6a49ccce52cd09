"""A GitHub App of the fake: its key, its installations, tokens that end by GitHub's clock, and who is let in with what."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from githubkit_schemas.v2022_11_28 import models as gh
from jwt.types import Options

from tests.github.samples import filled

if TYPE_CHECKING:
    from tests.github.fake import Who

APP_ID, SLUG, INSTALLATION = "4242", "agentos-acme", 77
ITSELF: "Who" = (40, SLUG, "App")
BOT: "Who" = (41, f"{SLUG}[bot]", "Bot")
ALL_RIGHTS = {
    "metadata": "read",
    "issues": "write",
    "contents": "write",
    "pull_requests": "write",
    "checks": "read",
    "statuses": "read",
    "actions": "write",
    "deployments": "write",
    "organization_projects": "write",
}
LASTS = timedelta(hours=1)


@cache
def private_key() -> str:
    """The key of the App, as GitHub gives it to its owner; made once, for that takes long."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    format_, no_secret = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, format_, no_secret).decode()


@cache
def public_key() -> Any:
    """What GitHub keeps of it."""
    return serialization.load_pem_private_key(private_key().encode(), None).public_key()


@dataclass
class FakeApp:
    """The App as GitHub keeps it; `now` is GitHub's clock, which tests move."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    rights: dict[str, str] = field(default_factory=lambda: dict(ALL_RIGHTS))
    is_installed: bool = True
    ends: dict[str, datetime] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Why each signature or token was not taken."""

    def date(self) -> str:
        """The time as a header tells it."""
        return format_datetime(self.now, usegmt=True)

    def pass_time(self, seconds: float) -> None:
        """Effect: so much later."""
        self.now += timedelta(seconds=seconds)

    def give(self) -> dict[str, Any]:
        """A new token of the installation."""
        token = f"ghs_canary{len(self.ends):030d}"
        self.ends[token] = self.now + LASTS
        until = self.ends[token].strftime("%Y-%m-%dT%H:%M:%SZ")
        return filled(gh.InstallationToken, token=token, expires_at=until, permissions=self.rights)

    def revoke(self) -> None:
        """Effect: no token of before is good any more."""
        self.ends.clear()

    def who(self, header: str, *, for_app: bool) -> "Who | None":
        """Whoever shows that: the App itself where it may, its bot elsewhere; None for a stranger."""
        word = header.partition(" ")[2]
        if header.startswith("Basic "):
            word = base64.b64decode(word).decode().removeprefix("x-access-token:")
        why = self._signature(word) if for_app else self._token(word)
        if why:
            self.refused.append(why)
            return None
        return ITSELF if for_app else BOT

    def _token(self, word: str) -> str:
        until = self.ends.get(word)
        return "" if until is not None and self.now < until else "unknown or expired token"

    def _signature(self, word: str) -> str:
        """Why it is none of the App, by GitHub's rules: RS256, its own id, and at most ten minutes ahead."""
        ours = Options(verify_exp=False, verify_iat=False, verify_nbf=False)
        try:
            claims = jwt.decode(word, public_key(), algorithms=["RS256"], options=ours)
        except jwt.PyJWTError as exc:
            return f"bad signature: {exc}"
        now = self.now.timestamp()
        if claims["iss"] != APP_ID:
            return "another app"
        if claims["iat"] > now:
            return "issued in the future"
        return "" if now < claims["exp"] <= now + 600 else "expired, or too far in the future"
