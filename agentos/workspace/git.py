"""The git binary as an asynchronous call, in an environment that no repository and no user setting can bend.

GitPython is not used here: its list of option-injection faults is longer than this wrapper. Three rules hold for every
call: the repository is named by an absolute `--git-dir`, the current folder is `/`, and no command looks into a tree
that an agent can write (a planted `.git`, filter or nested repository would then run as us, whatever flags are given).
"""

import asyncio
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import clean_text

OUTPUT_LIMIT_BYTES = 1 << 29
STDERR_LIMIT_BYTES = 1 << 16
TIMEOUT_S = 900.0
OLDEST_GIT = (2, 38)
"""`merge-tree --write-tree` and `cat-file --batch -z` came with it."""
_READ_BYTES = 1 << 16
_NO_ROOM = ("No space left on device", "Disk quota exceeded")
_GIVING_UP = ("fatal: Could not read from remote repository.", "fatal: the remote end hung up unexpectedly")
_GRACE_S = 2.0

SAFE_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.alternateRefsCommand=true",  # the program `true`: lists nothing
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.quotePath=false",
    "core.filesRefLockTimeout=5000",  # workers fetch into one repository: wait for the other's lock
    "core.packedRefsTimeout=5000",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "receive.autogc=false",
    "advice.detachedHead=false",
)
_WHOLE = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull, "GIT_NO_LAZY_FETCH": "1"}
"""Commits are what their sha says: no replacement and no shortened history of the person's own stands in for them, and
what is missing is not fetched from wherever a repository's settings say."""
_FAR_SIDE = (
    "safe.directory=*",  # the person named that folder
    "receive.denyCurrentBranch=refuse",
    "receive.denyDeletes=false",  # we take away our own branches alone
    "receive.denyNonFastForwards=false",
    "receive.maxInputSize=0",
    *(f"{side}.hideRefs=!refs/heads" for side in ("transfer", "uploadpack", "receive")),
)


@dataclass(frozen=True, slots=True)
class GitResult:
    """What a git command answered. `truncated`: it was stopped because it wrote more than the caller asked for."""

    stdout: bytes
    stderr: str
    exit_code: int
    truncated: bool = False

    @property
    def text(self) -> str:
        """Standard output as text, without the last line end; bytes that are no UTF-8 survive a round trip."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


class Git:
    """The git binary on one repository; with `git_dir` None, for commands that need none.

    `timeout_s` bounds every single command; its whole process group is killed then.
    """

    def __init__(self, git_dir: Path | None, *, timeout_s: float = TIMEOUT_S) -> None:
        self.git_dir = git_dir
        self.timeout_s = timeout_s

    async def run(
        self,
        *args: str,
        input: bytes | Iterable[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        limit_bytes: int | None = None,
    ) -> GitResult:
        """The result of `git <args>`; `input` goes to its standard input, `env` is added to the small environment.

        `limit_bytes`: so much of the output is wanted, and longer output is cut there without being an error.
        Raises: OutsideError where git failed (unless `check` is off), hung, or wrote more than OUTPUT_LIMIT_BYTES.
        """
        argv = [git_binary(), *_config_args(), f"--git-dir={self.git_dir or os.devnull}", *args]
        chunks = [input] if isinstance(input, bytes) else input
        async with _spawned(argv, env=_environment(env or {}), fed=chunks is not None) as process:
            try:
                async with asyncio.timeout(self.timeout_s):
                    result = await _attend(process, chunks or (), limit_bytes or OUTPUT_LIMIT_BYTES)
            except TimeoutError as exc:
                raise OutsideError(
                    f"git {_verb(args)} did not finish within {self.timeout_s:g} s and was stopped; try again",
                    kind=FailureKind.TRANSIENT,
                ) from exc
        if result.truncated and limit_bytes is None:
            raise OutsideError(f"git {_verb(args)} wrote more than {OUTPUT_LIMIT_BYTES} bytes and was stopped")
        if check and result.exit_code != 0 and not result.truncated:
            raise failure(result, args)
        return result


def failure(result: GitResult, args: Iterable[str], *, kind: FailureKind = FailureKind.PERMANENT) -> OutsideError:
    """The error that says which git command failed and why, in git's own words (cleaned, at most 300 characters)."""
    if any(words in result.stderr for words in _NO_ROOM):
        kind = FailureKind.TRANSIENT  # it works again once there is room
    return OutsideError(f"git {_verb(args)} failed (exit {result.exit_code}): {complaint(result)}", kind=kind)


def complaint(result: GitResult) -> str:
    """The line of standard error that says what went wrong; git often adds advice after it, or that it gives up."""
    # What a sentence is about may stand on the next line, indented.
    lines = [line.strip() for line in clean_text(result.stderr).replace(":\n\t", ": ").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "! [", "remote: error:"))]
    reasons = [line for line in telling if line not in _GIVING_UP]
    return (reasons or telling or lines or ["no message"])[-1][:300]


@cache
def git_binary() -> str:
    """The absolute path of git. Relative entries of PATH are passed over: they could lie in a tree of an agent.

    Raises: UsageError where there is none, or none that is new enough. It is asked once a process.
    """
    found = shutil.which("git", path=_search_path())
    if found is None:
        raise UsageError(f"git was not found on PATH: install git {_named(OLDEST_GIT)} or newer")
    said = subprocess.run([found, "version"], env=_environment({}), capture_output=True, check=False).stdout
    version = re.search(rb"(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_GIT:
        words = clean_text(said.decode("utf-8", "replace")).strip() or "no version at all"
        raise UsageError(f"{found} says {words[:80]!r}: install git {_named(OLDEST_GIT)} or newer")
    return found


def _named(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def remote_program(name: str) -> str:
    """The `--upload-pack` or `--receive-pack` value that runs `name` in a local repository under our settings.

    git empties `-c` settings and its variables before it starts the other side, so they are spelled out again. The
    other side's own hooks, programs and housekeeping stay off.
    """
    variables = [f"{key}={value}" for key, value in _WHOLE.items()]
    return shlex.join([*variables, git_binary(), *_config_args(_FAR_SIDE), name])


def _config_args(more: Iterable[str] = ()) -> list[str]:
    return [word for setting in (*SAFE_CONFIG, *more) for word in ("-c", setting)]


def _search_path() -> str:
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if Path(entry).is_absolute())


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the caller's environment but PATH and the folder for temporary files."""
    environment = {
        "PATH": _search_path(),
        "HOME": os.devnull,  # no folder can be there, so no ~/.config/git, .netrc or .ssh either
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        **_WHOLE,
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
        "GIT_COMMITTER_NAME": "AgentOS",  # only reflogs see these; commits get theirs from the caller
        "GIT_COMMITTER_EMAIL": "agentos@localhost",
    }
    if "TMPDIR" in os.environ:
        environment["TMPDIR"] = os.environ["TMPDIR"]
    return environment | dict(extra)


def _verb(args: Iterable[str]) -> str:
    return next(iter(args), "")


@asynccontextmanager
async def _spawned(argv: list[str], *, env: dict[str, str], fed: bool) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process in a group of its own; if the body raises, the whole group is gone afterwards."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *argv,
            cwd="/",
            env=env,
            stdin=asyncio.subprocess.PIPE if fed else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Cancelled half-way, asyncio would kill git alone and leave what git has started by then.
        await _stop(await starting)
        raise
    try:
        yield process
    except BaseException:
        await _stop(process)
        raise


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Effect: the process and its group are gone. SIGTERM first: git then takes its lock files away."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(process, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                # wait() hangs while a pipe holds unread data, so the pipes are emptied while waiting.
                await _attend(process, (), 0)


async def _attend(process: asyncio.subprocess.Process, chunks: Iterable[bytes], limit_bytes: int) -> GitResult:
    async with asyncio.TaskGroup() as group:
        group.create_task(_feed(process.stdin, chunks))
        err = group.create_task(_drain(process.stderr, STDERR_LIMIT_BYTES, full=None))
        out = group.create_task(_drain(process.stdout, limit_bytes, full=lambda: _signal(process, signal.SIGTERM)))
    exit_code = await process.wait()
    stdout, truncated = out.result()
    return GitResult(stdout, err.result()[0].decode("utf-8", "replace"), exit_code, truncated)


async def _feed(stdin: asyncio.StreamWriter | None, chunks: Iterable[bytes]) -> None:
    if stdin is None:
        return
    # A program that ends early breaks the pipe; its exit code and words say why, not the pipe.
    with suppress(BrokenPipeError, ConnectionResetError):
        for chunk in chunks:
            stdin.write(chunk)
            await stdin.drain()
        stdin.close()
        await stdin.wait_closed()


async def _drain(
    stream: asyncio.StreamReader | None, limit_bytes: int, *, full: Callable[[], None] | None
) -> tuple[bytes, bool]:
    """The first `limit_bytes` of `stream`, and whether there was more; the rest is read and dropped, after `full()`."""
    kept, more = bytearray(), False
    while stream is not None and (chunk := await stream.read(_READ_BYTES)):
        room = limit_bytes - len(kept)
        kept += chunk[:room]
        if len(chunk) > room and not more:
            more = True
            if full is not None:
                full()
    return bytes(kept), more


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """The group may outlive the process that leads it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
