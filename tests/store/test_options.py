"""What a run is driven with can be added to while it lives."""

from agentos.domain.issue import IssueRef
from agentos.store import Store


async def test_later_options_win_and_earlier_ones_stay(store: Store) -> None:
    options = {"budget.usd": 1, "until": "pr"}
    run = await store.runs.create(IssueRef("demo", 1), target="/srv/demo", profile="cli", options=options)

    await store.runs.add_options(run.ref.id, {"budget.usd": 5})

    assert await store.runs.options(run.ref.id) == {"budget.usd": 5, "until": "pr"}
