"""A repository on GitHub set up for AgentOS, from inside a clone or from anywhere."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agentos.adapters.opening import set_up_github
from agentos.bootstrap import find_spot
from agentos.config.data import data_folder
from agentos.config.load import load, secrets_present
from agentos.config.settings import Settings
from agentos.config.workflow import WORKFLOW_FILE
from agentos.domain.error import UsageError
from agentos.domain.finding import Check
from agentos.telemetry.redaction import know_secrets

ISSUE_FORM = ".github/ISSUE_TEMPLATE/agentos.yml"
_NAMED = re.compile(r"[A-Za-z0-9_-]+/(?!\.{1,2}$)[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class SetUp:
    """What came of it: the repository's key, and each thing that was looked at, made or found."""

    repo: str
    checks: tuple[Check, ...]

    @property
    def title(self) -> str:
        """`owner/name`."""
        return self.repo.partition("/")[2]


async def set_up(named: str, folder: Path, policy: Callable[[Path], str]) -> SetUp:
    """The repository `named` (`owner/name`; empty: the one that `folder` is a clone of) set up as far as may be.

    `policy` gives the WORKFLOW.md for a folder that shows how the repository is tested. Effect: labels and one pull
    request, each found or made. Raises: UsageError for no such name or no access, OutsideError where GitHub says no.
    """
    settings = load(None).settings
    know_secrets(secrets_present(settings))
    repo = await _repo_key(named, folder, settings)
    others = {ISSUE_FORM: (data_folder("configs") / "issue-form.yml").read_text("utf-8")}
    return SetUp(repo, await set_up_github(settings, repo, (WORKFLOW_FILE, policy, others)))


async def _repo_key(named: str, folder: Path, settings: Settings) -> str:
    if not named:
        spot = await find_spot(folder, inside=True)
        return spot.repo or ""
    if not _NAMED.fullmatch(named):
        raise UsageError(f"{named!r} is no repository on GitHub: name it as owner/name")
    api = urlsplit(settings.github.api_url or "https://api.github.com")
    host = (api.hostname or "").removeprefix("api.") if not api.path.strip("/") else api.hostname
    return f"{host}/{named}"
