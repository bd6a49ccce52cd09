"""`serve`: the service in the foreground, one line for each thing that happens, until it is stopped."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agentos.bootstrap import Place, database_url, open_desk, open_place, require_policy
from agentos.cli.args import Request
from agentos.cli.interrupts import draining
from agentos.cli.service_lines import ServiceLines
from agentos.cli.terminal import count, tell
from agentos.config.load import webhook_secret
from agentos.domain.error import UsageError
from agentos.runs.engine import load_engine
from agentos.service.loop import Service
from agentos.service.watch import Watch
from agentos.service.webhooks import listening

AS_SERVICE = {"profile": "service", "asked_for": True}
"""How its runs differ: the pull request is put before people, not each step; and each was asked for by somebody."""


def serve(request: Request) -> int:
    """0 once the service was stopped and its runs are saved."""
    asyncio.run(_serve(request))
    return 0


async def _serve(request: Request) -> None:
    loading = asyncio.get_running_loop().run_in_executor(None, load_engine)
    opens = [partial(_open, folder, request) for folder in request.repos]
    places = [await each() for each in opens]
    _require_apart(places)
    settings = places[0].settings
    lines = ServiceLines([place.target.repo for place in places], quiet=request.quiet)
    async with open_desk(settings.home, database_url(settings), observe=lines.observe) as desk:
        await loading
        watches = [Watch(desk, place, each, lines.notice) for place, each in zip(places, opens, strict=True)]
        service = Service(desk, watches, settings.service.runs, lines.notice)
        lines.follow(service.issues, desk.clock.now)
        for place in places:
            tell(f"Watching {place.target.repo} in {place.target.folder}.")
        tell(f"At most {count(settings.service.runs, 'run')} at a time; Ctrl-C stops after the present steps.")
        hooks = listening(
            settings.service.webhook_address, webhook_secret(), desk.store.deliveries, service, lines.notice
        )
        async with hooks as address:
            if address:
                tell(f"Webhooks of GitHub are heard at {address}.")
            with draining(service, leave=lambda: None):
                await service.run()
    tell("Stopped. Everything is saved; `agentos serve` goes on from there.")


async def _open(folder: Path, request: Request) -> Place:
    place = await open_place(folder, {**request.overrides, **AS_SERVICE})
    require_policy(place)
    place.target.require_means()
    return place


def _require_apart(places: Sequence[Place]) -> None:
    """Raises UsageError for a repository that is named twice, in whatever folder."""
    names = [place.target.repo for place in places]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{twice[0]} is named twice; give each repository once")
