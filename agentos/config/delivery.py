"""Settings of what happens to a change outside: the repository's own CI, and where people try it."""

from typing import Annotated

from pydantic import Field

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
    """How a commit is made reachable for people."""

    run: Annotated[str, Field(min_length=1)]
    health: str = ""
    teardown: str = ""
    url: str = ""
    timeout_s: Seconds = 120.0
