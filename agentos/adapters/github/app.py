"""A GitHub App as a way in: it signs its own name, is given a token for one repository, and asks for the next in time."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.ports.clock import Clock
from agentos.telemetry.redaction import know_secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from agentos.adapters.github.client import GitHubClient
    from agentos.adapters.github.place import GitHubPlace

T = TypeVar("T")
SIGNED_BEFORE_S, SIGNED_FOR_S = 60, 540
"""A signature is dated a minute back, for clocks that differ, and ends within the ten minutes GitHub allows."""
RENEWED_BEFORE_S = 600.0
"""A token is not begun with in its last ten minutes: the longest command that shows it may still be on its way."""
APP_MEND = "look at github.app_id and the private key: they must be those of one App, and the key not deleted there"
_SKEW_S = 5.0
"""From here on a clock that differs from GitHub's may be why a signature was refused."""


@dataclass(frozen=True, slots=True)
class App:
    """A GitHub App as the settings name it; `installation_id` None: found by the repository."""

    app_id: str
    private_key: SecretStr
    installation_id: int | None = None


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class AppAnswer(_Read):
    """The App as GitHub knows it."""

    slug: str
    events: tuple[str, ...] = ()


class InstallationAnswer(_Read):
    """Where the App was installed."""

    id: int


class TokenAnswer(_Read):
    """A token of an installation, and what it may do."""

    token: SecretStr
    expires_at: datetime
    permissions: dict[str, str] = Field(default_factory=dict)


class Signature:
    """The App itself, which signs what it asks with its private key. Effect: this process never says the key."""

    def __init__(self, app: App, clock: Clock) -> None:
        self.mend = APP_MEND
        self._app = app
        self._clock = clock
        self._skew_s = 0.0
        know_secrets(_pieces(app.private_key))

    async def token(self) -> SecretStr:
        """A JSON web token of this moment, as GitHub's clock has it. Raises: UsageError where the key is none."""
        import jwt  # cryptography takes long to import, and only an App needs it

        key = _signing_key(self._app.private_key)
        now = int(self._clock.now().timestamp() + self._skew_s)
        claims = {"iss": self._app.app_id, "iat": now - SIGNED_BEFORE_S, "exp": now + SIGNED_FOR_S}
        return SecretStr(jwt.encode(claims, key, algorithm="RS256"))

    def renews(self, refused: SecretStr, date: str) -> bool:
        """Whether our clock was wrong by GitHub's, which is believed from now on."""
        try:
            skew_s = (parsedate_to_datetime(date) - self._clock.now()).total_seconds()
        except (TypeError, ValueError):
            return False
        was, self._skew_s = self._skew_s, skew_s
        return abs(skew_s - was) > _SKEW_S

    async def login(self) -> str:
        """Empty: an App itself writes nothing."""
        return ""


class AppAccess:
    """The token of the App's installation for one repository, shared by all that ask for it.

    `signed` is the repository as the App itself may ask about it. When a token ends is judged by GitHub's own clock: from
    the date of its answer on, by the seconds that passed here.
    """

    def __init__(self, app: App, signed: "GitHubPlace", clock: Clock) -> None:
        self.mend = APP_MEND
        self.permissions: dict[str, str] = {}
        self._app, self._signed, self._clock = app, signed, clock
        self._token: SecretStr | None = None
        self._until_s = 0.0
        self._installation = app.installation_id
        self._slug = ""

    async def token(self) -> SecretStr:
        """The token, a new one where the last is about to end. Raises: OutsideError where the App is not let in."""
        if self._token is None or self._clock.monotonic_s() >= self._until_s:
            path = f"/app/installations/{await self.installation()}/access_tokens"
            body = {"repositories": [self._signed.name]}
            made, at = await self._let_in(self._api().make_dated("POST", path, body, TokenAnswer))
            self._keep(made, at)
            return made.token
        return self._token

    def renews(self, refused: SecretStr, date: str) -> bool:
        """Always: a token that was revoked makes room for a new one, once for each that was refused."""
        if self._token == refused:
            self._token = None
        return True

    async def login(self) -> str:
        """The App's account, as its comments come from."""
        return f"{await self.slug()}[bot]"

    async def slug(self) -> str:
        """The App's name in addresses."""
        if not self._slug:
            self._slug = (await self._api().get("/app", AppAnswer)).slug
        return self._slug

    async def installation(self) -> int:
        """The number of the installation that reaches the repository. Raises: OutsideError where there is none."""
        if self._installation is None:
            self._installation = (await self._let_in(self._api().get("/installation", InstallationAnswer))).id
        return self._installation

    async def _let_in(self, asked: Awaitable[T]) -> T:
        try:
            return await asked
        except OutsideError as exc:
            if exc.kind not in (FailureKind.GONE, FailureKind.INVALID):
                raise
            self._installation = self._app.installation_id  # another one may be made meanwhile
            raise OutsideError(
                f"the GitHub App {self._app.app_id} is not installed on {self._signed.title} ({exc}): install it there (the "
                "App's page, “Install App”), or mend github.app_id and github.installation_id",
                kind=FailureKind.DENIED,
            ) from exc

    def _keep(self, made: TokenAnswer, at: datetime) -> None:
        know_secrets((made.token.get_secret_value(),))
        lasts_s = (made.expires_at - at).total_seconds()
        # Of one that is shorter than the margin, half its time is used.
        used_s = max(lasts_s - RENEWED_BEFORE_S, lasts_s / 2)
        self._token, self._until_s = made.token, self._clock.monotonic_s() + used_s
        self.permissions = made.permissions

    def _api(self) -> "GitHubClient":
        from agentos.adapters.github.client import GitHubClient  # which shows what we sign

        return GitHubClient(self._signed, self._clock)


@cache
def _signing_key(key: SecretStr) -> "RSAPrivateKey":
    """The key as it signs, read once: proving that it is one takes a tenth of a second. Raises: UsageError for none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(key.get_secret_value().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # whose words may quote the key
        found = None
    if not isinstance(found, RSAPrivateKey):
        raise UsageError(
            "the private key of the GitHub App is no RSA key in PEM form: take the file that GitHub gave you"
        )
    return found


def _pieces(key: SecretStr) -> tuple[str, ...]:
    """The key, and each line of it that says anything: a part of it must not be told either."""
    text = key.get_secret_value()
    return (text, *(line for line in text.split("\n") if len(line) > 30 and "KEY-----" not in line))
