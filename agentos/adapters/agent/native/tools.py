"""What the agent can do: run commands, look, change files, search, hand in."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import Field

from agentos.adapters.agent.native.files import Files, Refused
from agentos.adapters.agent.native.session import Session
from agentos.adapters.agent.native.submission import Proof, difference, offered, second_look
from agentos.adapters.agent.native.text import head_and_tail, numbered, replaced
from agentos.domain.capability import GRANTS, Role
from agentos.domain.destruction import refusal_of_line
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import clean_text, safe_name
from agentos.ports.sandbox import Command, Sandbox
from agentos.telemetry.redaction import redacted

SEARCH_WORKER = Path(__file__).with_name("search_worker.py")
SEARCH_S = 20.0
INTERRUPTED = "interrupted before its result was recorded; it may have run in part"


class Tools:
    """The tools of one session. Each returns what the agent reads; a refusal reaches it as an error."""

    def __init__(self, *, session: Session, sandbox: Sandbox) -> None:
        task = session.task
        self._session = session
        self._sandbox = sandbox
        self._outputs = task.scratch / "outputs"
        self._files = Files(task.cwd, self._outputs)

    def all(self) -> list[BaseTool]:
        """The tools as LangChain knows tools."""
        return [_as_tool(getattr(self, name)) for name in GRANTS[Role.IMPLEMENTER].tools]

    async def bash(
        self,
        command: Annotated[str, Field(description="a line for /bin/sh, run in the working folder")],
        timeout_s: Annotated[float, Field(description="seconds it may take", gt=0)] = 120.0,
    ) -> str:
        """Run a shell command. It gets no input, and everything it started is ended with it, background jobs too."""
        session, task = self._session, self._session.task
        if session.again:
            return INTERRUPTED
        if reason := refusal_of_line(command, (str(task.cwd), str(task.scratch))):
            raise ToolException(f"refused: {reason}")
        writable, most_s = (task.cwd, task.scratch), min(timeout_s, task.limits.command_s)
        asked = Command(command, task.cwd, writable, most_s, readable=task.readable)
        try:
            done = await self._sandbox.run(asked)
        except OutsideError as error:
            if error.kind is not FailureKind.INVALID:
                raise
            raise ToolException(str(error)) from error
        head = f"stopped after {asked.timeout_s:.0f} s" if done.timed_out else f"exit code {done.exit_code}"
        return f"{head}\n{await self._shown(done.output)}"

    async def _shown(self, output: str) -> str:
        """`output` as far as it is shown. Effect: one that is too long is whole in a file the agent can view."""
        full = self._outputs / f"{safe_name(self._session.place)}.txt"
        shown = head_and_tail(output, str(full))
        if shown is not output:
            await asyncio.to_thread(_keep, full, output)
        return shown

    async def view(
        self,
        path: Annotated[str, Field(description="a file or folder, relative to the working folder")],
        start: Annotated[int, Field(description="first line, counted from 1")] = 1,
        end: Annotated[int | None, Field(description="last line; by default as many as fit")] = None,
    ) -> str:
        """Show lines of a file with their numbers, or the names in a folder."""
        names = await asyncio.to_thread(self._files.entries, path)
        if names is not None:
            return "\n".join(names) or "the folder is empty"
        return numbered(await asyncio.to_thread(self._files.read, path), start, end)

    async def edit(
        self,
        path: Annotated[str, Field(description="a file, relative to the working folder")],
        old: Annotated[str, Field(description="the exact text to replace, spaces included; it must be there once")],
        new: Annotated[str, Field(description="the text to put in its place")],
    ) -> str:
        """Replace one piece of text in a file."""
        content = await asyncio.to_thread(self._files.read, path)
        # What a file is about to become is noted first: text alone cannot tell an edit done from one to do.
        note = self._session.task.scratch / "edits" / f"{safe_name(self._session.place)}.sha256"
        if self._session.again and await asyncio.to_thread(_read_note, note) == sha256(content).hexdigest():
            return f"{path} changed"
        changed = replaced(content, old, new)
        if changed is None:
            return f"{path} holds the new text already"
        await asyncio.to_thread(_keep, note, sha256(changed).hexdigest())
        await asyncio.to_thread(self._files.write, path, changed)
        return f"{path} changed"

    async def write(
        self,
        path: Annotated[str, Field(description="a file, relative to the working folder; folders are made as needed")],
        content: Annotated[str, Field(description="the whole new content")],
    ) -> str:
        """Write a whole file, new or replaced. For a change in an existing file, edit is better."""
        raw = content.encode("utf-8", "replace")
        await asyncio.to_thread(self._files.write, path, raw)
        return f"{path} written, {len(raw)} bytes"

    async def search(
        self,
        pattern: Annotated[str, Field(description="a Python regular expression, matched line by line")],
        path: Annotated[str, Field(description="a file or folder to search below")] = ".",
        glob: Annotated[str, Field(description="only files whose name or path matches, such as *.py")] = "",
    ) -> str:
        """Find lines in the files of the working folder."""
        place = self._files.locate(path)
        if await asyncio.to_thread(self._files.entries, path) is None:
            await asyncio.to_thread(self._files.read, path)  # says what is wrong with the path
        asked = {"root": str(place.root), "below": "/".join(place.parts), "pattern": pattern, "glob": glob}
        return await _search(asked, min(SEARCH_S, self._session.task.limits.command_s))

    async def submit(
        self,
        summary: Annotated[str, Field(description="what changed and why, as for a commit message")],
        evidence: Annotated[list[Proof], Field(description="one entry for each criterion of the checklist")],
        no_change: Annotated[bool, Field(description="true when all that is asked was there already")] = False,
    ) -> str:
        """Hand in the work. The first call shows you your difference and the checklist; the next one ends the session."""
        session, task = self._session, self._session.task
        first = session.offered is None
        session.offered = offered({"summary": summary, "evidence": evidence, "no_change": no_change})
        if not first:
            session.submit()
            return "handed in"
        diff = await self._shown(await difference(self._sandbox, task))
        return second_look(diff, session.offered, task.criteria)


def _as_tool(function: Callable[..., Coroutine[Any, Any, str]]) -> BaseTool:
    async def run(**arguments: Any) -> str:
        try:
            return redacted(clean_text(await function(**arguments)))
        except Refused as refusal:
            raise ToolException(clean_text(str(refusal))) from refusal

    return StructuredTool(**_form(function), coroutine=run, handle_tool_error=True)


_forms: dict[str, dict[str, Any]] = {}


def _form(function: Callable[..., Coroutine[Any, Any, str]]) -> dict[str, Any]:
    """How a model is told of the tool. Made once a process: reading a signature takes LangChain 4 ms."""
    if function.__name__ not in _forms:
        read = StructuredTool.from_function(coroutine=function, name=function.__name__)
        _forms[read.name] = {"name": read.name, "description": read.description, "args_schema": read.args_schema}
    return _forms[function.__name__]


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _read_note(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


async def _search(asked: dict[str, str], timeout_s: float) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(SEARCH_WORKER)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate(json.dumps(asked).encode())
    except TimeoutError as error:
        raise Refused(f"the search took more than {timeout_s:g} s; use a simpler pattern or a narrower path") from error
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    text = output.decode("utf-8", "replace").strip("\n")
    if process.returncode == 2:
        raise Refused(text)
    if process.returncode != 0:
        raise Refused(f"the search ended with {process.returncode}")
    return text or "no match"
