"""Deployments in this process's memory, for tests of everything above the port."""

from agentos.adapters.clock.system import SystemClock
from agentos.domain.document import Deployment
from agentos.domain.error import OutsideError
from agentos.ports.clock import Clock
from agentos.ports.deployer import DeployRequest


class MemoryDeployer:
    """Deployments that exist by being said to. `deployed` names every commit that was deployed, in order."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.running: dict[str, Deployment] = {}
        self.deployed: list[str] = []
        self.broken = ""
        """Why deploying fails; it works while this is empty."""

    async def find(self, request: DeployRequest) -> Deployment | None:
        """The deployment of exactly `request.sha`."""
        found = self.running.get(request.name)
        return found if found is not None and found.sha == request.sha else None

    async def deploy(self, request: DeployRequest) -> Deployment:
        """A deployment of `request.sha`. Effect: it replaces an older one of that name."""
        if self.broken:
            raise OutsideError(self.broken)
        if not request.folder.is_dir():
            raise OutsideError(f"{request.folder} is not there, so {request.sha[:12]} cannot be deployed")
        self.deployed.append(request.sha)
        made = Deployment(
            sha=request.sha,
            kind="memory",
            url=f"http://127.0.0.1/{request.name}/{request.sha}",
            artifact="",
            instructions="Nothing to see: it exists in memory.",
            evidence="it was said to be there",
            verified_at=self._clock.now().isoformat(timespec="seconds"),
        )
        self.running[request.name] = made
        return made

    async def teardown(self, name: str) -> None:
        """Effect: nothing of that name is deployed any more."""
        self.running.pop(name, None)
