"""Whatever ends a program before its work is done: the step is saved or runs again, and the same command goes on."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e import oddities
from tests.e2e.conftest import PATIENCE_S, Desk, Until
from tests.e2e.held_server import HeldServer
from tests.e2e.terminal import CTRL_C, Terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def expect_it_goes_on(desk: Desk, *, lost: int = 0) -> None:
    """The next call takes the run to its gate, and the step that was under way was paid for once. `lost`: calls whose
    answer nobody waited for, which stay charged."""
    again = desk.agentos("--issue", "1", "--json")
    assert again.code == 4, again.err
    assert desk.record()["cost_by_stage"]["triage"]["calls"] == 1 + lost


# At a terminal


def test_ctrl_c_stops_after_the_step_and_the_last_lines_say_how_to_go_on(desk: Desk, held: HeldServer) -> None:
    terminal = Terminal(desk, "--issue", "1")
    terminal.read_until(held.asked.is_set)
    terminal.type(CTRL_C)
    terminal.read_until(lambda: "Stopping after the present step; once more leaves at once." in terminal.shown)
    held.go.set()
    assert terminal.read_to_the_end() == 130
    assert "all that was done is saved. Go on with: " in terminal.shown
    assert "Traceback" not in terminal.shown
    expect_it_goes_on(desk)


def test_ctrl_c_twice_leaves_at_once_and_gives_the_cursor_back(desk: Desk, held: HeldServer) -> None:
    terminal = Terminal(desk, "--issue", "1")
    terminal.read_until(held.asked.is_set)
    terminal.type(CTRL_C)
    terminal.read_until(lambda: "once more leaves at once" in terminal.shown)
    terminal.type(CTRL_C)
    assert terminal.read_to_the_end() == 130
    assert "Left at once" in terminal.shown
    assert terminal.shown.count("\x1b[?25l") == terminal.shown.count("\x1b[?25h"), "the cursor is shown again"
    held.go.set()
    expect_it_goes_on(desk, lost=1)


@pytest.mark.parametrize("errors", ["on the terminal", "in a file"])
def test_a_closed_terminal_loses_nothing_and_leaves_no_traceback(
    desk: Desk, held: HeldServer, tmp_path: Path, errors: str
) -> None:
    said = tmp_path / "errors"
    terminal = Terminal(desk, "--issue", "1", errors=said if errors == "in a file" else None)
    terminal.read_until(held.asked.is_set)
    terminal.close()
    held.go.set()
    assert terminal.process.wait(PATIENCE_S) == 130
    assert not said.exists() or "Traceback" not in said.read_text()
    expect_it_goes_on(desk)


def test_a_run_under_nohup_outlives_its_terminal(desk: Desk, held: HeldServer, tmp_path: Path) -> None:
    said = tmp_path / "errors"
    terminal = Terminal(desk, "--issue", "1", errors=said, before="nohup")
    assert held.asked.wait(PATIENCE_S)
    terminal.close()
    held.go.set()
    assert terminal.process.wait(PATIENCE_S) == 4
    assert "Traceback" not in said.read_text()
    assert "Stopping" not in said.read_text()


# Before, between and beside the steps


@pytest.fixture
def silent_server(desk: Desk) -> Iterator[socket.socket]:
    """A database that takes the connection and says nothing: whoever wants it has not begun to work."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        desk.environment["AGENTOS_DATABASE_URL"] = f"postgresql://ann@127.0.0.1:{port}/agentos"
        yield listening


@pytest.mark.parametrize(
    ("words", "number"),
    [("run --issue 1", signal.SIGINT), ("run --issue 1", signal.SIGTERM), ("approve 1", signal.SIGHUP)],
)
def test_a_signal_before_the_work_began_ends_it_with_a_sentence(
    desk: Desk, silent_server: socket.socket, words: str, number: signal.Signals
) -> None:
    process = desk.begin(*words.split())
    silent_server.settimeout(PATIENCE_S)
    connection, _ = silent_server.accept()
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    connection.close()
    assert (process.returncode, out) == (130, "")
    assert "Interrupted" in err
    assert "Traceback" not in err


def test_leaving_at_once_leaves_no_process_behind(desk: Desk, until: Until) -> None:
    oddities.tested_by(desk.target, "touch {junit}.began; (setsid sleep 4331 &) ; sleep 4332; true")
    process = desk.begin("--issue", "1")

    def sleepers() -> int:
        return sum("433" in " ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))

    until(lambda: sleepers() >= 2)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "Stopping" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    until(lambda: sleepers() == 0)
