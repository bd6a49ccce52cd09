"""What the stage writes for people, and what it may push: pure functions."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from agentos.config.settings import Settings
from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.block import ReviewPackageBlock
from agentos.domain.change import ChangeReport
from agentos.domain.closing import CLOSING
from agentos.domain.decision import ACCEPTED_BY, in_a_comment, source_of_review
from agentos.domain.document import Deployment, IssueBrief
from agentos.domain.effect import EffectKey, marker
from agentos.domain.issue import Issue
from agentos.domain.naming import clean_text, text_digest
from agentos.domain.package import ReviewPackage
from agentos.domain.run import RunRef
from agentos.domain.status import WaitKind
from agentos.ports.forge import PullRequest, ReviewThread
from agentos.ports.notifier import Notice
from agentos.workflows.kit.blocks import defused, hidden_block, issue_link, numbered_title, title_line
from agentos.workflows.kit.markdown import bullets, checks_markdown, criteria_markdown
from agentos.workflows.kit.package import SHORT, commands, short_markdown

PR = EffectKey("pr")
TITLE_CHARACTERS = 200
HEADING = "Review package"
CHANGE = "change"
_DOCUMENT_REVIEW = re.compile(r"(?P<document>[a-z]+)-review-[0-9]+\.json")


def pr_title(brief: IssueBrief, settings: Settings) -> str:
    """The pull request's title, one line."""
    return numbered_title(title_line(brief.title)[:TITLE_CHARACTERS], brief.issue_number, settings)


def pr_body(issue: Issue, brief: IssueBrief, report: ChangeReport, run: RunRef, settings: Settings) -> str:
    """The pull request's text: issue, summary, criteria, checks, risk, run, and our mark."""
    text = f"""For issue {issue_link(issue, settings)}: {brief.objective}

## Summary
{report.summary or "The agent left no summary."}

{report.stat()}

## Acceptance criteria
{criteria_markdown(report.criteria)}

{bullets(f"{item.id}: {item.text}" for item in brief.criteria)}

## Checks at `{report.head_sha[:SHORT]}`
{checks_markdown(report.checks)}

## Risk
{brief.risk}

Made by AgentOS, run {run.number} of issue {run.issue.number}.
"""
    return f"{defused(text)}\n{marker(PR)}"


def rivals(found: Iterable[PullRequest], issue: Issue) -> tuple[str, ...]:
    """The addresses of the pull requests that say they close `issue`."""
    return tuple(each.url for each in found if _closes(f"{each.title}\n{each.body}", issue))


def _closes(text: str, issue: Issue) -> bool:
    here, place = issue.ref.repo.lower(), issue.url.lower().rpartition("/issues/")[0]
    for said in CLOSING.finditer(text):
        repo, url = (said["repo"] or "").lower(), (said["url"] or "").lower()
        elsewhere = (repo and not here.endswith(f"/{repo}")) or (url and url != place)
        if int(said["number"]) == issue.ref.number and not elsewhere:
            return True
    return False


def is_ours(found: PullRequest | None, base: str) -> bool:
    """Whether the newest pull request of the branch is the one to go on with: open, into the right branch."""
    return found is not None and found.state == "open" and found.base == base


def says(found: PullRequest | None, title: str, body: str) -> bool:
    """Whether the pull request reads as given; line ends and blank space around it do not count."""
    return found is not None and found.title == title and _plain(found.body) == _plain(body)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def target_report(report: ChangeReport) -> str:
    """What a person looks at where nothing is deployed: the checks of exactly this commit."""
    text = f"""# Checks at {report.head_sha}

{report.stat()}

{criteria_markdown(report.criteria)}

{checks_markdown(report.checks)}
"""
    return defused(text)


def described(deployment: Deployment, branch: str) -> Deployment:
    """`deployment`, with how to try a commit that is served nowhere."""
    if deployment.url or deployment.instructions:
        return deployment
    hint = f"Nothing is deployed: read the report, or check out `{branch}` to try the change."
    return replace(deployment, instructions=hint)


def unreachable(url: str, settings: Settings) -> str:
    """Why nobody but this machine, or its network, can open `url`; empty where that does not matter or they can.

    It matters where people review on GitHub: they sit anywhere.
    """
    if "github" not in (settings.tracker.kind, settings.forge.kind) or not url:
        return ""
    host = _host(url)
    if host is None or host == "localhost" or host.endswith((".localhost", ".local")) or _is_near(host):
        return (
            f"{clean_text(url)[:200]} can be opened on this machine or its network alone, and review happens on GitHub"
        )
    return ""


def _host(url: str) -> str | None:
    """The host of an address on the web, in small letters; None for any other."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return (parts.hostname or "").rstrip(".") or None if parts.scheme in ("http", "https") else None


def _is_near(host: str) -> bool:
    """Whether a host is an address of this machine, a private or a link-local one, however it is spelled."""
    if host.isdigit():
        host = str(int(host) & 0xFFFF_FFFF)
    try:
        address = ip_address(int(host) if host.isdigit() else host.partition("%")[0])
    except ValueError:  # a name; one that ends in a number is an odd spelling of an address (127.1, 0x7f.1)
        return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) is not None
    return not address.is_global


def is_asked_again(thread: ReviewThread, worked_in: Mapping[str, int], cycle: int) -> bool:
    """Whether the thread is open and holds words of a review that this cycle worked in."""
    sources = map(source_of_review, thread.reviews)
    return not thread.is_resolved and any(worked_in.get(source) == cycle for source in sources)


def may_settle(thread: ReviewThread, worked_in: Mapping[str, int], package: ReviewPackage) -> bool:
    """Whether nothing is left to say there: a new commit came of it, and every word in it was worked in."""
    return not package.repeats and all(source_of_review(each) in worked_in for each in thread.reviews)


def thread_key(what: str, thread: str, package: ReviewPackage) -> str:
    """The effect key of what is done in a thread, once a cycle."""
    return f"thread-{what}:{text_digest(thread)[:16]}.{package.run_number}.{package.cycle}"


def thread_reply(package: ReviewPackage) -> str:
    """What a thread is told of the work on it."""
    if package.repeats:
        return defused(f"No new commit came of this. The agent says: {package.remark or 'nothing'}")
    return defused(f"Worked in with {package.sha}. {package.change.summary}".strip())


def subject_of(ref: ArtifactRef) -> str:
    """What the review in the artifact `ref` judges: the change, or a document; empty where it holds no review."""
    name = PurePosixPath(ref.path).name
    if ref.kind is ArtifactKind.CHECKS and name == "change.json":
        return CHANGE
    found = _DOCUMENT_REVIEW.fullmatch(name) if ref.kind is ArtifactKind.REVIEW else None
    return found["document"] if found else ""


def is_undone(ref: ArtifactRef) -> bool:
    """Whether the artifact tells of a round of work that was undone."""
    return ref.kind is ArtifactKind.CHECKS and PurePosixPath(ref.path).name.startswith("undone-")


def previous_sha(former: ReviewPackage | None, run_number: int, cycle: int) -> str:
    """The commit the person was shown last in this run; a package of this very cycle is being written again."""
    if former is None or former.run_number != run_number:
        return ""
    return former.previous_sha if former.cycle == cycle else former.sha


def invitation(package: ReviewPackage, record_sha256: str) -> str:
    """The comment that asks a person to look, with the block that programs find it by."""
    text = f"""**{HEADING}**, cycle {package.cycle}: {package.title} (#{package.issue_number})

{short_markdown(package)}

{bullets(commands(package.issue_number, sha=package.sha))}

{in_a_comment(ACCEPTED_BY[WaitKind.REVIEW], package.sha)}
"""
    facts = ReviewPackageBlock(
        cycle=package.cycle,
        run=package.run_number,
        sha=package.sha,
        pr=package.place.pr_number,
        pr_url=package.place.pr_url,
        url=package.deployment.url,
        package=record_sha256,
    )
    return f"{defused(text)}\n{hidden_block(facts)}"


def notice(package: ReviewPackage) -> Notice:
    """What reaches the person wherever they are."""
    title = defused(f"Review of {package.title} (#{package.issue_number}) at {package.sha[:SHORT]}")
    return Notice(title, defused(short_markdown(package)), commands(package.issue_number, sha=package.sha)[0])
