"""What we read of GitHub's deployments, as `wire` does."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class DeploymentAnswer(_Answer):
    """A commit that somebody put, or puts, somewhere. `payload`: whatever its maker wrote, JSON or text."""

    id: int
    sha: str
    environment: str = ""
    payload: Any = None


class DeploymentStatusAnswer(_Answer):
    """How a deployment stands, as of one moment."""

    id: int
    state: str
    description: str | None = None
    environment_url: str | None = None
    log_url: str | None = None
    target_url: str | None = None
