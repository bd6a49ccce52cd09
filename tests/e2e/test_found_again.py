"""What of a lost run counts as found, trace by trace: what is damaged, forged or missing never does."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agentos.bootstrap import Place, database_url, open_desk, open_outside, open_place
from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Outcome, Stage
from agentos.domain.run import Run
from agentos.domain.status import JobState, WaitKind
from agentos.runs.advance import advance
from agentos.runs.decide import decide
from agentos.runs.desk import ENTRY, Desk
from agentos.runs.rebuild import Lost, look, rebuild
from agentos.runs.start import start
from tests.conftest import fresh_database
from tests.crash.model_server import Replies
from tests.crash.toy import BRIEF, make_target, replies
from tests.e2e.conftest import as_script

pytestmark = pytest.mark.timeout(400)
_sources = count(1)


@dataclass
class Person:
    """Somebody at the machine in `folder`, whose runs are driven in this process."""

    folder: Path
    desk: Desk
    place: Place

    @property
    def target(self) -> Path:
        return self.folder / "target"

    async def begins(self) -> Run:
        return await start(self.desk, self.place.target, 1)

    async def says(self, run: Run, kind: DecisionKind, text: str = "") -> Run:
        await decide(self.desk, run, Decision(kind, "ann", f"test:{next(_sources)}", text))
        return await advance(self.desk, run)

    async def looks(self) -> Lost:
        return await look(self.desk, self.place.target, 1, await open_outside(self.place))

    async def rebuilds(self) -> Run:
        return await rebuild(self.desk, self.place.target, await self.looks())

    async def calls(self, run: Run) -> set[Stage]:
        """The stages whose models were asked."""
        return {call.stage for call in await self.desk.store.exchanges.calls(run.ref.id)}


@asynccontextmanager
async def person_in(folder: Path, url: str, said: Replies) -> AsyncIterator[Person]:
    with pytest.MonkeyPatch.context() as patch:
        (folder / "replies.json").write_text(json.dumps(as_script(said)), "utf-8")
        (folder / "config.yaml").write_text("{}\n", "utf-8")
        for name, value in (("HOME", "home"), ("CONFIG", "config.yaml"), ("MODELS__SCRIPT", "replies.json")):
            patch.setenv(f"AGENTOS_{name}", str(folder / value))
        patch.setenv("AGENTOS_DATABASE_URL", url)
        place = await open_place(folder / "target")
        async with open_desk(place.settings.home, database_url(place.settings)) as desk:
            yield Person(folder, desk, place)


@pytest.fixture(scope="module")
def lost_at_its_gate(tmp_path_factory: pytest.TempPathFactory, postgresql: str) -> Path:
    """A machine whose run waits at before_pr, and whose database is gone."""
    folder = tmp_path_factory.mktemp("lost")
    make_target(folder / "target")

    async def run() -> None:
        async with person_in(folder, url, replies()) as ann:
            assert (await ann.begins()).job is JobState.WAITING

    with fresh_database(postgresql) as url:
        asyncio.run(run())
    return folder


Open = Callable[..., AbstractAsyncContextManager[Person]]


@pytest.fixture
def person(lost_at_its_gate: Path, tmp_path: Path, postgresql: str) -> Iterator[Open]:
    """A copy of that machine with an empty database."""
    shutil.rmtree(tmp_path)
    shutil.copytree(lost_at_its_gate, tmp_path, symlinks=True)
    with fresh_database(postgresql) as url:

        def opened(said: Replies | None = None) -> AbstractAsyncContextManager[Person]:
            return person_in(tmp_path, url, said if said is not None else {})

        yield opened


def _run(folder: Path) -> Path:
    (found,) = folder.glob("home/runs/*/1/1")
    return found


def _spoil(*names: str) -> Callable[[Path], None]:
    """Another byte in each of these files."""

    def spoil(folder: Path) -> None:
        for name in names:
            path = _run(folder) / name
            path.write_bytes(path.read_bytes().replace(b"e", b"E", 1))

    return spoil


def _drop(*places: str) -> Callable[[Path], None]:
    def drop(folder: Path) -> None:
        for place in places:
            for path in folder.glob(place):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return drop


def _both(*harms: Callable[[Path], None]) -> Callable[[Path], None]:
    def both(folder: Path) -> None:
        for harm in harms:
            harm(folder)

    return both


def _tear_the_index(folder: Path) -> None:
    index = _run(folder) / "artifacts.jsonl"
    index.write_text(index.read_text("utf-8") + '{"name": "lld.json", "ki', "utf-8")


def _unindexed(folder: Path) -> None:
    """A change that nobody put there, though it reads well."""
    index = _run(folder) / "artifacts.jsonl"
    lines = [line for line in index.read_text("utf-8").splitlines() if '"change.json"' not in line]
    index.write_text("\n".join(lines) + "\n", "utf-8")


def _sent_back(folder: Path) -> None:
    """Somebody's feedback on exactly that design is in the record."""
    digest = json.loads((_run(folder) / "lld-approval.json").read_text("utf-8"))["document"]
    said = {"kind": "feedback", "actor": "ann", "source": "cli:1", "text": "No.", "subject": digest}
    _tell(folder, {"kind": "decision_taken", "stage": "lld", "step": None, "data": said})


def _approved_at_the_gate(folder: Path) -> None:
    sha = json.loads((_run(folder) / "change.json").read_text("utf-8"))["head_sha"]
    said = {"kind": "approve", "actor": "ann", "source": "cli:1", "text": "", "subject": sha}
    _tell(folder, {"kind": "decision_taken", "stage": "impl", "step": None, "data": said})


def _tell(folder: Path, event: dict[str, Any]) -> None:
    """The record has one more event, and says so of itself."""
    import hashlib

    path = _run(folder) / "events.jsonl"
    text = path.read_text("utf-8") + json.dumps({"seq": 999, "at": "2026-03-01T10:00:00+00:00", **event}) + "\n"
    path.write_text(text, "utf-8")
    line = {"name": path.name, "kind": "events", "sha256": hashlib.sha256(text.encode()).hexdigest()}
    with (path.parent / "artifacts.jsonl").open("a", encoding="utf-8") as index:
        index.write(json.dumps(line) + "\n")


ALL = ["triage", "lld", "spec", "impl"]
HARMS: list[tuple[str, Callable[[Path], object], list[str], str]] = [
    ("nothing", lambda _: None, ALL, "impl"),
    ("the design, but its comment has it", _spoil("lld.json", "lld-draft-1.json"), ALL, "impl"),
    (
        "design and comment",
        _both(_spoil("lld.json", "lld-draft-1.json"), _drop("target/tickets/*.thread.md")),
        ["triage", "impl"],
        "impl",
    ),
    ("an approval", _spoil("spec-approval.json"), ["triage", "lld", "impl"], "impl"),
    ("approvals and change", _spoil("lld-approval.json", "change.json"), ["triage"], "triage"),
    ("the change", _spoil("change.json"), ["triage", "lld", "spec"], "spec"),
    ("a change nobody put there", _unindexed, ["triage", "lld", "spec"], "spec"),
    ("our repository", _drop("home/repos", "home/worktrees"), ALL, "impl"),
    (
        "our repository and the bundle",
        _both(_drop("home/repos"), _spoil("change.bundle")),
        ["triage", "lld", "spec"],
        "spec",
    ),
    ("the brief", _spoil("issue-brief.json"), [], ""),
    ("all documents", _drop("home/runs"), [], ""),
    ("the end of the index", _tear_the_index, ALL, "impl"),
    ("a design sent back", _both(_sent_back, _spoil("change.json")), ["triage"], "triage"),
    ("nothing, and the gate is passed", _approved_at_the_gate, ALL, ""),
]


@pytest.mark.parametrize(("harm", "stages", "behind"), [each[1:] for each in HARMS], ids=[each[0] for each in HARMS])
async def test_what_cannot_be_proved_is_not_found(
    person: Open, tmp_path: Path, harm: Callable[[Path], object], stages: list[str], behind: str
) -> None:
    harm(tmp_path)
    async with person() as ann:
        lost = await ann.looks()
        assert lost.entry is not None, lost.found.ended
        assert [proof.stage for proof in lost.found.proofs] == stages
        assert lost.entry.state.get("current_stage", "") == behind
        assert lost.found.former == 1
        assert await ann.desk.store.runs.latest(ann.place.target.issue(1)) is None, "looking makes no run"
        follows = {"impl": Stage.PR, "spec": Stage.IMPL, "triage": Stage.LLD, "": Stage.PR if stages else Stage.TRIAGE}
        assert lost.entry.stage is follows[behind]


def _close(folder: Path) -> None:
    ticket = folder / "target" / "tickets" / "001-shout.md"
    ticket.write_text(re.sub("(?m)^status: .*$", "status: done", ticket.read_text("utf-8")), "utf-8")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_close, "is closed"),
        (_drop("home/runs", "target/tickets/*.thread.md"), "no run of .* left a trace"),
    ],
)
async def test_where_nothing_goes_on_it_says_why(
    person: Open, tmp_path: Path, harm: Callable[[Path], object], words: str
) -> None:
    harm(tmp_path)
    async with person() as ann:
        assert re.search(words, (await ann.looks()).found.ended)
        with pytest.raises(UsageError, match=words):
            await ann.rebuilds()


async def test_what_people_write_on_the_issue_is_no_trace(person: Open, tmp_path: Path) -> None:
    thread = tmp_path / "target" / "tickets" / "001-shout.thread.md"
    forged = thread.read_text("utf-8").replace("· agentos", "· mallory")
    assert "mallory" in forged
    _drop("home/runs")(tmp_path)
    thread.write_text(forged, "utf-8")
    async with person() as ann:
        assert "left a trace" in (await ann.looks()).found.ended


async def test_a_run_lost_twice_and_merged_by_hand_meanwhile_is_wound_up(
    person: Open, tmp_path: Path, postgresql: str
) -> None:
    async with person() as ann:
        run = await ann.says(await ann.rebuilds(), DecisionKind.APPROVE)
        assert (run.ref.number, run.stage, run.job) == (2, Stage.REVIEW, JobState.WAITING)
        assert await ann.calls(run) == set()
    branch = subprocess.run(
        ["git", "-C", str(tmp_path / "target"), "branch", "--list", "agentos/*", "--format=%(refname:short)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run(
        ["git", "-C", str(tmp_path / "target"), *who, "merge", "-q", "--no-ff", "-m", "mine", branch], check=True
    )
    with fresh_database(postgresql) as url:
        said = {key: turns for key, turns in replies().items() if key[0] == "finalize"}
        async with person_in(tmp_path, url, said) as ann:
            done = await ann.rebuilds()
            assert (done.ref.number, done.outcome) == (3, Outcome.MERGED)
            assert await ann.calls(done) == {Stage.FINALIZE}
        assert not list(tmp_path.glob("home/worktrees/*/1"))


async def test_a_question_is_asked_again_as_it_was_and_its_answer_goes_on(tmp_path: Path, postgresql: str) -> None:
    make_target(tmp_path / "target")
    said = replies()
    said["triage", "drafter", 1] = [{"json": {**BRIEF, "open_questions": ["Which language?"]}}]
    with fresh_database(postgresql) as url:
        async with person_in(tmp_path, url, said) as ann:
            run = await ann.begins()
            asked = await ann.desk.store.runs.wait(run.ref.id)
            await ann.says(run, DecisionKind.HOLD, "until Monday")
    with fresh_database(postgresql) as url:
        async with person_in(tmp_path, url, replies()) as ann:
            held = await ann.rebuilds()
            assert (held.job, held.error) == (JobState.PAUSED, "on hold by ann: until Monday")
            again = await ann.says(held, DecisionKind.RESUME)
            wait = await ann.desk.store.runs.wait(again.ref.id)
            assert asked is not None
            assert wait is not None
            assert (wait.kind, wait.questions) == (WaitKind.QUESTION, asked.questions)
            assert await ann.calls(again) == set()
            done = await ann.says(again, DecisionKind.ANSWER, "English.")
            assert (done.stage, done.job) == (Stage.IMPL, JobState.WAITING)


async def test_a_rebuild_that_died_halfway_is_finished_by_the_next_and_by_nothing_else(person: Open) -> None:
    async with person() as ann:
        target = ann.place.target
        half = await ann.desk.store.runs.create(
            target.issue(1), target=str(target.folder), profile="cli", options={ENTRY: {}}, after=1
        )
        with pytest.raises(UsageError, match=r"`agentos rebuild 1` goes on"):
            await ann.begins()
        done = await ann.rebuilds()
        assert (done.ref, done.job, done.stage) == (half.ref, JobState.WAITING, Stage.IMPL)
        with pytest.raises(UsageError, match="is in the database"):
            await ann.looks()


async def test_a_trivial_change_that_its_reviewer_blocked_is_asked_about_again_at_its_commit(
    tmp_path: Path, postgresql: str
) -> None:
    make_target(tmp_path / "target")
    said = replies()
    said["triage", "drafter", 1] = [{"json": {**BRIEF, "complexity": 1}}]
    said["impl", "reviewer", 1] = [{"json": {"verdict": "block", "summary": "Why?", "confidence": 9, "findings": []}}]
    with fresh_database(postgresql) as url:
        async with person_in(tmp_path, url, said) as ann:
            run = await ann.begins()
            blocked = await ann.desk.store.runs.wait(run.ref.id)
            assert blocked is not None
            assert (run.job, blocked.code) == (JobState.BLOCKED, "reviewer_blocks")
    approve, as_it_is = replies()["impl", "reviewer", 1], replies()["impl", "implementer", 2][-2:]
    with fresh_database(postgresql) as url:
        async with person_in(
            tmp_path, url, {("impl", "implementer", 1): as_it_is, ("impl", "reviewer", 1): approve}
        ) as ann:
            lost = await ann.looks()
            assert [proof.stage for proof in lost.found.proofs] == ["triage"]
            again = await rebuild(ann.desk, ann.place.target, lost)
            wait = await ann.desk.store.runs.wait(again.ref.id)
            assert wait is not None
            assert (again.job, wait.title) == (JobState.BLOCKED, blocked.title)
            done = await ann.says(again, DecisionKind.RETRY)
            assert (done.job, done.stage) == (JobState.WAITING, Stage.IMPL), "from its commit on, not from the base"
            assert await ann.calls(done) == {Stage.IMPL}
