"""What is printed where: on terminals of several widths, without colours, into files and pipes, or not at all."""

import re

import pytest

from tests.crash.conftest import Called
from tests.e2e.conftest import PATIENCE_S, PROGRAM, Desk
from tests.e2e.terminal import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
LOOKING = (
    ("run", "--issue", "1", "--dry-run"),
    ("show", "1"),
    ("show", "1", "--full"),
    ("show", "1", "--json"),
    ("diff", "1"),
    ("status",),
    ("config",),
)


@pytest.fixture
def waiting(desk: Desk) -> Desk:
    """A desk at which a run waits for its first approval; it was told to be quiet on the way."""
    done = desk.agentos("--issue", "1", "--quiet")
    assert (done.code, done.err) == (4, "")
    assert "Waiting for your decision" in done.out
    return desk


def test_no_line_is_wider_than_the_terminal_but_those_to_be_copied(waiting: Desk) -> None:
    for columns in (80, 200):
        shown = _shown(waiting, COLUMNS=str(columns))
        assert COLOUR.search(shown)
        lines = [SEQUENCE.sub("", line).rstrip("\r") for line in shown.split("\n")]
        wide = [line for line in lines if len(line) > columns]
        assert all(PROGRAM[1] in line or "commit  " in line for line in wide), wide
        assert max(map(len, lines)) >= 80, "there was something to fold or to spread"


def test_without_colours_nothing_is_lost_but_the_colours(waiting: Desk) -> None:
    coloured, plain = _shown(waiting), _shown(waiting, NO_COLOR="1")
    assert COLOUR.search(coloured)
    assert not COLOUR.search(plain)
    assert SEQUENCE.sub("", plain) == SEQUENCE.sub("", coloured)


def test_off_a_terminal_lines_are_plain_and_end_where_their_words_end(waiting: Desk) -> None:
    for words in LOOKING:
        done = waiting.agentos(*words)
        assert (done.code, done.err) == (0, ""), words
        assert done.out
        assert not SEQUENCE.search(done.out), words
        if words[0] != "diff":
            assert [line for line in done.out.splitlines() if line != line.rstrip()] == [], words


def test_a_reader_that_leaves_ends_a_command_without_a_word(waiting: Desk) -> None:
    for words in LOOKING:
        assert _into_a_closed_pipe(waiting, *words) == Called(130, "", ""), words


def test_a_run_whose_reader_leaves_loses_nothing(desk: Desk) -> None:
    done = _into_a_closed_pipe(desk, "--issue", "1")
    assert done.code == 130
    assert "Traceback" not in done.err
    assert "approve 1" in desk.agentos("status").out


def _shown(desk: Desk, **environment: str) -> str:
    """What `show 1` puts on a terminal of 80 columns, unless `environment` says otherwise."""
    kept = dict(desk.environment)
    desk.environment.update(environment)
    terminal = Terminal(desk, "show", "1")
    desk.environment = kept
    assert terminal.read_to_the_end() == 0
    return terminal.shown


def _into_a_closed_pipe(desk: Desk, *words: str) -> Called:
    """How the program ends whose standard output nobody reads from the beginning on."""
    with desk.begin(*words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        return Called(process.wait(PATIENCE_S), "", said)
