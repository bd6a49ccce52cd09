"""Looking at a run from another terminal, while it goes on; and at the machine."""

import pytest

from tests.e2e.conftest import Desk

pytestmark = pytest.mark.timeout(400)


def test_a_run_is_followed_and_shown_from_another_terminal_until_it_ends(desk: Desk) -> None:
    desk.agentos("--issue", "1")
    patch = desk.agentos("diff", "1")
    assert "+def shout" in patch.out
    assert "greet.py" in desk.agentos("diff", "1", "--stat").out
    page = desk.home.parent / "run.html"
    assert desk.agentos("show", "1", "--html", str(page)).code == 0
    assert "Add a shout function" in page.read_text("utf-8")
    following = desk.begin("logs", "1", "--follow")
    assert following.stdout is not None
    while "before_pr" not in following.stdout.readline():
        assert following.poll() is None
    desk.agentos("cancel", "1", "done by hand")
    out, err = following.communicate(timeout=100)  # ends by itself
    assert following.returncode == 0, err
    assert "done by hand" in out
    assert "cancelled" in out.splitlines()[-1]


def test_doctor_says_by_its_exit_code_whether_a_run_could_start(desk: Desk) -> None:
    assert desk.agentos("doctor").code == 0
    desk.git("rm", "-q", "WORKFLOW.md")
    desk.git("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "-q", "-m", "no consent any more")
    ill = desk.agentos("doctor")
    assert ill.code == 3
    assert "WORKFLOW.md" in ill.out
    assert " init` writes one" in ill.out
