"""A repository on GitHub made ready for AgentOS: labels, and one pull request with what a person has to agree to.

Everything is found or made: doing it again changes nothing.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.labels import LABEL_DRAFTS
from agentos.adapters.github.pace import Pace
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.wire import Label, PullAnswer, RepositoryAnswer
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.finding import Check, Grade
from agentos.ports.clock import Clock

T = TypeVar("T")
BRANCH = "agentos/set-up"
TELLING = (
    *("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "uv.lock", "package.json", "package-lock.json"),
    *("go.mod", "Cargo.toml", "Makefile"),
)
"""Files at the top of a repository that tell how it is tested."""
_READ = ("package.json", "Makefile")
_BY_HAND = "commit these files to the base branch yourself: {files} (docs/howto/github.md shows what is in them)"
_BODY = """\
This lets AgentOS work in this repository, once a person merges it.

{files}

Please look at `commands` in `WORKFLOW.md` first: the test command is a guess from the files at the top of the repository, and what it
says decides about every change. AgentOS reads `WORKFLOW.md` from the base branch only; without it, no work begins.
"""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _Sha(_Read):
    sha: str


class _Ref(_Read):
    object: _Sha


class _Commit(_Read):
    sha: str
    tree: _Sha


class _Entry(_Read):
    path: str
    type: str
    sha: str


class _Tree(_Read):
    sha: str
    tree: tuple[_Entry, ...] = ()


class _File(_Read):
    content: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is proposed: the policy of a repository whose telling files lie in a folder, and files that are always the same."""

    policy_name: str
    policy: Callable[[Path], str]
    others: Mapping[str, str]


class GitHubSetUp:
    """Sets `place` up."""

    def __init__(self, place: GitHubPlace, clock: Clock, pace: Pace | None = None) -> None:
        self._place = place
        self._api = GitHubClient(place, clock, pace)

    async def make(self, draft: Draft) -> tuple[Check, ...]:
        """What was made or found, and what could not be made, with how to do it by hand. Effect: all that could be."""
        return (
            await _told("labels", self._labels(), f"make them at {self._place.url}/labels: {_names()}"),
            await _told("pull request", self._propose(draft), _BY_HAND.format(files=_listed(_paths(draft)))),
        )

    async def _labels(self) -> Check:
        there = {each.name.lower() for each in await self._api.pages("/labels", Label)}
        made = [each for each in LABEL_DRAFTS if each.name.lower() not in there]
        for each in made:
            body = {"name": each.name, "color": each.color, "description": each.description}
            try:
                await self._api.make("POST", "/labels", body, Label, again=True)
            except OutsideError as exc:
                if "already_exists" not in str(exc):  # somebody else, or a request of ours whose answer was lost
                    raise
        said = f"made: {', '.join(each.name for each in made)}" if made else "all there already"
        return Check("labels", Grade.OK, said)

    async def _propose(self, draft: Draft) -> Check:
        base = (await self._api.get("", RepositoryAnswer)).default_branch
        head = await self._head(base)
        if head is None:
            return Check(
                "pull request", Grade.FAIL, f"{self._place.title} has no commit on {base}", "make a first commit there"
            )
        lacking = [path for path in _paths(draft) if not await self._holds(path, head)]
        if not lacking:
            return Check("pull request", Grade.OK, f"{_listed(_paths(draft))}: on {base} already, nothing to propose")
        found = await self._proposal()
        if found is not None and found.state == "open":
            return Check("pull request", Grade.OK, f"proposed already, for a person to merge: {found.html_url}")
        if found is not None and found.merged_at is None:
            words = f"{found.html_url} was closed without a merge, and is not asked for again"
            return Check(
                "pull request", Grade.FAIL, words, f"open it again, or {_BY_HAND.format(files=_listed(lacking))}"
            )
        if await self._head(BRANCH) is None:
            await self._commit(head, {path: await self._text(path, draft, head) for path in lacking})
        return await self._open(base, lacking)

    async def _proposal(self) -> PullAnswer | None:
        head = f"{self._place.owner}:{BRANCH}"
        found = await self._api.pages("/pulls", PullAnswer, state="all", head=head)
        return max((each for each in found if each.head.ref == BRANCH), key=lambda each: each.number, default=None)

    async def _open(self, base: str, lacking: list[str]) -> Check:
        files = "\n".join(f"- `{path}`" for path in lacking)
        body = {"title": "Let AgentOS work here", "head": BRANCH, "base": base, "body": _BODY.format(files=files)}
        try:
            made = await self._api.make("POST", "/pulls", body, PullAnswer, again=False)
        except OutsideError:
            # An answer that was lost: what is there now decides.
            found = await self._proposal()
            if found is None or found.state != "open":
                raise
            made = found
        return Check("pull request", Grade.OK, f"proposed {_listed(lacking)}, for a person to merge: {made.html_url}")

    async def _head(self, branch: str) -> str | None:
        found = await _unless_gone(self._api.get(f"/git/ref/heads/{quote(branch)}", _Ref))
        return found.object.sha if found is not None else None

    async def _holds(self, path: str, commit: str) -> bool:
        return await _unless_gone(self._api.get(f"/contents/{quote(path)}", _File, ref=commit)) is not None

    async def _commit(self, parent: str, files: Mapping[str, str]) -> None:
        """Effect: the branch is a commit on `parent` with `files` in it."""
        base = await self._api.get(f"/git/commits/{parent}", _Commit)
        entries = [{"path": path, "mode": "100644", "type": "blob", "content": text} for path, text in files.items()]
        tree_body = {"base_tree": base.tree.sha, "tree": entries}
        tree = await self._api.make("POST", "/git/trees", tree_body, _Tree, again=True)
        commit_body = {"message": "Let AgentOS work here", "tree": tree.sha, "parents": [parent]}
        made = await self._api.make("POST", "/git/commits", commit_body, _Commit, again=True)
        ref = {"ref": f"refs/heads/{BRANCH}", "sha": made.sha}
        try:
            await self._api.make("POST", "/git/refs", ref, _Ref, again=False)
        except OutsideError:
            if await self._head(BRANCH) is None:
                raise

    async def _text(self, path: str, draft: Draft, commit: str) -> str:
        if path != draft.policy_name:
            return draft.others[path]
        with TemporaryDirectory() as folder:
            await self._copy_telling(commit, Path(folder))
            return draft.policy(Path(folder))

    async def _copy_telling(self, commit: str, folder: Path) -> None:
        """Effect: what tells how the repository is tested lies in `folder`; most of it by name alone."""
        there = {(each.path, each.type): each.sha for each in (await self._tree(commit)).tree}
        for name in TELLING:
            if (name, "blob") in there:
                (folder / name).write_bytes(await self._bytes(name, commit) if name in _READ else b"")
        if ("tests", "tree") in there:
            (folder / "tests").mkdir()
            for each in (await self._tree(there["tests", "tree"])).tree:
                if each.path.startswith("test_") and each.path.endswith(".py"):
                    (folder / "tests" / "test_.py").touch()

    async def _tree(self, sha: str) -> _Tree:
        return await self._api.get(f"/git/trees/{sha}", _Tree)

    async def _bytes(self, path: str, commit: str) -> bytes:
        found = await self._api.get(f"/contents/{path}", _File, ref=commit)
        try:
            return base64.b64decode(found.content)
        except (binascii.Error, ValueError):
            return b""


async def _told(name: str, made: Awaitable[Check], by_hand: str) -> Check:
    """What came of it, or what kept us from it and how it is done by hand."""
    try:
        return await made
    except OutsideError as exc:
        return Check(name, Grade.FAIL, str(exc), by_hand)


async def _unless_gone(asked: Awaitable[T]) -> T | None:
    try:
        return await asked
    except OutsideError as exc:
        if exc.kind not in (FailureKind.GONE, FailureKind.CONFLICT):  # CONFLICT: a repository without any commit
            raise
        return None


def _paths(draft: Draft) -> list[str]:
    return [*draft.others, draft.policy_name]


def _listed(paths: list[str]) -> str:
    return " and ".join(paths)


def _names() -> str:
    return ", ".join(each.name for each in LABEL_DRAFTS)
