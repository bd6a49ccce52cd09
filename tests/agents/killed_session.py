"""One session of the native agent in a process of its own, to be killed: DATABASE_URL FOLDER MODEL_URL RUN_ID."""

import asyncio
import json
import sys
from pathlib import Path

from agentos.adapters.agent.native.agent import NativeAgent
from agentos.adapters.clock.system import SystemClock
from agentos.adapters.model.scripted import ScriptedModels
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentActed, AgentLimits, AgentTask
from agentos.ports.chat_model import CallRef
from agentos.store import Store
from agentos.store.database import open_database
from agentos.workflows.kit.budget import Purse
from agentos.workflows.kit.recorded_model import RecordedModels


async def main(url: str, folder: Path, model_url: str, run_id: int) -> None:
    async with open_database(folder / "home", url) as db:
        store = Store.on(db, folder / "home")
        while (fence := await store.runs.acquire(run_id, owner="test", lease_s=0.1)) is None:
            await asyncio.sleep(0.02)
        models = RecordedModels(ScriptedModels.on(model_url), store.exchanges, fence, Purse(store, SystemClock()))
        agent = NativeAgent(models=models, exchanges=store.exchanges, sandbox=ProcessSandbox(), fence=fence)
        call = CallRef(run_id, "task-1", Stage.IMPL, "implementer", 1)
        task = AgentTask(
            "Work.", "Do it.", folder / "tree", folder / "scratch", "scripted:x", call, AgentLimits(), ("AC-1",)
        )
        events = [event async for event in agent.run(task)]
        told = [[event.tool, event.line, event.ok] for event in events if isinstance(event, AgentActed)]
        last = events[-1]
        assert not isinstance(last, AgentActed)
        print(json.dumps({"acted": told, "status": last.status, "summary": last.summary, "calls": last.spend.calls}))


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
