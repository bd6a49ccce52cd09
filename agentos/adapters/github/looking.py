"""What a token or an App finds at GitHub, before anybody relies on it."""

from collections.abc import Collection, Iterable

from agentos.adapters.github.account import account_of
from agentos.adapters.github.app import AppAccess
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.rights import CLASSIC, RIGHTS, Right, lacks_scope, missing
from agentos.adapters.github.wire import RepositoryAnswer
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.finding import Check, Grade
from agentos.ports.clock import Clock

NAME = "GitHub"


async def look(place: GitHubPlace, clock: Clock, unused: Collection[str] = ()) -> tuple[Check, ...]:
    """Who goes in to the repository and as what, and what they may not do there. Nothing is changed. `unused`: rights that
    nothing here needs, as the settings are.

    Raises: OutsideError where it is not there for them, or not to be written to by anybody.
    """
    api = GitHubClient(place, clock)
    found, scopes = await api.get_with("", RepositoryAnswer, "x-oauth-scopes")
    if found.archived:
        raise OutsideError(f"{place.title} is archived: nothing can be written there", kind=FailureKind.DENIED)
    if isinstance(place.access, AppAccess):
        who = f"the App {await place.access.slug()} (installation {await place.access.installation()})"
        lacking = missing([each for each in RIGHTS if each.name not in unused], place.access.permissions)
        mend = (
            "give it to the App on its page (Permissions & events), then accept the request where it is installed: "
            f"{place.web_url}/settings/installations"
        )
    else:
        who = f"{(await account_of(api)).login}, by a token"
        if found.permissions.get("push") is False:
            raise OutsideError(
                f"the token may read {place.title} and not write: give it the rights that docs/howto/github.md names",
                kind=FailureKind.DENIED,
            )
        if scopes is not None:
            return (_seen(found, place, who), *_of_scopes(scopes, place, is_private=found.private))
        lacking = tuple([each for each in RIGHTS if each.probe and not await api.may_post(each.probe)])
        mend = f"give it to the token: {place.web_url}/settings/personal-access-tokens"
    return (_seen(found, place, who), *_graded(lacking, mend))


def _seen(found: RepositoryAnswer, place: GitHubPlace, who: str) -> Check:
    return Check(NAME, Grade.OK, f"{found.full_name} at {place.api_url}, as {who}")


def _graded(lacking: Iterable[Right], mend: str) -> tuple[Check, ...]:
    return tuple(
        Check(NAME, Grade.FAIL if each.is_needed else Grade.WARN, f"not allowed: {each}", mend) for each in lacking
    )


def _of_scopes(told: str, place: GitHubPlace, *, is_private: bool) -> tuple[Check, ...]:
    scopes = {each.strip() for each in told.split(",")}
    page = f"{place.web_url}/settings/tokens"
    checks = []
    if lacks_scope(scopes, is_private=is_private):
        wanted = CLASSIC if is_private else f"{CLASSIC} (or public_repo)"
        checks.append(Check(NAME, Grade.FAIL, f"the token lacks the scope {wanted}", f"give it to the token: {page}"))
    if "workflow" in scopes:
        words = "the token may change .github/workflows, which AgentOS never needs"
        checks.append(Check(NAME, Grade.WARN, words, f"take the scope workflow from it: {page}"))
    return tuple(checks)
