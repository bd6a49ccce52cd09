"""What a merge by hand means to a run that waits, over every kind of wait."""

from dataclasses import replace
from itertools import product

import pytest

from agentos.domain.decision import ACCEPTED_BY, DecisionKind, Wait
from agentos.domain.pipeline import Stage
from agentos.domain.status import WaitKind
from agentos.ports.forge import PullRequest
from agentos.runs.reconcile import meant_by

MERGED = PullRequest(1, "u", "agentos/1-x", "main", "a" * 40, "t", "b", "merged", "c" * 40)
CASES = [*product(WaitKind, Stage)]


@pytest.mark.parametrize(("kind", "stage"), CASES)
def test_a_merge_by_hand_approves_the_commit_it_merged_or_has_the_forge_looked_at_again(
    kind: WaitKind, stage: Stage
) -> None:
    wait = Wait(kind, stage, "t", "s", ACCEPTED_BY[kind], subject="a" * 40)
    if kind is WaitKind.REVIEW:
        assert meant_by(MERGED, wait) is DecisionKind.APPROVE
        assert meant_by(MERGED, replace(wait, subject="b" * 40)) is None
    else:
        assert meant_by(MERGED, wait) is (DecisionKind.RETRY if stage is Stage.FINALIZE else None)
    assert meant_by(None, wait) is meant_by(replace(MERGED, state="open", merge_sha=""), wait) is None
