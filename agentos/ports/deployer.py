"""Where a commit is put for people to try it (the deployment contract, DESIGN §8)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agentos.domain.document import Deployment


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """What a deployer is given: the commit, a folder with its files, and a name unique to (repo, issue)."""

    sha: str
    folder: Path
    name: str


class Deployer(Protocol):
    """One way to make a commit reachable."""

    async def find(self, request: DeployRequest) -> Deployment | None:
        """The healthy deployment of exactly `request.sha`; None if there is none."""
        ...

    async def deploy(self, request: DeployRequest) -> Deployment:
        """A deployment of `request.sha`, checked healthy. Effect: one deployment per name, older ones replaced.

        Raises OutsideError where it cannot be started or does not get healthy in time.
        """
        ...

    async def teardown(self, name: str) -> None:
        """Effect: nothing of that name runs any more. Repeating is harmless."""
        ...
