"""What a machine does to a run: it sleeps, its database is killed or full of others; the same command goes on."""

import signal
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from agentos.store.embedded import connect_embedded
from tests.crash.database_faults import stop_server
from tests.e2e.conftest import PATIENCE_S, Desk
from tests.e2e.held_server import HeldServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
EXPIRE = "UPDATE runs SET lease_until = clock_timestamp() - interval '1 day'"
MORE_THAN_THERE_ARE = 200


def test_a_sleeper_that_nobody_replaced_goes_on_where_it_was(desk: Desk, held: HeldServer, database_url: str) -> None:
    sleeper = desk.begin("--issue", "1", "--json")
    assert held.asked.wait(PATIENCE_S)
    sleeper.send_signal(signal.SIGSTOP)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(EXPIRE)

    assert desk.agentos("--issue", "1").code == 6, "its lease is over, but this machine knows that it lives"
    held.go.set()
    sleeper.send_signal(signal.SIGCONT)
    _, err = sleeper.communicate(timeout=PATIENCE_S)
    assert sleeper.returncode == 4, err
    assert desk.record()["cost_by_stage"]["triage"]["calls"] == 1


def test_a_server_killed_under_a_run_ends_it_in_a_sentence_at_most_and_it_goes_on(plain_desk: Desk) -> None:
    server = HeldServer()
    plain_desk.environment["AGENTOS_MODELS__SCRIPT"] = server.url
    process = plain_desk.begin("--issue", "1")
    assert server.asked.wait(PATIENCE_S)
    stop_server(plain_desk.home, signal.SIGKILL)
    server.go.set()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (4, 5), err
    assert "Traceback" not in err
    assert "error connecting" not in err, "the pool's own notes are not for people"

    again = plain_desk.agentos("--issue", "1")
    server.close()
    assert again.code == 4, again.err


def test_a_server_killed_while_a_run_waits_takes_nothing_from_the_answer(plain_desk: Desk) -> None:
    assert plain_desk.agentos("--issue", "1").code == 4
    other = connect_embedded(plain_desk.home)
    stop_server(plain_desk.home, signal.SIGKILL)
    answered = plain_desk.agentos("approve", "1")
    other.close()
    assert answered.code == 4, answered.err
    assert "review" in answered.out


def test_without_a_free_connection_one_sentence_says_so_and_nothing_began(desk: Desk, database_url: str) -> None:
    with ExitStack() as stack:
        with suppress(psycopg.OperationalError):
            for _ in range(MORE_THAN_THERE_ARE):
                stack.enter_context(psycopg.connect(database_url))
        refused = desk.agentos("--issue", "1")
        assert refused.code == 1
        assert refused.err.startswith("agentos: the database ")
        assert len(refused.err.strip().splitlines()) == 1
    assert desk.agentos("--issue", "1").code == 4


def test_a_clock_that_jumps_days_forward_and_back_changes_nothing(desk: Desk) -> None:
    desk.environment["PYTHONPATH"] = str(Path(__file__).with_name("jumping"))
    began = datetime.now(UTC)
    for words, code in ((("--issue", "1"), 4), (("approve", "1"), 4), (("approve", "1"), 0)):
        with desk.begin(*words) as process:  # Python meets that clock as it starts
            _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, said
    ended, record = datetime.now(UTC), desk.record()
    times = [record["timing"][name] for name in ("created_at", "started_at", "completed_at")]
    times += [stage[name] for stage in record["stages"] for name in ("started_at", "ended_at")]
    assert all(began <= datetime.fromisoformat(each) <= ended for each in times), "the database's clock counts"
    spoken = "".join(path.read_text("utf-8") for path in desk.target.glob("tickets/*"))
    assert f"{ended + timedelta(days=2):%Y-%m-%d}" in spoken, "the clock of the process did jump"
