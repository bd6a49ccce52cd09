"""Where no deployment is configured: the commit's own files on disk are what people look at."""

import asyncio
import json
import shutil
from pathlib import Path

from agentos.adapters.clock.system import SystemClock
from agentos.domain.document import Deployment
from agentos.domain.error import OutsideError
from agentos.ports.clock import Clock
from agentos.ports.deployer import DeployRequest

RECORD = "artifact.json"


class ArtifactDeployer:
    """Vouches that the folder of a request is the artifact of its commit. `folder` lies in the data folder."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._folder = folder.absolute()
        self._clock = clock or SystemClock()

    async def find(self, request: DeployRequest) -> Deployment | None:
        """The artifact of exactly `request.sha`, if its files are there."""
        known = await asyncio.to_thread(self._known, request.name)
        if known.get("sha") != request.sha or known.get("folder") != str(request.folder):
            return None
        files = await asyncio.to_thread(_files, request.folder)
        return self._deployment(request, files) if files else None

    async def deploy(self, request: DeployRequest) -> Deployment:
        """The artifact of `request.sha`. Effect: it counts as the one of that name."""
        files = await asyncio.to_thread(_files, request.folder)
        if not files:
            raise OutsideError(f"{request.folder} holds no files, so {request.sha[:12]} has no artifact")
        await asyncio.to_thread(self._note, request)
        return self._deployment(request, files)

    async def teardown(self, name: str) -> None:
        """Effect: nothing of that name counts as an artifact any more."""
        await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)

    def _known(self, name: str) -> dict[str, str]:
        try:
            found = json.loads((self._folder / name / RECORD).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _note(self, request: DeployRequest) -> None:
        folder = self._folder / request.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f"{RECORD}.new"
        fresh.write_text(json.dumps({"sha": request.sha, "folder": str(request.folder)}), encoding="utf-8")
        fresh.replace(folder / RECORD)

    def _deployment(self, request: DeployRequest, files: int) -> Deployment:
        home = self._folder.parent
        shown = request.folder.relative_to(home) if request.folder.is_relative_to(home) else request.folder
        plural = "" if files == 1 else "s"
        return Deployment(
            sha=request.sha,
            kind="artifact",
            url="",
            artifact=shown.as_posix(),
            instructions="",
            evidence=f"{files} file{plural} of {request.sha[:12]}",
            verified_at=self._clock.now().isoformat(timespec="seconds"),
        )


def _files(folder: Path) -> int:
    """How many things lie in `folder`; 0 where it is not there."""
    return len(list(folder.iterdir())) if folder.is_dir() else 0
