"""What is kept with a run of the command line it was started with."""

from pathlib import Path

from agentos.bootstrap import open_place
from tests.crash.toy import make_target


async def test_a_run_keeps_its_settings_and_not_how_this_machine_reaches_the_database(tmp_path: Path) -> None:
    target = make_target(tmp_path / "target")
    given = {"budget.usd": 5, "home": str(tmp_path / "home"), "database_url": "postgresql://ann:secret@127.0.0.1/x"}

    place = await open_place(target, given)

    assert place.target.options == {"budget.usd": 5}
    assert place.settings.budget.usd == 5
