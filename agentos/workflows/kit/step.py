"""What every step of every stage can do: tell the ledger, keep a document, ask a model, act outside once."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from langgraph.runtime import Runtime
from pydantic import BaseModel

from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.effect import CrashPoint, EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.event import EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.issue import OPT_OUT_LABEL
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef
from agentos.store.fence import check
from agentos.store.runs import Change
from agentos.telemetry.crash import crash_point
from agentos.telemetry.redaction import redacted_data
from agentos.workflows.kit.ask import Ask, ask
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.records import dump_json, load_json
from agentos.workflows.kit.state import RunState

T = TypeVar("T")
Reply = TypeVar("Reply", bound=BaseModel)
Found: TypeAlias = dict[str, Any]


@dataclass
class Step:
    """One visit of one step. Everything it records carries the graph task's id, so a repeat records nothing twice."""

    ctx: RunContext
    stage: Stage
    name: str
    task_id: str
    _emitted: Counter[str] = field(default_factory=Counter)

    def _event_id(self, kind: EventKind) -> str:
        self._emitted[kind] += 1
        return f"{self.task_id}:{kind}:{self._emitted[kind]}"

    async def emit(self, kind: EventKind, /, **data: Any) -> None:
        """Effect: the fact is in the ledger, once."""
        await self.ctx.store.ledger.append(
            self.ctx.fence, kind, stage=self.stage, step=self.name, data=data, event_id=self._event_id(kind)
        )

    async def move(self, change: Change, kind: EventKind, /, **data: Any) -> None:
        """Effect: the run's row changed as given, with its event, once."""
        event_id = self._event_id(kind)
        await self.ctx.store.runs.transition(self.ctx.fence, change, event=kind, data=data, event_id=event_id)

    async def keep(self, kind: ArtifactKind, content: bytes, *, suffix: str, name: str = "") -> ArtifactRef:
        """The reference of `content` in the artifact store. Repeating stores nothing new."""
        run = self.ctx.run
        ref = await self.ctx.store.artifacts.put(
            self.ctx.fence, run.issue, run.number, kind, content, suffix=suffix, name=name
        )
        await self.emit(EventKind.ARTIFACT_STORED, kind=str(kind), sha256=ref.sha256, path=ref.path)
        return ref

    async def keep_record(self, kind: ArtifactKind, record: object, *, name: str = "") -> ArtifactRef:
        """The reference of `record` as a JSON document."""
        return await self.keep(kind, dump_json(record), suffix=".json", name=name)

    async def document(self, kind: type[T], sha256: str) -> T:
        """The record behind the JSON document `sha256`."""
        return load_json(kind, await self.ctx.store.artifacts.get(sha256))

    def call(self, role: str, round_: int) -> CallRef:
        """Names the conversation of `role` in this visit."""
        return CallRef(self.ctx.run.id, self.task_id, self.stage, role, round_)

    async def ask(
        self, role: str, prompt: str, schema: type[Reply], *, round_: int, by: str = "", **inputs: object
    ) -> Reply:
        """The structured answer of the model that plays `role` (or `by`, where that has none of its own) to the prompt
        file `prompt`, paid for once."""
        ctx = self.ctx
        model = ctx.choice.of(self.stage, by or role)
        rendered = ctx.prompts.render(prompt, **inputs)
        request = Ask(self.call(role, round_), model, rendered.system, rendered.text, schema)
        answer = await ask(ctx.ports.models, request)
        await self.emit(
            EventKind.MODEL_CALLED,
            role=role,
            model=answer.model,
            round=round_,
            prompt=prompt,
            prompt_digest=rendered.digest,
            input_tokens=answer.spend.input_tokens,
            output_tokens=answer.spend.output_tokens,
            usd=answer.spend.usd,
        )
        assert isinstance(answer.value, schema)
        return answer.value

    async def once(
        self,
        key: str,
        *,
        find: Callable[[], Awaitable[Found | None]],
        act: Callable[[], Awaitable[object]],
        version: str = "",
        consent: bool = True,
    ) -> Found:
        """What `find` reads back of the effect `key` in `version`, made by `act` only where it was not there yet.

        The order is DESIGN §5's: intent under the fence, look-up on the other side, act, read back, record. A crash
        between any two of them and a repeat never doubles the effect. `consent`: the issue is read again right before
        `act`, and nothing is written for one that was closed or opted out (I8).
        """
        effects, fence, issue = self.ctx.store.effects, self.ctx.fence, self.ctx.issue
        effect, point = EffectKey(key), f"effect:{key.split('@')[0].split(':')[0]}"
        crash_point(f"{point}:{CrashPoint.BEFORE_INTENT}")
        row = await effects.intend(fence, issue, effect, version=version)
        if row.state == "recorded" and row.run_id == self.ctx.run.id and row.result is not None:
            return dict(row.result)
        crash_point(f"{point}:{CrashPoint.AFTER_INTENT}")
        found = await find()
        crash_point(f"{point}:{CrashPoint.AFTER_LOOKUP}")
        if found is None:
            if consent:
                await self._require_consent(key)
            await self._require_fence()
            await act()
            crash_point(f"{point}:{CrashPoint.ANSWER_LOST}")
            found = await find()
            if found is None:
                raise OutsideError(f"{key} of {issue} was made but cannot be read back", kind=FailureKind.TRANSIENT)
        crash_point(f"{point}:{CrashPoint.AFTER_ANSWER}")
        await effects.record(fence, issue, effect, found)
        crash_point(f"{point}:{CrashPoint.AFTER_RECORD}")
        await self.emit(EventKind.EFFECT_DONE, key=key, version=version, result=found)
        return found

    async def at_most_once(self, key: str, act: Callable[[], Awaitable[None]], *, consent: bool = False) -> None:
        """Effect: `act` was done, unless it was begun before: for what cannot be read back, losing beats doubling.
        `consent`: as in `once`, asked before it counts as begun."""
        effects, fence, issue = self.ctx.store.effects, self.ctx.fence, self.ctx.issue
        effect, point = EffectKey(key), f"effect:{key.split('@')[0].split(':')[0]}"
        crash_point(f"{point}:{CrashPoint.BEFORE_INTENT}")
        if await effects.get(issue, effect) is not None:
            return
        if consent:
            await self._require_consent(key)
        await effects.intend(fence, issue, effect)
        crash_point(f"{point}:{CrashPoint.AFTER_INTENT}")
        await act()
        crash_point(f"{point}:{CrashPoint.AFTER_ANSWER}")
        await effects.record(fence, issue, effect, {})
        crash_point(f"{point}:{CrashPoint.AFTER_RECORD}")

    async def _require_fence(self) -> None:
        """Raises FenceLost for an owner that slept since it wrote its intent: it must not act for a run it lost."""
        async with self.ctx.store.db.connection() as conn:
            await check(conn, self.ctx.fence)

    async def _require_consent(self, key: str) -> None:
        issue = await self.ctx.ports.tracker.get(self.ctx.issue.number)
        if not issue.is_open:
            raise OutsideError(f"{issue.ref} was closed, so {key} was not written", kind=FailureKind.GONE)
        if OPT_OUT_LABEL in issue.labels:
            raise OutsideError(
                f"{issue.ref} carries {OPT_OUT_LABEL}, so {key} was not written", kind=FailureKind.DENIED
            )


StepFunction: TypeAlias = Callable[[RunState, Step], Awaitable[RunState]]


class Node(Protocol):
    """A graph node, in the form LangGraph hands the run's context to."""

    def __call__(self, state: RunState, *, runtime: Runtime[RunContext]) -> Awaitable[RunState]:
        """The update of the state."""
        ...


class StepNode:
    """`function` as a graph node: shown as step `name` of `stage` (None: the stage the run is in), started and ended in
    the ledger.

    It is an object because LangGraph takes functions apart in search of subgraphs, a millisecond for each node.
    """

    def __init__(self, stage: Stage | None, name: str, function: StepFunction) -> None:
        self._stage, self._name, self._function = stage, name, function
        self.__name__ = function.__name__

    async def __call__(self, state: RunState, *, runtime: Runtime[RunContext]) -> RunState:
        """The update of the state."""
        info = runtime.execution_info
        assert info is not None
        step = Step(runtime.context, self._stage or Stage(state["current_stage"]), self._name, info.task_id)
        where = f"step:{step.stage}:{self.__name__}"
        crash_point(f"{where}:before")
        await step.move(Change(stage=step.stage, step=self._name), EventKind.STEP_STARTED, node=self.__name__)
        update = redacted_data(await self._function(state, step))
        await step.emit(EventKind.STEP_ENDED, node=self.__name__)
        crash_point(f"{where}:after")
        return update
