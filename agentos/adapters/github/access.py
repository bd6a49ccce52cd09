"""Who goes in to GitHub: the word that opens a repository for the API and for git, good at the moment it is asked for."""

import base64
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

TOKEN_MEND = "let AGENTOS_GITHUB_TOKEN hold a valid one"  # noqa: S105


class Access(Protocol):
    """One way in."""

    @property
    def mend(self) -> str:
        """What a person does where GitHub does not know it."""
        ...

    def __hash__(self) -> int:
        """The same for the same account."""
        ...

    async def token(self) -> SecretStr:
        """The token to show now. Raises: OutsideError where none is to be had."""
        ...

    def renews(self, refused: SecretStr, date: str) -> bool:
        """Whether asking once more makes sense after GitHub did not know `refused`; `date`: its answer's header `Date`.

        Effect: that token is not shown again.
        """
        ...

    async def login(self) -> str:
        """The account that writes; empty where the token itself has to be asked. Raises: OutsideError."""
        ...


@dataclass(frozen=True, slots=True)
class TokenAccess:
    """A token that a person made: as it is for as long as it lasts."""

    secret: SecretStr
    mend: str = TOKEN_MEND

    async def token(self) -> SecretStr:
        """The token."""
        return self.secret

    def renews(self, refused: SecretStr, date: str) -> bool:
        """Never: another one only a person can make."""
        return False

    async def login(self) -> str:
        """Empty: GitHub tells it to whoever has the token."""
        return ""


@dataclass(frozen=True, slots=True)
class GitAuthorization:
    """What opens the repository for git: a header, asked for anew before each command."""

    access: Access

    async def header(self) -> str:
        """The value of the header `Authorization`."""
        token = await self.access.token()
        return f"Basic {base64.b64encode(f'x-access-token:{token.get_secret_value()}'.encode()).decode()}"

    def renews(self, refused: str) -> bool:
        """Whether there may be another header than `refused`, which git was told is not known."""
        _, _, token = base64.b64decode(refused.removeprefix("Basic ")).decode().partition(":")
        return self.access.renews(SecretStr(token), "")
