"""`rebuild`: a run whose database is lost is found again; what was found is said before anything goes on."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agentos.bootstrap import Place, database_url, open_desk, open_outside, open_place, require_policy
from agentos.cli.args import Request
from agentos.cli.documents import FoundDocument, RebuildDocument, text_of
from agentos.cli.reports import Report
from agentos.cli.run_commands import announce, drained, report_on, show
from agentos.cli.terminal import command, one_line, tell
from agentos.cli.view import open_view
from agentos.domain.run import Run
from agentos.runs.engine import load_engine
from agentos.runs.rebuild import Lost, look
from agentos.runs.rebuild import rebuild as go_on
from agentos.runs.result import ExitCode

if TYPE_CHECKING:
    from langgraph.runtime import RunControl


def rebuild(request: Request) -> int:
    """The exit code of finding a run again: what became of it, or of looking alone, 0, or 2 where nothing goes on."""
    if request.dry_run:
        return asyncio.run(_look(request))
    return show(request, asyncio.run(_rebuild(request)))


async def _look(request: Request) -> int:
    place = await _place(request)
    async with open_desk(place.settings.home, database_url(place.settings)) as desk:
        lost = await look(desk, place.target, _number(request), await open_outside(place))
    code = ExitCode.FINISHED if lost.entry is not None else ExitCode.USAGE
    if request.json:
        print(text_of(_document(lost, code)))
        return int(code)
    print(*_lines(lost), sep="\n")
    if lost.entry is not None:
        print(f"To do it: {command(request, 'rebuild', str(request.issue))}")
    return int(code)


async def _rebuild(request: Request) -> Report:
    loading = asyncio.get_running_loop().run_in_executor(None, load_engine)
    place = await _place(request)
    with open_view(quiet=request.quiet) as view:
        async with open_desk(place.settings.home, database_url(place.settings), observe=view.observe) as desk:
            await loading
            lost = await look(desk, place.target, _number(request), await open_outside(place))
            if lost.entry is not None and not request.quiet:
                for line in _lines(lost):
                    tell(line)
                announce(request, place)
            view.begin(f"issue {request.issue} in {place.target.folder.name}, run #{lost.found.former + 1}", ())

            async def work(control: "RunControl") -> Run:
                return await go_on(desk, place.target, lost, control=control)

            return await report_on(request, desk, await drained(work, view))


async def _place(request: Request) -> Place:
    place = await open_place(request.repo, request.overrides)
    require_policy(place)
    return place


def _number(request: Request) -> int:
    assert request.issue is not None
    return request.issue


def _lines(lost: Lost) -> Iterator[str]:
    """What was found and where it goes on, for people."""
    found, entry = lost.found, lost.entry
    if entry is None:
        yield one_line(found.ended)
        return
    yield f"Run #{found.former} of {lost.traces.issue.ref} is not in this database. Found again:"
    yield from (f"  {proof.stage:<9} {one_line(proof.what)}" for proof in found.proofs)
    if not found.proofs:
        yield "  nothing that could be used"
    missing = lost.missing()
    yield from ("Not found:", *(f"  {one_line(sentence)}" for sentence in missing)) if missing else ()
    yield f"Run #{found.former + 1} goes on {_where(lost)}."


def _where(lost: Lost) -> str:
    assert lost.entry is not None
    if lost.entry.asks is not None:
        return f"where it waited: {one_line(lost.entry.asks.title)}"
    behind = lost.entry.state.get("current_stage")
    return f"behind {behind}" if behind else f"at {lost.entry.stage}"


def _document(lost: Lost, code: ExitCode) -> RebuildDocument:
    entry = lost.entry
    return RebuildDocument(
        repo=lost.traces.issue.ref.repo,
        issue=lost.traces.issue.ref.number,
        run=lost.found.former,
        ended=lost.found.ended,
        found=[FoundDocument(stage=proof.stage, what=proof.what) for proof in lost.found.proofs],
        missing=list(lost.missing()) if entry is not None else [],
        enters=entry.stage if entry is not None else None,
        asks=entry.asks.title if entry is not None and entry.asks is not None else None,
        exit_code=code,
    )
