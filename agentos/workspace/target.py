"""The person's repository, seen only through git's own transfer programs, with its hooks and settings switched off."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.workspace.contents import RepositoryContents
from agentos.workspace.git import Git, GitResult, complaint, failure, remote_program

SHA1_LENGTH = 40
_URL = re.compile(r"(?:https?|ssh|file)://[^\s-]\S*")

_REMOTE = {
    FailureKind.DENIED: (
        ("authentication failed", "could not read username", "error: 401", "error: 403", "permission to", "permission denied"),
        "give the token or key the right to read and write its contents",
    ),
    FailureKind.GONE: (
        ("repository not found", "error: 404", "error: 30", "not found", "unable to update url base from redirection"),
        "it is not there under that name, or not for this token: look at the address of origin",
    ),
    FailureKind.TRANSIENT: (
        ("could not resolve", "failed to connect", "connection", "timed out", "error: 5", "error: 429", "rpc failed",
         "early eof", "hung up unexpectedly", "ssl"),
        "look at the network, or try again later",
    ),
}  # fmt: skip
"""What git and curl say of a remote, by what it means."""


class Authorization(Protocol):
    """What opens a repository that is reached over HTTP."""

    async def header(self) -> str:
        """The value of `Authorization` for the next command. Raises: OutsideError where there is none."""
        ...

    def renews(self, refused: str) -> bool:
        """Whether another header than `refused` may be had, now that the server does not know it."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """A repository somebody else owns: `address` is an absolute path or a URL, nothing else git might take it for.

    `authorization` gives the HTTP header that opens it; a git command gets it by its environment alone.
    """

    address: str
    authorization: Authorization | None = field(default=None, repr=False)

    @classmethod
    def at(cls, place: "Path | str | Target") -> "Target":
        """The target at a folder or URL. Raises: UsageError for anything else."""
        if isinstance(place, Target):
            return place
        if isinstance(place, Path) or place.startswith("/"):
            return cls(str(Path(place).absolute()))
        if _URL.fullmatch(place):
            return cls(place)
        raise UsageError(f"{place!r} is neither a folder nor an http, https, ssh or file URL")

    @property
    def is_local(self) -> bool:
        """Whether the target is a folder on this machine."""
        return self.address.startswith("/")

    def program(self, name: str) -> tuple[str, ...]:
        """The option that makes the far side (`upload-pack`, `receive-pack`) run without hooks; none for a URL."""
        return (f"--{name}={remote_program(name)}",) if self.is_local else ()

    async def asked_by(self, git: Git, *args: str) -> GitResult:
        """What `git` says of a command that speaks to the target. Repeated once where the header was not known there:
        nothing was done then."""
        if self.authorization is None:
            return await git.run(*args, check=False)
        header = await self.authorization.header()
        result = await git.run(*args, env=self._env(header), check=False)
        if result.exit_code != 0 and _is_unknown(result) and self.authorization.renews(header):
            result = await git.run(*args, env=self._env(await self.authorization.header()), check=False)
        return result

    def _env(self, header: str) -> Mapping[str, str]:
        """The header, for this address alone, and no following to another one."""
        settings = {
            f"http.{self.address}.extraHeader": f"Authorization: {header}",
            "http.followRedirects": "false",
        }
        pairs = {f"GIT_CONFIG_KEY_{at}": key for at, key in enumerate(settings)}
        pairs |= {f"GIT_CONFIG_VALUE_{at}": value for at, value in enumerate(settings.values())}
        return {"GIT_CONFIG_COUNT": str(len(settings)), **pairs}

    async def refs(self, *patterns: str) -> dict[str, str]:
        """The refs that match `patterns`, by full name; `HEAD@` gives the branch that HEAD stands on, if any.

        Raises: UsageError where there is no git repository at a local address.
        """
        args = ("ls-remote", "--symref", *self.program("upload-pack"), "--", self.address, *patterns)
        result = await self.asked_by(Git(None), *args)
        if result.exit_code != 0:
            raise self._unreachable(result, args)
        found = {}
        for line in result.text.splitlines():
            value, _, name = line.partition("\t")
            if value.startswith("ref: "):
                found[f"{name}@"] = value.removeprefix("ref: ")
            else:
                found[name] = value
        return found

    async def ref(self, name: str) -> str | None:
        """The commit that the full ref `name` points to there; None if it does not exist."""
        return (await self.refs(name)).get(name)  # the pattern matches tails as well: take the exact name only

    async def default_branch(self) -> str:
        """The name of the branch that `default_head` is of."""
        return (await self.default_head())[0]

    async def default_head(self) -> tuple[str, str]:
        """The branch HEAD stands on, and its commit; where HEAD is detached or points nowhere: main, master, or the
        only branch.

        Raises: UsageError where there is no commit, or several branches and no telling which.
        """
        refs = await self.refs("HEAD", "refs/heads/*")
        branches = [name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/")]
        if not branches:
            raise self.no_commits()
        if len(refs[f"refs/heads/{branches[0]}"]) != SHA1_LENGTH:
            raise UsageError(
                f"{self.address} names its objects by SHA-256, which AgentOS cannot work with yet: it needs a repository"
                " made with git's default, SHA-1"
            )
        head = refs.get("HEAD@", "").removeprefix("refs/heads/")
        candidates = [head, "main", "master", *(branches if len(branches) == 1 else [])]
        for candidate in candidates:
            if candidate in branches:
                return candidate, refs[f"refs/heads/{candidate}"]
        raise UsageError(
            f"{self.address} stands on no branch, and neither main nor master exists: check a branch out, or name the base"
        )

    def no_commits(self) -> UsageError:
        """The error for a repository without any commit."""
        return UsageError(f"{self.address} has no commits yet: make a first commit there, then try again")

    def contents(self) -> RepositoryContents:
        """Reading access to a local target's own objects, without the repository we own: for rehearsals, which may
        change nothing anywhere. Only for reading files by commit; it shows the target as it is at this moment.
        """
        inner = Path(self.address, ".git")
        return RepositoryContents(Git(inner if inner.exists() else Path(self.address)))

    def refusal(self, result: GitResult, args: tuple[str, ...]) -> OutsideError:
        """Why the other side of a URL did not do what git asked: rights, nothing there, or out of reach."""
        words = result.stderr.lower()
        for kind, (signs, hint) in _REMOTE.items():
            if not self.is_local and any(sign in words for sign in signs):
                said = complaint(result)
                return OutsideError(f"git {args[0]} did not reach {self.address} ({said}); {hint}", kind=kind)
        return failure(result, args)

    def _unreachable(self, result: GitResult, args: tuple[str, ...]) -> UsageError | OutsideError:
        if not self.is_local:
            return self.refusal(result, args)
        if "does not appear to be a git repository" in result.stderr:
            return UsageError(f"{self.address} is not a git repository: run `git init` there or name another folder")
        why = complaint(result).removeprefix("fatal: ")
        return UsageError(
            f"git cannot read {self.address} ({why}): mend it until `git log` works there, then try again"
        )


def _is_unknown(result: GitResult) -> bool:
    """Whether the server did not know who asked, as git and curl say it."""
    words = result.stderr.lower()
    return any(sign in words for sign in ("authentication failed", "could not read username", "error: 401"))
