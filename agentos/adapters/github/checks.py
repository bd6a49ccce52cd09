"""The checks of a commit at GitHub: check runs, commit statuses and suites as one list, and what a branch requires."""

import re
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote

from agentos.adapters.github.actions import jobs_of, state_of
from agentos.adapters.github.checks_wire import (
    AnnotationAnswer,
    AppAnswer,
    CheckRunAnswer,
    CheckRunsPage,
    ProtectionAnswer,
    RequiredCheck,
    RuleAnswer,
    StatusAnswer,
    SuiteAnswer,
    SuitesPage,
)
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.elsewhere import text_at
from agentos.domain.ci import CiCheck, CiReport, CiState
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import clean_text

T = TypeVar("T")
ACTIONS = "github-actions"
_REFUSED = frozenset({FailureKind.GONE, FailureKind.DENIED, FailureKind.INVALID})
_ABSENT = frozenset({FailureKind.GONE})
_RUN_URL = re.compile(r"/actions/runs/(\d+)/job/\d+")
_STATUSES = {
    "success": CiState.PASSED,
    "failure": CiState.FAILED,
    "error": CiState.BROKEN,
    "pending": CiState.RUNNING,
}


class GitHubChecks:
    """Reads and runs again what GitHub shows beside a commit."""

    def __init__(self, api: GitHubClient) -> None:
        self._api = api

    async def report(self, sha: str, base: str, *, has_workflows: bool) -> CiReport:
        """The checks of `sha`, read to the last page. `has_workflows`: the commit holds workflows of GitHub's own CI."""
        required = await self.required(base)
        found, idle, unseen = await self._runs(sha, required)
        # A repository that is there and has no such list has none of them; a missing right is told (I4).
        asked = self._api.pages(f"/commits/{sha}/statuses", StatusAnswer)
        statuses = await self._unless_refused(asked, (), refused=_ABSENT)
        found += [_of_status(each, required) for each in _newest(statuses)]
        there = {each.name for each in found if each.is_required}
        missing = tuple(dict.fromkeys(each.context for each in required if each.context not in there))
        # What has no job yet may be what a missing check would come of, and is awaited then.
        found += [replace(each, is_required=bool(missing)) for each in idle]
        return CiReport(sha, tuple(found), missing, has_workflows or bool(required), bool(required), unseen)

    async def _runs(self, sha: str, required: tuple[RequiredCheck, ...]) -> tuple[list[CiCheck], list[CiCheck], str]:
        """The checks that apps run, what has none yet, and why a part of them could not be seen."""
        path = f"/commits/{sha}/check-runs"
        try:
            runs = await self._api.pages_of(path, CheckRunsPage, lambda page: page.check_runs, filter="latest")
        except OutsideError as exc:
            if exc.kind is FailureKind.INVALID and "No commit found" in str(exc):
                raise OutsideError(
                    f"GitHub does not show the commit {sha[:12]} yet; it goes on in a moment",
                    kind=FailureKind.TRANSIENT,
                ) from exc
            if exc.kind is not FailureKind.DENIED:
                raise
            return *await self._jobs(sha, required), "the token may read no checks but those of GitHub Actions"
        asked = self._api.pages_of(f"/commits/{sha}/check-suites", SuitesPage, lambda page: page.check_suites)
        suites = await self._unless_refused(asked, (), refused=_ABSENT)
        return [_of_run(each, required) for each in runs], [_of_suite(each) for each in suites if _tells(each)], ""

    async def _jobs(self, sha: str, required: tuple[RequiredCheck, ...]) -> tuple[list[CiCheck], list[CiCheck]]:
        try:
            return await jobs_of(self._api, sha, required)
        except OutsideError as exc:
            if exc.kind is not FailureKind.DENIED:
                raise
            raise OutsideError(
                "the token may see neither checks nor GitHub Actions, so the repository's CI cannot be waited for: give it "
                "Checks: read (a fine-grained token: Actions: read), or set checks.wait: false",
                kind=FailureKind.DENIED,
            ) from exc

    async def required(self, branch: str) -> tuple[RequiredCheck, ...]:
        """What must pass before anything is merged into `branch`, by rules and, where the token may see it, protection."""
        name = quote(branch, safe="")
        rules = await self._unless_refused(self._api.pages(f"/rules/branches/{name}", RuleAnswer), ())
        found = [
            each
            for rule in rules
            if rule.type == "required_status_checks" and rule.parameters is not None
            for each in rule.parameters.required_status_checks
        ]
        path = f"/branches/{name}/protection/required_status_checks"
        old = await self._unless_refused(self._api.get(path, ProtectionAnswer), ProtectionAnswer())
        named = {each.context for each in old.checks}
        more = [RequiredCheck(context=each) for each in old.contexts if each not in named]
        return (*found, *old.checks, *more)

    async def rerun(self, handle: str) -> bool:
        """Whether it is run again; False where the token may not, or it is too old for that."""
        kind, _, number = handle.partition(":")
        path = f"/actions/runs/{number}/rerun-failed-jobs" if kind == "run" else f"/check-runs/{number}/rerequest"
        try:
            await self._api.make("POST", path, {}, dict[str, object], again=False)
        except OutsideError as exc:
            if exc.kind in _REFUSED:
                return False
            raise
        return True

    async def log(self, check: CiCheck) -> str:
        """What the check said: the log of its job, else what it says of itself and of single lines."""
        kind, _, number = check.id.partition(":")
        if kind == "job":
            where = await self._unless_refused(self._api.sent_to(f"/actions/jobs/{number}/logs"), "")
            text = await text_at(where, like=self._api.place.api_url) if where else ""
            if text:
                return clean_text(text)
        return clean_text(await self._told(int(number))) if kind in ("job", "check") else clean_text(check.said)

    async def _told(self, number: int) -> str:
        found = await self._unless_refused(self._api.get(f"/check-runs/{number}", CheckRunAnswer), None)
        if found is None:
            return ""
        notes: tuple[AnnotationAnswer, ...] = ()
        if found.output.annotations_count:
            asked = self._api.pages(f"/check-runs/{number}/annotations", AnnotationAnswer)
            notes = await self._unless_refused(asked, ())
        places = (f"{each.path}:{each.start_line}: {each.title or ''} {each.message or ''}" for each in notes)
        return "\n".join(filter(None, [found.output.title, found.output.summary, found.output.text, *places]))

    async def _unless_refused(
        self, asked: Awaitable[T], otherwise: T, *, refused: frozenset[FailureKind] = _REFUSED
    ) -> T:
        """The answer, or `otherwise` where GitHub has nothing there for this token."""
        try:
            return await asked
        except OutsideError as exc:
            if exc.kind in refused:
                return otherwise
            raise


def _of_run(found: CheckRunAnswer, required: Iterable[RequiredCheck]) -> CiCheck:
    app = found.app or AppAnswer()
    state, said = state_of(found.status, found.conclusion)
    run = _RUN_URL.search(found.details_url or "") if app.slug == ACTIONS else None
    return CiCheck(
        name=clean_text(found.name),
        state=state,
        id=f"job:{found.id}" if run else f"check:{found.id}",
        url=found.html_url or found.details_url or "",
        said=said,
        is_required=any(each.context == found.name and each.app in (None, app.id) for each in required),
        rerun=f"run:{run[1]}" if run else f"check:{found.id}",
    )


def _of_status(found: StatusAnswer, required: Iterable[RequiredCheck]) -> CiCheck:
    """A status names no app: whoever may write one is trusted with it, as GitHub itself decides at the merge."""
    said = ": ".join(filter(None, (found.state, found.description)))
    return CiCheck(
        name=clean_text(found.context),
        state=_STATUSES.get(found.state, CiState.BROKEN),
        id=f"status:{found.id}",
        url=found.target_url or "",
        said=clean_text(said),
        is_required=any(each.context == found.context for each in required),
    )


def _newest(statuses: Iterable[StatusAnswer]) -> tuple[StatusAnswer, ...]:
    """The newest status of each context; GitHub lists the newest first, and ids grow."""
    newest: dict[str, StatusAnswer] = {}
    for each in statuses:
        if each.context not in newest or each.id > newest[each.context].id:
            newest[each.context] = each
    return tuple(newest.values())


def _tells(suite: SuiteAnswer) -> bool:
    """Whether a suite of GitHub's own CI stands for what has no check run: not begun, not allowed, not able to start.

    Other apps' suites that stay empty mean nothing: GitHub makes one for each app that is installed.
    """
    slug = suite.app.slug if suite.app is not None else None
    return (
        slug == ACTIONS
        and not suite.latest_check_runs_count
        and suite.conclusion not in ("success", "skipped", "neutral")
    )


def _of_suite(suite: SuiteAnswer) -> CiCheck:
    state, said = state_of(suite.status or "queued", suite.conclusion)
    return CiCheck("a workflow without a job yet", state, f"suite:{suite.id}", said=said)
