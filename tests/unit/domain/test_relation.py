"""What an issue's relations say about starting it: one sentence, with what to do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.issue import Issue, IssueRef, Relation, Relations
from agentos.domain.relation import Surroundings, refusal


def _issue(number: int, *, is_open: bool = True, status: str = "", **relations: Any) -> Issue:
    return Issue(IssueRef("demo", number), f"Title {number}", "", "", is_open, status, relations=Relations(**relations))


def _refusal(issue: Issue, *others: Issue, **around: Any) -> str:
    known: dict[int, Issue | None] = {each.ref.number: each for each in (issue, *others)}
    return refusal(issue, Surroundings(known, **around))


DONE = _issue(2, is_open=False, status="done")


@pytest.mark.parametrize(
    ("issue", "others", "around", "said"),
    [
        (
            _issue(1, depends_on=(2,)),
            [_issue(2, status="planned")],
            {},
            "waits for issue 2 “Title 2” (planned): finish",
        ),
        (_issue(1, depends_on=(2, 3)), [_issue(2), _issue(3)], {}, "issue 2 “Title 2” and issue 3 “Title 3”"),
        (_issue(1, depends_on=(2,)), [_issue(2)], {}, "`agentos run --issue 2`"),
        (_issue(1, depends_on=(2,)), [DONE], {"split": frozenset({2})}, "was split into parts"),
        (_issue(1, depends_on=(9,)), [], {}, "names issue 9 under depends_on, and there is none"),
        (_issue(1, conflicts_with=(9,)), [], {}, "names issue 9 under conflicts_with, and there is none"),
        (_issue(1, depends_on=(1,)), [], {}, "names itself under depends_on"),
        (_issue(1, duplicate_of=(1,)), [], {}, "names itself under duplicate_of"),
        (_issue(1, unclear=("depends_on: soon",)), [], {}, "`depends_on: soon`, which names no issue"),
        (_issue(1, depends_on=(2,)), [_issue(2, depends_on=(1,))], {}, "back to it (1 → 2 → 1)"),
        (
            _issue(1, depends_on=(2,)),
            [_issue(2, depends_on=(4, 3)), _issue(3, depends_on=(1,)), _issue(4)],
            {},
            "back to it (1 → 2 → 3 → 1)",
        ),
        (_issue(1, duplicate_of=(2,)), [_issue(2, duplicate_of=(1,))], {}, "duplicate_of leads from issue 1 back"),
        (_issue(1, supersedes=(2,)), [_issue(2, supersedes=(1,))], {"superseded_by": (2,)}, "supersedes leads from"),
        (_issue(1, duplicate_of=(2,)), [_issue(2)], {}, "is a duplicate of issue 2 “Title 2”: `agentos run --issue 2`"),
        (_issue(1, duplicate_of=(2,)), [DONE], {}, "that one is closed, so close this one too"),
        (_issue(1), [_issue(2, supersedes=(1,))], {"superseded_by": (2,)}, "is superseded by issue 2 “Title 2”"),
        (_issue(1), [], {"superseded_by": (9,)}, "is superseded by issue 9: look at issue 9"),
        (_issue(1, conflicts_with=(2,)), [_issue(2)], {"busy": {2: "run #3 is waiting"}}, "whose run #3 is waiting"),
        (_issue(1), [_issue(2, conflicts_with=(1,))], {"busy": {2: "run #3 is running"}}, "`agentos cancel 2`"),
    ],
)
def test_each_relation_that_stands_in_the_way_is_said_with_what_to_do(
    issue: Issue, others: list[Issue], around: dict[str, Any], said: str
) -> None:
    sentence = _refusal(issue, *others, **around)
    assert said in sentence
    assert sentence.startswith(("issue 1 ", "duplicate_of ", "depends_on ", "supersedes "))
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("issue", "others", "around"),
    [
        (_issue(1), [], {}),
        (_issue(1, depends_on=(2,)), [DONE], {}),
        (_issue(1, depends_on=(2,)), [_issue(2, is_open=False, depends_on=(1,))], {}),
        (_issue(1, conflicts_with=(2,)), [_issue(2)], {}),
        (
            _issue(1, conflicts_with=(2,)),
            [_issue(2, conflicts_with=(1,)), _issue(3)],
            {"busy": {3: "run #1 is running"}},
        ),
        (_issue(1, supersedes=(2,)), [_issue(2)], {}),
        (_issue(1, related=(9,), unclear=("related: the old one",)), [], {}),
    ],
)
def test_what_does_not_concern_the_start_refuses_nothing(
    issue: Issue, others: list[Issue], around: dict[str, Any]
) -> None:
    assert _refusal(issue, *others, **around) == ""


numbers = st.lists(st.integers(1, 6), max_size=4, unique=True).map(tuple)
tangles = st.dictionaries(
    st.integers(1, 6),
    st.tuples(st.booleans(), st.fixed_dictionaries({str(relation): numbers for relation in Relation})),
)


@given(tangles, st.sets(st.integers(1, 6)))
def test_no_tangle_is_walked_for_ever_and_only_what_is_open_is_waited_for(
    tangle: dict[int, tuple[bool, dict[str, tuple[int, ...]]]], busy: set[int]
) -> None:
    others = [
        _issue(number, is_open=is_open, **dict[str, Any](relations)) for number, (is_open, relations) in tangle.items()
    ]
    for issue in others:
        sentence = _refusal(issue, *others, busy=dict.fromkeys(busy, "run #1 is running"))
        waits = [n for n in issue.relations.depends_on if n in tangle and tangle[n][0]]
        if waits:
            assert sentence
        if not any(issue.relations.of(relation) for relation in Relation) and not busy:
            assert sentence == ""
