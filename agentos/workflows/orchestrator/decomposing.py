"""Too large an issue, once a person accepted its parts: each is filed, then the issue ends as decomposed."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import IssueBrief
from agentos.domain.effect import EffectKey
from agentos.domain.issue import IssueDraft
from agentos.domain.pipeline import Outcome
from agentos.workflows.kit.blocks import defused, title_line
from agentos.workflows.kit.board import close_issue
from agentos.workflows.kit.markdown import bullets
from agentos.workflows.kit.state import RunState, used, with_item
from agentos.workflows.kit.step import Found, Step

UNFILED = "parts.unfiled"


async def count_parts(state: RunState, step: Step) -> RunState:
    """How many parts are still to be filed."""
    left = len((await _brief(state, step)).parts) - len(state.get("parts", []))
    return {"rounds": with_item(state.get("rounds"), UNFILED, left)}


async def file_part(state: RunState, step: Step) -> RunState:
    """The next part is an issue of its own, related to the whole and not started."""
    tracker, issue, filed = step.ctx.ports.tracker, step.ctx.issue, state.get("parts", [])
    key = part_key(issue.number, state["artifacts"][ArtifactKind.BRIEF], len(filed) + 1)
    draft = part_draft(await _brief(state, step), len(filed))

    async def find() -> Found | None:
        found = await tracker.find_issue(key)
        return None if found is None else {"number": found.number}

    async def act() -> None:
        await tracker.file_issue(draft, key)

    made = await step.once(key, find=find, act=act)
    left = with_item(state.get("rounds"), UNFILED, used(state, UNFILED) - 1)
    return {"parts": [*filed, made["number"]], "rounds": left}


async def close_decomposed(state: RunState, step: Step) -> RunState:
    """The issue is closed as its parts, none of which is done."""
    text = resolution(await _brief(state, step), state.get("parts", []))
    await close_issue(step, text, version=f"decomposed:{state['artifacts'][ArtifactKind.BRIEF]}")
    return {"outcome": Outcome.DECOMPOSED}


def next_part(state: RunState) -> str:
    """The node after a part was filed."""
    return file_part.__name__ if used(state, UNFILED) > 0 else close_decomposed.__name__


def part_key(number: int, brief: str, place: int) -> EffectKey:
    """Names part `place` (from 1) of what the brief with the digest `brief` splits, in the whole tracker."""
    return EffectKey(f"part:{number}.{place}@{brief[:12]}")


def part_draft(brief: IssueBrief, place: int) -> IssueDraft:
    """Part `place` (from 0) as an issue in the intake form, to be completed by a person before it starts."""
    title, number = brief.parts[place], brief.issue_number
    criteria = bullets((item.text for item in brief.criteria), empty="None were named.")
    body = f"""## Objective

{title}

Part {place + 1} of {len(brief.parts)} of #{number}, “{brief.title}”, which is too large for one change.

## Acceptance criteria

<!-- Those of the whole that this part serves, and its own; one line each, checkable with yes or no. -->

## Related

The whole, #{number}, asked for:

{criteria}
"""
    objective = " ".join(brief.objective.split())
    return IssueDraft(title_line(title), defused(body), related=(number,), objective=objective)


def resolution(brief: IssueBrief, numbers: list[int]) -> str:
    """What became of the whole."""
    parts = bullets(f"#{number} {title}" for number, title in zip(numbers, brief.parts, strict=False))
    return defused(f"Decomposed into parts; none of them is done yet, and nothing was changed here.\n\n{parts}")


async def _brief(state: RunState, step: Step) -> IssueBrief:
    return await step.document(IssueBrief, state["artifacts"][ArtifactKind.BRIEF])
