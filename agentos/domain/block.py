"""What the hidden lines of our comments tell programs: `<!-- agentos:<kind> v1 {json} -->`, one record a kind."""

from dataclasses import dataclass
from typing import TypeAlias

from agentos.domain.pipeline import Gate, Outcome, Stage
from agentos.domain.status import JobState, Status, WaitKind


@dataclass(frozen=True, slots=True)
class EffectBlock:
    """Which effect of AgentOS made this: it is found again by its key, and never made twice."""

    key: str


@dataclass(frozen=True, slots=True)
class StageBlock:
    """One visit of one stage. `verdict` is empty while it works; `skipped`: it did not have to."""

    stage: Stage
    tries: int
    verdict: str
    skipped: bool


@dataclass(frozen=True, slots=True)
class WaitBlock:
    """What the run waits for: `subject` is the commit or digest an approval is for, empty where there is none."""

    kind: WaitKind
    gate: Gate | None
    subject: str


@dataclass(frozen=True, slots=True)
class CostBlock:
    """What models cost so far. `usd` is null where a price is unknown; `tokens`: read and written together."""

    usd: float | None
    calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class StatusBlock:
    """Where the issue's newest run stands. `stages`: its visits, oldest first, the last of many; `pr` is an address, empty
    before there is one."""

    run: int
    job: JobState
    status: Status
    stage: Stage | None
    outcome: Outcome | None
    stages: tuple[StageBlock, ...]
    wait: WaitBlock | None
    pr: str
    cost: CostBlock


@dataclass(frozen=True, slots=True)
class ReviewPackageBlock:
    """What people are asked to review. `cycle` counts from 0; `package` is the digest of the whole package, `url` where the
    commit is deployed, empty where it is served nowhere."""

    cycle: int
    run: int
    sha: str
    pr: int
    pr_url: str
    url: str
    package: str


Block: TypeAlias = EffectBlock | StatusBlock | ReviewPackageBlock
KINDS: dict[type[object], str] = {
    EffectBlock: "effect",
    StatusBlock: "status",
    ReviewPackageBlock: "review-package",
}
"""The kind that each record is written and read as."""
