"""Who we are at GitHub, exactly: only what that account wrote is ours."""

from urllib.parse import quote

from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.wire import Account
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind


async def account_of(api: GitHubClient) -> Account:
    """The account whose comments are ours: the App's own bot, or whoever made the token. Raises: OutsideError."""
    login = await api.place.access.login()
    if login:
        return await api.get(f"/users/{quote(login, safe='')}", Account)
    try:
        return await api.get("/user", Account)
    except OutsideError as exc:
        if exc.kind is not FailureKind.DENIED or "integration" not in str(exc):
            raise
        raise OutsideError(
            f"the token belongs to a GitHub App and may not ask who it is, so comments of ours could not be told from "
            f"another's ({exc}): set github.app_id and the App's private key instead (docs/howto/github.md)",
            kind=FailureKind.DENIED,
        ) from exc
