"""Whoever comments, edits, deletes, reviews and pushes in whatever order: only the right word of the right person counts."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from agentos.store import Store
from agentos.store.database import open_database
from tests.figures import Figure, share
from tests.github.fake import ANNA, FakeGitHub
from tests.github.server import Fault, Server, serving
from tests.github.walk import ISSUE, NO_COMMAND, PEOPLE, PULL, Said, Walk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
WHO = st.sampled_from([*sorted(PEOPLE), *["writer"] * 4]).map(PEOPLE.__getitem__)
LOST = {"answer lost": {"after": True}, "gateway": {"status": 502}, "line broken": {}}


class People(RuleBasedStateMachine):
    """People around one pull request, and the run that looks at what they did."""

    begin: Any = None
    walks = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).walks += 1
        self.walk: Walk = type(self).begin(self.walks)

    def _sha(self, which: str) -> str:
        return {"head": self.walk.head, "another": "d" * 40, "none": ""}[which]

    @rule()
    def a_second_passes(self) -> None:
        self.walk.seconds += 1

    @rule(
        who=WHO,
        word=st.sampled_from(["approve", "feedback"] * 3 + [*NO_COMMAND]),
        sha=st.sampled_from(["head", "head", "another", "none"]),
        on=st.sampled_from([ISSUE, PULL]),
    )
    def comment(self, who: Any, word: str, sha: str, on: int) -> None:
        self.walk.comment(who, word, self._sha(sha) if word == "approve" else "", on=on)

    @rule(
        who=WHO,
        state=st.sampled_from(["approved", "changes_requested", "commented"]),
        sha=st.sampled_from(["head", "head", "another"]),
    )
    def review(self, who: Any, state: str, sha: str) -> None:
        self.walk.review(who, state, self._sha(sha))

    def _comments(self) -> list[Said]:
        return [each for each in self.walk.said if each.comment]

    @precondition(lambda self: bool(self._comments()))
    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        self.walk.edit(data.draw(st.sampled_from(self._comments())))

    @precondition(lambda self: bool(self._comments()))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.walk.delete(data.draw(st.sampled_from(self._comments())))

    @rule()
    def push(self) -> None:
        self.walk.push()

    @rule()
    def look(self) -> None:
        self.walk.look()
        self.walk.require_answers()

    @rule(how=st.sampled_from(sorted(LOST)), times=st.integers(1, 6))
    def look_while_it_breaks(self, how: str, times: int) -> None:
        self.walk.look(Fault(how, "new comment", times=times, **LOST[how]))  # type: ignore[arg-type]

    def teardown(self) -> None:
        self.walk.look()
        self.walk.look()
        self.walk.require_answers()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(github=FakeGitHub()) as server:
        yield server


@contextmanager
def walks(server: Server, database_url: str, folder: Path) -> Iterator[Callable[[int], Walk]]:
    """Begins a walk, by its number."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        store = Store.on(runner.run(stack.enter_async_context(open_database(folder, database_url))), folder)
        try:
            yield lambda number: Walk(runner, store, server, folder, number)
        finally:
            runner.run(stack.aclose())


def test_feedback_of_the_same_second_wins_over_an_approval(server: Server, database_url: str, tmp_path: Path) -> None:
    with walks(server, database_url, tmp_path) as begin:
        walk = begin(1)
        walk.comment(ANNA, "feedback", "", on=ISSUE)
        walk.review(ANNA, "approved", walk.head)
        walk.look()
        assert {each.said for each in walk.counted.values()} == {"approve", "feedback"}


def test_what_does_not_count_helps_no_approval_over_feedback_of_the_same_second(
    server: Server, database_url: str, tmp_path: Path
) -> None:
    with walks(server, database_url, tmp_path) as begin:
        walk = begin(1)
        walk.comment(ANNA, "feedback", "", on=PULL)
        walk.comment(ANNA, "approve", "d" * 40, on=PULL)
        walk.comment(ANNA, "approve", walk.head, on=ISSUE)
        walk.comment(PEOPLE["stranger"], "feedback", "", on=ISSUE)
        walk.look()
        assert {each.said for each in walk.counted.values()} == {"approve", "feedback"}


def test_only_the_right_word_of_the_right_person_counts_in_any_walk(
    server: Server, database_url: str, tmp_path: Path, figure: Figure
) -> None:
    with walks(server, database_url, tmp_path) as begin:
        People.begin, People.walks = begin, 0
        few = settings(
            share(0.1 if settings().max_examples <= 100 else 0.05),
            stateful_step_count=15,
            suppress_health_check=[*HealthCheck],
            phases=[Phase.generate],
        )
        run_state_machine_as_test(People, settings=few)
    figure("signal walks", People.walks)
