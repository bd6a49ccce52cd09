"""A deployment made by a command of the target repository: started, found healthy, found again, taken down."""

import asyncio
import json
import os
import socket
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import agentos
from agentos.adapters.clock.system import SystemClock
from agentos.adapters.deployer.keeper import Plan
from agentos.adapters.deployer.place import Facts, Place
from agentos.adapters.sandbox.launching import FIXED, INHERITED
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.config.delivery import DeploySettings
from agentos.domain.document import Deployment
from agentos.domain.error import OutsideError
from agentos.domain.naming import clean_text
from agentos.ports.clock import Clock
from agentos.ports.deployer import DeployRequest
from agentos.ports.sandbox import ANYWHERE, Command

GLANCE_S, STOP_S, PROBE_S = 0.1, 20.0, 10.0
_KEEPER = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from agentos.adapters.deployer.keeper import main; sys.exit(main(sys.argv[1]))"
)


class CommandDeployer:
    """Runs `settings.run` in the commit's files, detached from this process, and asks `health` or `url` whether it works.

    `folder` holds one folder per deployment. Commands get AGENTOS_SHA, AGENTOS_FOLDER, AGENTOS_PORT (free on the
    loopback interface) and AGENTOS_NAME, and nothing of this process's environment but PATH; `{port}` and `{sha}` in
    them are filled in. A command that ends at once with 0 (a static build) stands as long as it is healthy.
    """

    def __init__(self, folder: Path, settings: DeploySettings, clock: Clock | None = None) -> None:
        self._folder = folder.absolute()
        self._settings = settings
        self._clock = clock or SystemClock()
        self._sandbox = ProcessSandbox()

    async def find(self, request: DeployRequest) -> Deployment | None:
        """The healthy deployment of exactly `request.sha`, asked for its health now."""
        place = Place(self._folder, request.name)
        facts = place.facts()
        if facts is None or facts.sha != request.sha or not Path(facts.folder).is_dir():
            return None
        evidence = await self._health(place, facts)
        return self._deployment(facts, evidence) if evidence else None

    async def deploy(self, request: DeployRequest) -> Deployment:
        """A deployment of `request.sha`, checked healthy. Effect: one deployment per name, older ones replaced."""
        if not request.folder.is_dir():
            raise OutsideError(f"{request.folder} is not there, so {request.sha[:12]} cannot be deployed")
        await self.teardown(request.name)
        place = Place(self._folder, request.name)
        facts = Facts(request.sha, str(request.folder), _free_port())
        await self._start(place, facts)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._until_healthy(place, facts)
        except TimeoutError:
            what = f"did not get healthy within {self._settings.timeout_s:g} s"
        except _Ended as exc:
            what = f"ended with {exc}"
        tail = clean_text(place.tail()).strip()
        await self._stop(place)
        raise OutsideError(f"the deploy command {what}; it said: {tail or 'nothing'}")

    async def teardown(self, name: str) -> None:
        """Effect: nothing of that name runs any more, and its folder is gone. Repeating is harmless.

        Raises: OutsideError where the teardown command fails; what the deploy command started is stopped anyway.
        """
        place = Place(self._folder, name)
        if not place.folder.is_dir():
            return
        facts, failure = place.facts(), ""
        if facts is not None and self._settings.teardown:
            failure = await self._taken_down(place, facts)
        await self._stop(place)
        if failure:
            raise OutsideError(failure)
        if not await asyncio.to_thread(place.remove):
            raise OutsideError(_busy(name))

    async def _taken_down(self, place: Place, facts: Facts) -> str:
        """What went wrong with the teardown command; empty where it did its work."""
        exit_code, output = await self._run(self._settings.teardown, place, facts, self._settings.timeout_s)
        if exit_code == 0:
            return ""
        ended = "did not end in time" if exit_code is None else f"ended with {exit_code}"
        return f"the teardown command of {place.name} {ended}; it said: {output[-1000:].strip() or 'nothing'}"

    async def _start(self, place: Place, facts: Facts) -> None:
        lock = place.take_lock()
        if lock is None:
            raise OutsideError(_busy(place.name))
        try:
            place.prepare(facts)
            plan = Plan(self._filled(self._settings.run, facts), facts.folder, str(place.folder))
            with (place.folder / "keeper.txt").open("wb") as complaints:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-c", _KEEPER, str(Path(agentos.__file__).parents[1])),
                    json.dumps(plan._asdict()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=complaints,
                    cwd="/",
                    env=self._environment(place, facts),
                    pass_fds=(lock,),
                    start_new_session=True,
                )
            if await process.wait() != 0:
                raise OutsideError(f"the deploy command of {place.name} could not be started in {facts.folder}")
        finally:
            os.close(lock)

    async def _until_healthy(self, place: Place, facts: Facts) -> Deployment:
        while True:
            evidence = await self._health(place, facts)
            if evidence:
                return self._deployment(facts, evidence)
            held, exit_code = place.is_held(), place.exit_code()
            if exit_code not in (None, 0) or (exit_code is None and not held):
                raise _Ended("a signal or before it began" if exit_code is None else f"exit code {exit_code}")
            await asyncio.sleep(GLANCE_S)

    async def _health(self, place: Place, facts: Facts) -> str:
        """What shows that the deployment is healthy; empty where it is not.

        It must stand before and after the question: a stranger may have taken the port.
        """
        if not place.stands():
            return ""
        if self._settings.health:
            exit_code, _ = await self._run(self._settings.health, place, facts, PROBE_S)
            evidence = "the health command ended with 0" if exit_code == 0 else ""
        elif self._settings.url:
            url = self._filled(self._settings.url, facts)
            status = await asyncio.to_thread(_http_status, url)
            evidence = f"GET {url} answered {status}" if 200 <= status < 400 else ""
        else:
            evidence = "the deploy command runs" if place.is_held() else "the deploy command ended with 0"
        return evidence if place.stands() else ""

    async def _run(self, line: str, place: Place, facts: Facts, timeout_s: float) -> tuple[int | None, str]:
        cwd = Path(facts.folder) if Path(facts.folder).is_dir() else place.folder
        env = _variables(place, facts)
        command = Command(self._filled(line, facts), cwd, (cwd,), timeout_s, env, network=ANYWHERE)
        done = await self._sandbox.run(command)
        return done.exit_code, clean_text(done.output)

    async def _stop(self, place: Place) -> None:
        """Effect: nothing of the deployment runs."""
        until = self._clock.monotonic_s() + STOP_S
        while place.folder.is_dir() and place.is_held():
            if not place.ask_to_stop():
                await asyncio.to_thread(place.kill_orphans)
            if self._clock.monotonic_s() > until:
                raise OutsideError(f"something of the deployment {place.name} still runs: end it, then try again")
            await asyncio.sleep(GLANCE_S)

    def _deployment(self, facts: Facts, evidence: str) -> Deployment:
        url = self._filled(self._settings.url, facts)
        return Deployment(
            sha=facts.sha,
            kind="command",
            url=url,
            artifact="",
            instructions=f"Open {url}" if url else f"It was given port {facts.port} on this machine.",
            evidence=evidence,
            verified_at=self._clock.now().isoformat(timespec="seconds"),
        )

    def _filled(self, text: str, facts: Facts) -> str:
        return text.replace("{port}", str(facts.port)).replace("{sha}", facts.sha)

    def _environment(self, place: Place, facts: Facts) -> dict[str, str]:
        known = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**known, **FIXED, "HOME": str(place.folder), **_variables(place, facts)}


class _Ended(Exception):
    """The deploy command ended, and not well."""


def _busy(name: str) -> str:
    return f"another process deploys {name} right now; try again when it is done"


def _variables(place: Place, facts: Facts) -> dict[str, str]:
    return {
        "AGENTOS_SHA": facts.sha,
        "AGENTOS_FOLDER": facts.folder,
        "AGENTOS_PORT": str(facts.port),
        "AGENTOS_NAME": place.name,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _http_status(url: str) -> int:
    """The status of one GET, redirects not followed; 0 where nothing answers."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=PROBE_S)
        try:
            connection.request("GET", path, headers={"User-Agent": "agentos-health"})
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError):  # refused, no such host, no HTTP, no address
        return 0
