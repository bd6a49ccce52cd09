"""Which repository of which GitHub, and who goes in."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import SecretStr

from agentos.adapters.github.access import Access, GitAuthorization, TokenAccess
from agentos.domain.error import UsageError
from agentos.workspace.target import Target

PUBLIC_API = "https://api.github.com"
TOKEN_HINT = "set AGENTOS_GITHUB_TOKEN to a token for it (docs/howto/github.md says which rights it needs)"  # noqa: S105
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_OWN_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})

MergeMethod: TypeAlias = Literal["merge", "squash", "rebase"]


@dataclass(frozen=True, slots=True)
class GitHubPlace:
    """One repository: `api_url` without a slash at its end, `web_url` of its server, and who may go in.
    `drafts`: pull requests begin as drafts there. `project`: the board, as the settings name it."""

    api_url: str
    web_url: str
    owner: str
    name: str
    access: Access
    merge_method: MergeMethod = "merge"
    drafts: bool = True
    project: str = ""

    @classmethod
    def named(
        cls, repo_key: str, access: Access | SecretStr | None, *, api_url: str = "", merge_method: MergeMethod = "merge"
    ) -> "GitHubPlace":
        """The place that the repo-key `host/owner/name` names.

        Raises: UsageError where it names none, where there is no token, or where the token would go to a host that the
        operator did not name: a repository may say where it comes from, but not who gets the token.
        """
        host, owner, name = _parts(repo_key)
        api = (api_url or PUBLIC_API).rstrip("/")
        parts = urlsplit(api)
        if parts.scheme != "https" and parts.hostname not in _OWN_MACHINE:
            raise UsageError(f"github.api_url is {api}: a token goes over https only")
        web = _web_url(api)
        if (urlsplit(web).hostname or "") != host:
            raise UsageError(
                f"the repository's origin is on {host}, and github.api_url means {urlsplit(web).hostname}: "
                f"set github.api_url to the API of {host} (GitHub Enterprise: https://{host}/api/v3)"
            )
        if access is None or (isinstance(access, SecretStr) and not access.get_secret_value().strip()):
            raise UsageError(f"GitHub asks for a token: {TOKEN_HINT}")
        way_in = TokenAccess(access) if isinstance(access, SecretStr) else access
        return cls(api, web, owner, name, way_in, merge_method)

    @property
    def title(self) -> str:
        """How people call it: `owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def path(self) -> str:
        """Where its part of the API begins."""
        return f"/repos/{self.owner}/{self.name}"

    @property
    def graphql_url(self) -> str:
        """The server's other API; on a GitHub Enterprise server it lies beside the version of the first one."""
        return f"{self.api_url.removesuffix('/v3')}/graphql"

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self.web_url}/{self.owner}/{self.name}"

    def git_target(self) -> Target:
        """The repository for git: its URL, and the token as a header that only the one git command is told."""
        return Target(f"{self.url}.git", GitAuthorization(self.access))


def _parts(repo_key: str) -> tuple[str, str, str]:
    parts = repo_key.split("/")
    if len(parts) != 3 or not all(_NAME.fullmatch(part) for part in parts):
        raise UsageError(
            f"{repo_key} is no repository on GitHub: let `origin` be its address there "
            "(git remote add origin https://github.com/OWNER/NAME.git)"
        )
    return parts[0], parts[1], parts[2]


def _web_url(api: str) -> str:
    """The server's own address: GitHub's and GHE.com's API has a host of its own, a GitHub Enterprise Server's a path."""
    parts = urlsplit(api)
    host = parts.netloc.removeprefix("api.") if not parts.path else parts.netloc
    return f"{parts.scheme}://{host}"
