"""Settings of what happens to a change outside: the repository's own CI, and where people try it."""

from typing import Literal

from pydantic import model_validator

from agentos.config.words import Part, Seconds


class ChecksSettings(Part):
    """The repository's own CI on its forge. `wait`: nothing is put before a person or merged before it is through. Checks
    get `appear_s` to appear where nobody says which are required, `queued_s` to begin and `wait_s` to end; after `hold_s`
    the run is parked in between."""

    wait: bool = True
    appear_s: Seconds = 30.0
    hold_s: Seconds = 600.0
    queued_s: Seconds = 1800.0
    wait_s: Seconds = 10800.0


class DeploySettings(Part):
    """How a commit is made reachable for people: by the command `run`; of kind `github` shown as a deployment there, or,
    without `run`, by the repository's own workflows. `environment`: which of GitHub's."""

    kind: Literal["command", "github"] = "command"
    run: str = ""
    health: str = ""
    teardown: str = ""
    url: str = ""
    environment: str = ""
    timeout_s: Seconds = 120.0

    @model_validator(mode="after")
    def _is_deployed_somehow(self) -> "DeploySettings":
        if self.kind == "command" and not self.run.strip():
            raise ValueError("needs run, the command that deploys (or kind: github, whose workflows may)")
        return self
