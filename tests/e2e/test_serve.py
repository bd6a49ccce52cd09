"""The service as people start and stop it: a process in the foreground over ticket files."""

import signal

import pytest

from tests.e2e.conftest import Desk, Until
from tests.e2e.held_server import HeldServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
OFTEN = ("--set", "service.poll_active_s=0.5", "--set", "service.poll_idle_s=0.5")


def test_sigterm_saves_what_is_at_work_and_the_next_service_goes_on_until_somebody_has_to_look(
    desk: Desk, held: HeldServer, until: Until
) -> None:
    ticket = desk.target / "tickets" / "001-shout.md"
    first = desk.begin("serve", *OFTEN)
    assert held.asked.wait(100)
    first.send_signal(signal.SIGTERM)
    held.go.set()
    out, err = first.communicate(timeout=100)
    assert (first.returncode, out) == (0, ""), err
    assert "taken in as run #1" in err
    assert err.splitlines()[-1] == "Stopped. Everything is saved; `agentos serve` goes on from there."

    second = desk.begin("serve", *OFTEN, "--quiet")
    until(lambda: "board: In Review" in ticket.read_text("utf-8"))
    with ticket.with_suffix(".thread.md").open("a", encoding="utf-8") as thread:
        thread.write("\n/agentos approve\n")
    until(lambda: "status: done" in ticket.read_text("utf-8"))
    second.send_signal(signal.SIGTERM)
    out, err = second.communicate(timeout=100)
    assert (second.returncode, out) == (0, ""), err
    assert "greet(name).upper()" in desk.git("show", "main:greet.py")
    assert desk.record()["versions"] is not None
    assert len(list(desk.home.glob("runs/*/1/*"))) == 1


def test_a_service_is_refused_where_nothing_could_be_worked_on(desk: Desk) -> None:
    twice = desk.agentos("serve", "--repo", str(desk.target), "--repo", str(desk.target / "tests"))
    assert (twice.code, "named twice" in twice.err) == (2, True), twice.err
    desk.git("rm", "-q", "WORKFLOW.md")
    desk.git("-c", "user.name=Ann", "-c", "user.email=a@example.org", "commit", "-qm", "no policy")
    refused = desk.agentos("serve")
    assert (refused.code, "WORKFLOW.md" in refused.err) == (2, True), refused.err
