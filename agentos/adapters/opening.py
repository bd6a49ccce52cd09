"""The tracker, the forge and our own repository as the settings want them: which backend, and what it is made of."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from agentos.adapters.registry import backend
from agentos.config.load import github_key, github_token
from agentos.config.settings import Settings
from agentos.domain.error import UsageError
from agentos.domain.finding import Check
from agentos.domain.naming import safe_name
from agentos.workspace.repository import OwnedRepository

if TYPE_CHECKING:
    from agentos.adapters.github.access import Access
    from agentos.adapters.github.app import App, AppAccess
    from agentos.adapters.github.pace import Pace
    from agentos.adapters.github.place import GitHubPlace
    from agentos.ports.deployer import Deployer
    from agentos.ports.forge import Forge
    from agentos.ports.tracker import Tracker

GITHUB = "github"


def open_tracker(settings: Settings, folder: Path, repo_key: str) -> "Tracker":
    """The tracker of the repository `folder`. Raises: UsageError where GitHub is named and cannot be reached so."""
    kind = settings.tracker.kind
    made = backend("tracker", kind)
    if kind == GITHUB:
        place = _place(settings, repo_key)
        tracker: Tracker = made(place, repo_key, backend("clock", "system")(), _pace(place.api_url, place.access))
    else:
        tracker = made(folder / settings.tracker.folder, repo_key)
    return tracker


async def open_repository(settings: Settings, home: Path, folder: Path, repo_key: str) -> OwnedRepository:
    """The repository we own below `home` for `folder`: its base branches come from where its changes go, GitHub or that folder."""
    where = _place(settings, repo_key).git_target() if settings.forge.kind == GITHUB else folder
    return await OwnedRepository.open(home, where, repo_key)


def open_forge(settings: Settings, repo: OwnedRepository, home: Path, folder: Path, repo_key: str) -> "Forge":
    """The forge of the repository `folder`, for which we own `repo` below `home`. Raises: as `open_tracker`."""
    kind = settings.forge.kind
    made = backend("forge", kind)
    if kind == GITHUB:
        place = _place(settings, repo_key)
        forge: Forge = made(place, repo, backend("clock", "system")(), _pace(place.api_url, place.access))
    else:
        forge = made(repo, folder, home / "forge" / safe_name(repo_key))
    return forge


def open_deployer(settings: Settings, home: Path, repo_key: str) -> "Deployer":
    """The deployer the settings want: a command's, GitHub's, or the commit's own files. Raises: as `open_tracker`."""
    folder, deploy = home / "deployments", settings.deploy
    if deploy is None:
        artifact: Deployer = backend("deployer", "artifact")(folder)
        return artifact
    command: Deployer | None = backend("deployer", "command")(folder, deploy) if deploy.run else None
    if deploy.kind != GITHUB:
        assert command is not None
        return command
    from agentos.adapters.github.client import GitHubClient

    place = _place(settings, repo_key)
    client = GitHubClient(place, backend("clock", "system")(), _pace(place.api_url, place.access))
    shown: Deployer = backend("deployer", GITHUB)(client, deploy, command)
    return shown


async def look_at_github(settings: Settings, repo_key: str) -> tuple[Check, ...]:
    """What is found at GitHub, and what is missing there; empty where neither tracker nor forge is there. Reads only.

    Raises: UsageError or OutsideError where a run could not work with it.
    """
    if GITHUB not in (settings.tracker.kind, settings.forge.kind):
        return ()
    from agentos.adapters.github.looking import look
    from agentos.adapters.github.project import look_at_project

    place, clock = _place(settings, repo_key), backend("clock", "system")()
    return (*await look(place, clock, _unused(settings)), *await look_at_project(place, clock))


async def set_up_github(
    settings: Settings, repo_key: str, draft: tuple[str, Callable[[Path], str], Mapping[str, str]]
) -> tuple[Check, ...]:
    """Who goes in to the repository at GitHub, what they may not do there, and what was made for AgentOS or found.

    `draft`: the policy's file name, its text by a folder that shows how the repository is tested, and the other files.
    Raises: UsageError, or OutsideError where the repository is not there or nobody may write to it.
    """
    from agentos.adapters.github.looking import look
    from agentos.adapters.github.set_up import Draft, GitHubSetUp

    place, clock = _place(settings, repo_key), backend("clock", "system")()
    seen = await look(place, clock, _unused(settings))
    return (*seen, *await GitHubSetUp(place, clock, _pace(place.api_url, place.access)).make(Draft(*draft)))


def _unused(settings: Settings) -> tuple[str, ...]:
    """The rights at GitHub that nothing needs as these settings are."""
    deploys = settings.deploy is not None and settings.deploy.kind == GITHUB
    return (*(() if deploys else ("deployments",)), *(() if settings.github.project else ("organization_projects",)))


def _place(settings: Settings, repo_key: str) -> "GitHubPlace":
    from agentos.adapters.github.place import GitHubPlace  # only where it is wanted

    github = settings.github
    access = _app_access(_app(settings), repo_key, github.api_url) if github.app_id else github_token(settings)
    place = GitHubPlace.named(repo_key, access, api_url=github.api_url, merge_method=github.merge_method)
    place = replace(place, drafts=github.drafts, project=github.project)
    if place.project:
        from agentos.adapters.github.project import named

        named(place)  # said before any work begins
    return place


def _app(settings: Settings) -> "App":
    from agentos.adapters.github.app import App

    key, github = github_key(settings), settings.github
    if key is None:
        raise UsageError(
            f"github.app_id names the GitHub App {github.app_id}, and nothing its private key: let github.private_key_file "
            "name the file that GitHub gave you, or AGENTOS_GITHUB_PRIVATE_KEY hold what is in it"
        )
    return App(github.app_id, key, github.installation_id)


@cache
def _app_access(app: "App", repo_key: str, api_url: str) -> "AppAccess":
    """One for all that this process does in a repository, so that its token is asked for once."""
    from agentos.adapters.github.app import AppAccess, Signature
    from agentos.adapters.github.place import GitHubPlace

    clock = backend("clock", "system")()
    return AppAccess(app, GitHubPlace.named(repo_key, Signature(app, clock), api_url=api_url), clock)


@cache
def _pace(api_url: str, access: "Access") -> "Pace":
    """One for all that this process writes as one account."""
    from agentos.adapters.github.pace import Pace

    return Pace(backend("clock", "system")())
