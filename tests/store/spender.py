"""A process that pays for calls of one run until the day's budget stops it; the race test starts several of these.

Words: the database, a run, the day's ceiling in dollars, what a call costs at its worst, whether calls are settled.
"""

import asyncio
import sys
from pathlib import Path

from agentos.adapters.clock.system import SystemClock
from agentos.domain.budget import Budget, Budgets, BudgetSpent, Spend
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef
from agentos.store import Store
from agentos.store.database import open_database
from agentos.workflows.kit.budget import Purse

MOST = 200


async def main(url: str, run_id: int, ceiling_usd: float, worst_usd: float, settles: bool) -> int:
    async with open_database(Path(), url) as db:
        store = Store.on(db, Path())
        fence = await store.runs.acquire(run_id, owner=f"spender {run_id}", lease_s=600)
        assert fence is not None
        purse = Purse(store, SystemClock(), Budgets(day=Budget(usd=ceiling_usd)))
        call, worst = CallRef(run_id, f"task-{run_id}", Stage.LLD, "drafter", 1), Spend(1, 10, 10, worst_usd)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for n in range(MOST):
            try:
                charge = await purse.reserve(fence, call, (n, "digest"), model="m", worst=worst)
            except BudgetSpent:
                return n
            if settles:
                real = Spend(1, 10, 5, worst_usd / 2)
                await store.exchanges.keep_reply(fence, charge, model="m", payload={}, spend=real)
        return MOST


if __name__ == "__main__":
    words = sys.argv[1:]
    print(asyncio.run(main(words[0], int(words[1]), float(words[2]), float(words[3]), words[4] == "settles")))
