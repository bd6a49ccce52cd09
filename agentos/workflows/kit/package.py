"""The review package as people read it: whole, as the dossier, and in short where a run waits."""

from agentos.domain.budget import Spend
from agentos.domain.change import Undone
from agentos.domain.ci import CiResult
from agentos.domain.document import Deployment
from agentos.domain.package import JudgedFinding, ReviewPackage
from agentos.workflows.kit.markdown import bullets, checks_markdown, criteria_markdown, table

SHORT = 12
"""Characters of a sha that people are shown."""


def package_markdown(package: ReviewPackage, *, heading: str, what_now: tuple[str, ...]) -> str:
    """The whole package under `heading`, ending with what the person must do now."""
    change, place = package.change, package.place
    return f"""# {heading}: {package.title} (#{package.issue_number})

{lead(package)}

## What changed
{change.summary or "The agent left no summary."}

{change.stat()}, from `{change.base_sha[:SHORT]}` to `{change.head_sha[:SHORT]}` on `{place.branch}`.

{bullets(f"`{file.path}` {_lines(file.insertions, file.deletions)}" for file in change.files)}{_to_know(package)}

## Acceptance criteria
{criteria_markdown(change.criteria)}

## Checks
{checks_markdown(change.checks)}
{ci_markdown(package.ci)}
## Review
{_reviewers(package)}

{findings_fate(package.findings)}
{_undone(package.undone)}

## Where to try it
{deployment_markdown(package.deployment)}

## Risk and cost
Risk: {package.risk}. Cost so far: {cost(package.spend)}.

## What you do now
{bullets(what_now)}
"""


def short_markdown(package: ReviewPackage) -> str:
    """The package in short: what changed, what was measured, where to look."""
    return f"""{lead(package)}

{package.change.summary or "The agent left no summary."}

{package.change.stat()}{_to_know(package)}

{criteria_markdown(package.change.criteria)}
{_ci_line(package.ci)}
{deployment_markdown(package.deployment)}
"""


def lead(package: ReviewPackage) -> str:
    """Which commit is put forward where, and whether that is a new one."""
    link = package.place.pr_url or f"pull request {package.place.pr_number}"
    text = f"Commit `{package.sha}` in {link}, cycle {package.cycle}."
    if package.repeats:
        text += f" **No new commit came of the feedback.** The agent says: {package.remark or 'nothing'}"
    return text


def commands(number: int, *, sha: str) -> tuple[str, ...]:
    """What a person may type, exactly, about the commit `sha`."""
    return (
        f"`agentos approve {number}` takes commit `{sha[:SHORT]}`",
        f'`agentos feedback {number} "…"` sends it back with what should be different',
        f"`agentos reject {number}` ends the run without merging",
    )


def deployment_markdown(deployment: Deployment) -> str:
    """Where a person finds the deployed commit."""
    where = deployment.url or (f"`{deployment.artifact}` in the data folder" if deployment.artifact else "")
    lines = (where, deployment.instructions, f"{deployment.evidence} (at {deployment.verified_at})")
    return "\n\n".join(line for line in lines if line)


def ci_markdown(ci: CiResult | None) -> str:
    """The repository's own checks with how each ended and where to read it; nothing where there is no CI to speak of."""
    if ci is None:
        return ""
    rows = (
        (
            f"[{_in_link(each.name)}]({each.url})" if _is_link(each.url) else each.name,
            each.result,
            "yes" if each.is_required else "",
        )
        for each in ci.lines
    )
    listed = table(("Check", "Result", "Required"), rows) if ci.lines else ""
    said = "\n\n".join(filter(None, (listed, f"{ci.note}." if ci.note else "")))
    return f"\n### The repository's own CI\n{said}\n"


def _ci_line(ci: CiResult | None) -> str:
    if ci is None:
        return ""
    if not ci.lines:
        return f"\nCI: {ci.note}.\n"
    red = ", ".join(f"{each.name} ({each.result})" for each in ci.lines if not each.passed)
    plural = "" if len(ci.lines) == 1 else "s"
    said = f"CI: {len(ci.lines)} check{plural}" + (f"; not passed: {red}" if red else ", all passed")
    return f"\n{said}{f'; {ci.note}' if ci.note else ''}.\n"


def _in_link(name: str) -> str:
    """A check's name inside a link."""
    return name.replace("[", "(").replace("]", ")")


def _is_link(url: str) -> bool:
    """Whether `url` can stand in a link: an address on the web that ends none."""
    return url.startswith(("https://", "http://")) and not set(url) & set(" ()<>\n\"'|")


def findings_fate(findings: tuple[JudgedFinding, ...]) -> str:
    """Every finding with who found it and what became of it."""
    if not findings:
        return "No findings."
    rows = (
        (item.finding.severity, item.finding.where, item.finding.problem, item.model, item.fate) for item in findings
    )
    return table(("Severity", "Where", "Finding", "Model", "Fate"), rows)


def cost(spend: Spend) -> str:
    """`spend` in words; an unknown price is said to be unknown."""
    usd = "unknown price" if spend.usd is None else f"${spend.usd:.2f}"
    plural = "" if spend.calls == 1 else "s"
    return f"{usd}, {spend.calls} model call{plural}, {spend.input_tokens + spend.output_tokens} tokens"


def _to_know(package: ReviewPackage) -> str:
    """What a person should not overlook: protected and unasked-for files, and other work for the same issue; nothing where
    there is none."""
    lines = {
        "Protected files, let through by a person": package.protected,
        "Outside the allowed scope": package.excess,
        "Other open pull requests for this issue": package.rivals,
    }
    listed = {name: ", ".join("`{}`".format(each.replace("`", "'")) for each in found) for name, found in lines.items()}
    return "".join(f"\n\n{name}: {each}." for name, each in listed.items() if each)


def _undone(rounds: tuple[Undone, ...]) -> str:
    """The rounds that are no part of the change, since they made it worse."""
    if not rounds:
        return ""
    lines = (
        f"`{each.sha[:SHORT]}` lost {', '.join(each.lost)}; work went on from `{each.best_sha[:SHORT]}`"
        for each in rounds
    )
    return f"\n### Undone rounds\n{bullets(lines)}\n"


def _lines(insertions: int | None, deletions: int | None) -> str:
    return "(binary)" if insertions is None or deletions is None else f"+{insertions} -{deletions}"


def _reviewers(package: ReviewPackage) -> str:
    review = package.change.review
    if review is None:
        return "No model reviewed the change."
    return f"Reviewed by {', '.join(package.reviewers)}; confidence in the change {review.confidence} of 100."
