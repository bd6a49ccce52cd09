"""What AgentOS has to be allowed at GitHub, what for, and what is missing of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

_LEVELS = ("", "read", "write", "admin")
CLASSIC = "repo"


@dataclass(frozen=True, slots=True)
class Right:
    """One permission as GitHub names it. `probe`: where an empty change is refused for want of it, and does nothing
    otherwise. `is_needed`: without it no run works; else less does."""

    name: str
    level: str
    use: str
    probe: str = ""
    is_needed: bool = True

    def __str__(self) -> str:
        """As people read it on the page where it is given."""
        level = "read and write" if self.level == "write" else self.level
        return f"{self.name.replace('_', ' ').capitalize()}: {level} ({self.use})"


RIGHTS = (
    Right("metadata", "read", "everything"),
    Right("issues", "write", "reading issues, comments, labels, closing", "/issues"),
    Right("contents", "write", "the branch, and merging", "/git/refs"),
    Right("pull_requests", "write", "opening, reading reviews, merging", "/pulls"),
    Right("checks", "read", "waiting for the repository's CI", is_needed=False),
    Right("statuses", "read", "waiting for the repository's CI", is_needed=False),
    Right("actions", "write", "running a failed check again", is_needed=False),
    Right("deployments", "write", "showing where a change can be tried", is_needed=False),
    Right("organization_projects", "write", "moving the card of a project", is_needed=False),
)


def missing(rights: Iterable[Right], held: Mapping[str, str]) -> tuple[Right, ...]:
    """Those of `rights` that `held` (permission to level, as GitHub tells it) does not hold, or not as far."""
    return tuple(each for each in rights if _LEVELS.index(each.level) > _rank(held.get(each.name, "")))


def lacks_scope(scopes: Collection[str], *, is_private: bool) -> bool:
    """Whether a classic token with `scopes` may not do the work."""
    return CLASSIC not in scopes and (is_private or "public_repo" not in scopes)


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0
