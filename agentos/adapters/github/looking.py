"""What a token finds at GitHub, before anybody relies on it."""

from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.wire import RepositoryAnswer
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.clock import Clock


async def look(place: GitHubPlace, clock: Clock) -> str:
    """One line about the repository. Raises: OutsideError where it is not there for the token, or not to be written to."""
    found = await GitHubClient(place, clock).get("", RepositoryAnswer)
    if found.archived:
        raise OutsideError(f"{place.title} is archived: nothing can be written there", kind=FailureKind.DENIED)
    if found.permissions.get("push") is False:
        raise OutsideError(
            f"the token may read {place.title} and not write: give it the rights that docs/howto/github.md names",
            kind=FailureKind.DENIED,
        )
    return f"{found.full_name} at {place.api_url}"
