"""Where the parts meet: settings and registry make ports, ports make a run's equipment, and the use cases get a desk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentos.adapters.opening import look_at_github, open_deployer, open_forge, open_repository, open_tracker
from agentos.adapters.registry import backend
from agentos.config.load import Loaded, keys_present, load, secrets_present
from agentos.config.models import choose, price_table
from agentos.config.settings import Settings
from agentos.domain.error import UsageError
from agentos.domain.event import Event
from agentos.domain.finding import Check
from agentos.domain.naming import repo_key
from agentos.domain.run import Run
from agentos.ports.sandbox import ANYWHERE
from agentos.runs.desk import GIVEN_BRIEF, NO_SETTINGS, Desk, Target
from agentos.store import Store
from agentos.store.database import open_database
from agentos.store.ledger import unseen
from agentos.telemetry.redaction import know_secrets
from agentos.workspace.repository import OwnedRepository
from agentos.workspace.target import Target as Repository

if TYPE_CHECKING:
    from agentos.adapters.sandbox.choosing import Choice, Wish
    from agentos.ports.chat_model import ChatModels
    from agentos.ports.forge import Forge
    from agentos.ports.sandbox import Sandbox
    from agentos.runs.result import OrchestrationResult
    from agentos.store.fence import Fence
    from agentos.workflows.kit.context import Ports, RunContext

WORKFLOW_FILE = "WORKFLOW.md"

OF_THE_MACHINE = frozenset({"home", "database_url", "github_token", "github_private_key"})
"""Settings that are not kept with a run: they say how this machine reaches it, or are secret."""


@dataclass(frozen=True)
class Place:
    """A target repository and the settings that hold for it."""

    target: Target
    loaded: Loaded

    @property
    def settings(self) -> Settings:
        """The settings that hold here."""
        return self.loaded.settings


async def open_place(folder: Path, overrides: Mapping[str, Any] | None = None) -> Place:
    """The repository around `folder` with its settings; its WORKFLOW.md is read from the base branch.

    Reads only. Raises UsageError where there is no git repository, or a setting does not fit.
    """
    root = root_of(folder)
    loaded, repo = await _loaded_at(root, overrides), await _repo_at(root)
    settings = loaded.settings
    tracker = open_tracker(settings, root, repo)
    options = {key: value for key, value in (overrides or {}).items() if key not in OF_THE_MACHINE}
    means = partial(_require_means, settings)
    return Place(Target(root, repo, tracker, settings.profile, options, means), loaded)


async def _loaded_at(root: Path, overrides: Mapping[str, Any] | None = None) -> Loaded:
    repository = Repository.at(root)
    _, head = await repository.default_head()
    raw = await repository.contents().read_file(head, WORKFLOW_FILE)
    words = {key: value for key, value in (overrides or {}).items() if key not in NO_SETTINGS}
    return _load(root, words, _text(raw))


async def past_runs(place: Place) -> list[dict[str, Any]]:
    """The records of earlier runs here, oldest first. Reads only: a server of the person's own is asked, none is
    started, and nothing is migrated."""
    from agentos.runs.query import past_records, shared_records
    from agentos.store.database import read_database

    url, repo = database_url(place.settings), place.target.repo
    if url is None:
        return past_records(place.settings.home, repo)
    async with read_database(url) as database:
        return [] if database is None else await shared_records(Store.on(database, place.settings.home), repo)


def require_policy(place: Place) -> None:
    """Raises UsageError for a repository whose base branch holds no WORKFLOW.md: it is the consent to work there (I8)."""
    if place.loaded.workflow.digest:
        return
    folder = place.target.folder
    if (folder / WORKFLOW_FILE).is_file():
        how = f"it is in the folder, so commit it: git add {WORKFLOW_FILE} && git commit"
    else:
        how = "`agentos init` writes one to start from"
    raise UsageError(f"the base branch of {folder} holds no {WORKFLOW_FILE}, which says how work is done there; {how}")


def _require_means(settings: Settings) -> None:
    """Raises UsageError where a run with `settings` could not end well: see `Target`."""
    if all(command.name != "test" for command in settings.command_matrix()):
        raise UsageError(
            f"{WORKFLOW_FILE} names no test command, and without one nothing can prove a change: "
            "add `test:` under `commands:` and commit it"
        )
    require_models(settings)
    from agentos.adapters.sandbox.choosing import refusal_at_sight

    refusal = refusal_at_sight(_wish(settings))
    if refusal:
        raise UsageError(refusal)


def require_models(settings: Settings) -> None:
    """Raises UsageError where a model of a run with `settings` cannot be asked, or what it costs cannot be counted."""
    from agentos.workflows.kit.budget import require_price

    models = _models(settings, None)
    for model in sorted(set(choose(settings, keys_present()).models.values())):
        models.require(model)
        require_price(settings.budget.ceilings(), models, model)


@dataclass(frozen=True)
class Spot:
    """Where a command stands: the repo-key of the repository around it (None outside of one), where runs are kept."""

    repo: str | None
    home: Path
    database_url: str | None


async def find_spot(folder: Path, overrides: Mapping[str, Any] | None = None, *, inside: bool = False) -> Spot:
    """The spot at `folder`. Reads only, and no WORKFLOW.md: nothing in one may say where runs are kept.

    `inside`: raises UsageError for a folder that lies in no repository.
    """
    root = root_of(folder) if inside else _root_around(folder)
    settings = _load(root, overrides).settings
    return Spot(await _repo_at(root) if root is not None else None, settings.home, database_url(settings))


async def settings_at(folder: Path, *, inside: bool = False) -> tuple[Path | None, Loaded]:
    """The repository around `folder`, if any, and the settings that hold there; raises as `find_spot` does."""
    root = root_of(folder) if inside else _root_around(folder)
    return (None, load(None)) if root is None else (root, await _loaded_at(root))


async def github_at(root: Path, settings: Settings) -> tuple[Check, ...]:
    """What is found at GitHub; empty where the settings want nothing there. Raises as `look_at_github` does."""
    return await look_at_github(settings, await _repo_at(root))


async def _repo_at(root: Path) -> str:
    origin = await Repository.at(root).contents().git.run("config", "--get", "remote.origin.url", check=False)
    return repo_key(origin.text or None, root.resolve())


def _load(root: Path | None, overrides: Mapping[str, Any] | None, workflow_text: str | None = None) -> Loaded:
    """The settings that hold at `root`. Effect: this process says none of its secrets from now on."""
    loaded = load(root, overrides=overrides, workflow_text=workflow_text)
    know_secrets(secrets_present(loaded.settings))
    return loaded


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UsageError(f"{WORKFLOW_FILE} is not UTF-8 text; save it as UTF-8") from exc


def root_of(folder: Path) -> Path:
    """The top of the work tree around `folder`, found without starting git. Raises UsageError where there is none."""
    if not folder.expanduser().is_dir():
        raise UsageError(f"{folder} is no folder")
    root = _root_around(folder)
    if root is None:
        raise UsageError(f"{folder.absolute()} is in no git repository; run `git init` there, or name one with --repo")
    if not (root / ".git").exists():
        raise UsageError(f"{root} is a bare repository, without the files and tickets to work on: name a clone of it")
    return root


def _root_around(folder: Path) -> Path | None:
    start = folder.expanduser().absolute()
    for place in (start, *start.parents):
        if (place / ".git").exists() or ((place / "HEAD").is_file() and (place / "objects").is_dir()):
            return place
    return None


@asynccontextmanager
async def open_desk(
    home: Path, database_url: str | None = None, *, observe: Callable[[Event], None] | None = None
) -> AsyncIterator[Desk]:
    """The desk the use cases work at, with the database open; `observe` sees every event as it is recorded."""
    _make_home(home)
    async with open_database(home, database_url) as database:
        store = Store.on(database, home, observe or unseen)
        clock = backend("clock", "system")()

        async def equip(run: Run, fence: "Fence") -> "RunContext":
            return await _equip(store, home, run, fence)

        yield Desk(store, clock, home, equip)


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(
            f"the data folder {home} cannot be made ({exc.strerror}): let AGENTOS_HOME name a folder this user may write"
        ) from exc


async def _equip(store: Store, home: Path, run: Run, fence: "Fence") -> "RunContext":
    """The whole equipment of one run: settings read anew from its target, ports from the registry."""
    from agentos.config.data import data_folder
    from agentos.prompting.library import prompts_in
    from agentos.workflows.kit.context import RunContext

    place = await open_place(Path(run.target), await store.runs.options(run.ref.id))
    repo = await open_repository(place.settings, home, Path(run.target), run.ref.issue.repo)
    choice = choose(place.settings, keys_present())
    ports = await _ports(store, home, run, fence, (place, repo))
    return RunContext(
        run=run.ref,
        fence=fence,
        settings=place.settings,
        workflow=place.loaded.workflow,
        choice=choice,
        prompts=prompts_in(data_folder("prompts")),
        ports=ports,
        store=store,
        repo=repo,
        target=Path(run.target),
        home=home,
        given_brief=str(place.target.options.get(GIVEN_BRIEF, "")),
    )


async def _ports(store: Store, home: Path, run: Run, fence: "Fence", where: tuple[Place, OwnedRepository]) -> "Ports":
    from agentos.workflows.kit.budget import Purse
    from agentos.workflows.kit.context import Ports
    from agentos.workflows.kit.recorded_model import RecordedModels

    place, repo = where
    settings, clock = place.settings, backend("clock", "system")()

    purse = Purse(store, clock, settings.budget.ceilings())
    models = RecordedModels(_models(settings, run.ref.issue.number), store.exchanges, fence, purse)
    sandbox = await _sandbox(settings)
    agent = backend("agent", settings.agent.kind)
    return Ports(
        tracker=place.target.tracker,
        forge=open_forge(settings, repo, home, place.target.folder, place.target.repo),
        agent=agent(models=models, exchanges=store.exchanges, sandbox=sandbox, fence=fence),
        models=models,
        sandbox=sandbox,
        deployer=open_deployer(settings, home, place.target.repo),
        notifier=backend("notifier", "log")(home / "notices.jsonl"),
        clock=clock,
    )


async def open_outside(place: Place) -> "tuple[OwnedRepository, Forge]":
    """Where the work on a repository's issues lies outside the database: our copy of it, and its pull requests."""
    settings, folder, key = place.settings, place.target.folder, place.target.repo
    repo = await open_repository(settings, settings.home, folder, key)
    return repo, open_forge(settings, repo, settings.home, folder, key)


def _models(settings: Settings, issue_number: int | None) -> "ChatModels":
    script = settings.models.script
    models: ChatModels
    if script is not None:
        models = backend("model", "scripted").on(script, issue=issue_number)
    else:
        priced = settings.models.model_copy(update={"prices": price_table(settings)})
        models = backend("model", "langchain")(settings=priced, clock=backend("clock", "system")())
    return models


async def _sandbox(settings: Settings) -> "Sandbox":
    """The box commands run in. Without one, only a scripted model may have a shell, or what the operator declared."""
    choice = await _choice(settings)
    if choice.sandbox is None:
        raise UsageError(choice.refusal)
    return choice.sandbox


async def _choice(settings: Settings) -> "Choice":
    from agentos.adapters.sandbox.choosing import choose_sandbox  # what only looks needs no box

    return await choose_sandbox(_wish(settings))


def _wish(settings: Settings) -> "Wish":
    from agentos.adapters.sandbox.choosing import Wish

    return Wish(
        kind=settings.sandbox,
        trusted=settings.models.script is not None,
        limits=settings.command_limits.limits(),
        readable=tuple(path.expanduser() for path in settings.sandbox_readable),
        home=settings.home,
        narrowed=any(command.hosts not in ((), ANYWHERE) for command in settings.commands.values()),
    )


async def sandbox_at(settings: Settings) -> tuple[str, bool, str]:
    """The box with its version, whether it keeps commands in, and why no run would start with it, if so.

    Effect: a backend that was not tried out on this machine is.
    """
    choice = await _choice(settings)
    return choice.about, choice.sandbox is not None and choice.sandbox.confines, choice.refusal


async def aorchestrate(
    issue_number: int, config: Mapping[str, Any] | None = None, *, target: Path | str = "."
) -> "OrchestrationResult":
    """How far the work on an issue got: to its end, or to where it waits for a person.

    `config` holds settings by dotted key or nested, as on the command line; `target` is the repository's folder.
    Effect: everything a run does. Repeating goes on where it stands. Raises UsageError and OutsideError.
    """
    from agentos.runs.result import result_of
    from agentos.runs.start import start

    place = await open_place(Path(target), config)
    require_policy(place)
    async with open_desk(place.settings.home, database_url(place.settings)) as desk:
        return await result_of(desk.store, await start(desk, place.target, issue_number))


def orchestrate(
    issue_number: int, config: Mapping[str, Any] | None = None, *, target: Path | str = "."
) -> "OrchestrationResult":
    """`aorchestrate`, for callers without an event loop."""
    return asyncio.run(aorchestrate(issue_number, config, target=target))


def database_url(settings: Settings) -> str | None:
    """The database the settings name; None for the one AgentOS starts itself."""
    return settings.database_url.get_secret_value() if settings.database_url is not None else None


async def leftovers(desk: Desk, run: Run) -> tuple[str, ...]:
    """What the script of a finished run holds and nobody asked for; empty for a run with real models."""
    place = await open_place(Path(run.target), await desk.store.runs.options(run.ref.id))
    if place.settings.models.script is None:
        return ()
    asked = [(call.stage, call.role, call.round, call.n) for call in await desk.store.exchanges.calls(run.ref.id)]
    return _models(place.settings, run.ref.issue.number).leftovers(asked)


async def start_repository(folder: Path, *, name: str, email: str) -> str:
    """The first commit of a new repository that holds the files in `folder`."""
    from agentos.workspace import authored

    return await authored.start_repository(folder, name=name, email=email)


async def commit_paths(root: Path, paths: tuple[str, ...], message: str) -> str:
    """The commit a person asked for, of `paths` in their own checkout."""
    from agentos.workspace import authored

    return await authored.commit_paths(root, paths, message)


def write_ticket_form(folder: Path) -> Path:
    """The form of new tickets in `folder`, written if it is not there yet."""
    from agentos.adapters.tracker.form import write_template

    return write_template(folder)


def write_ticket(folder: Path, title: str) -> Path:
    """The file of a new ticket in `folder`, to be filled in."""
    from agentos.adapters.tracker.form import new_ticket

    return new_ticket(folder, title)
