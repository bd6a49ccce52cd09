"""Which words open which wait."""

import shlex

import pytest

from agentos.domain.decision import ACCEPTED_BY, DecisionKind, Wait, answers_to
from agentos.domain.pipeline import Stage
from agentos.domain.status import WaitKind

TAKES = {
    "gate": {"approve", "feedback", "reject"},
    "review": {"approve", "feedback", "reject"},
    "question": {"answer", "reject"},
    "blocker": {"retry", "feedback", "reject"},
    "dossier": {"approve", "retry", "reject"},
}


def test_every_wait_takes_the_decisions_that_make_sense_there() -> None:
    assert {str(kind): {str(each) for each in taken} for kind, taken in ACCEPTED_BY.items()} == TAKES
    assert set(ACCEPTED_BY) == set(WaitKind)


def test_every_wait_can_be_ended() -> None:
    assert all(DecisionKind.REJECT in taken for taken in ACCEPTED_BY.values())


def test_nothing_approves_what_was_not_shown() -> None:
    assert all(DecisionKind.APPROVE not in ACCEPTED_BY[kind] for kind in (WaitKind.QUESTION, WaitKind.BLOCKER))


@pytest.mark.parametrize("kind", WaitKind)
def test_every_wait_names_one_command_for_each_word_it_takes(kind: WaitKind) -> None:
    wait = Wait(kind, Stage.IMPL, "t", "s", ACCEPTED_BY[kind])
    commands = [shlex.split(command) for command in answers_to(wait, 7, program="python tools/orchestrate.py")]
    assert [words[:2] for words in commands] == [["python", "tools/orchestrate.py"]] * len(TAKES[kind])
    assert {words[2] for words in commands} == TAKES[kind]
    assert {words[3] for words in commands} == {"7"}


def test_only_words_that_carry_a_text_ask_for_one() -> None:
    wait = Wait(WaitKind.GATE, Stage.IMPL, "t", "s", tuple(DecisionKind))
    with_text = {command.split()[1] for command in answers_to(wait, 7) if command.endswith('"…"')}
    assert with_text == {"feedback", "answer"}


def test_what_only_a_setting_lets_go_on_names_it_first() -> None:
    wait = Wait(WaitKind.BLOCKER, Stage.IMPL, "t", "s", (DecisionKind.REJECT,), sets=("budget.usd=2.00",))
    assert answers_to(wait, 7) == ("agentos run --issue 7 --set budget.usd=2.00", "agentos reject 7")
