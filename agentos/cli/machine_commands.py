"""`config` and `doctor`: what holds here and where it comes from, and what is missing. No run is touched."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from agentos.bootstrap import database_url, github_at, require_models, sandbox_at, settings_at
from agentos.cli.args import Request
from agentos.cli.documents import CheckDocument, ConfigDocument, DoctorDocument, SettingDocument, text_of
from agentos.cli.terminal import as_called, one_line
from agentos.config.load import Loaded, keys_present
from agentos.config.settings import Settings
from agentos.domain.error import AgentOSError
from agentos.domain.finding import Check, Grade
from agentos.runs.checkup import (
    check_database,
    check_disk,
    check_home,
    check_tickets,
    git_said,
    judge_git,
    judge_models,
    judge_sandbox,
    judge_workflow,
)
from agentos.runs.result import ExitCode


def config(request: Request) -> int:
    """The exit code of showing the settings: 0."""
    _, loaded = asyncio.run(settings_at(request.repo, inside=request.repo_given))
    rows = list(setting_rows(loaded))
    if request.json:
        print(text_of(ConfigDocument(settings=rows)))
        return 0
    for row in rows:
        print(one_line(f"{row.key} = {json.dumps(row.value, ensure_ascii=False)}", 2000), f" # {one_line(row.origin)}")
    return 0


def setting_rows(loaded: Loaded) -> Iterator[SettingDocument]:
    """Every setting in the order of the page about them; secrets are masked by their own type."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), loaded.settings.model_dump(mode="json"))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [((*path, key), item) for key, item in reversed(value.items())]
        else:
            key = ".".join(path)
            yield SettingDocument(key=key, value=value, origin=loaded.origins.get(key, "default"))


def doctor(request: Request) -> int:
    """The exit code of looking at machine and repository: 0 where a run could work, else 3."""
    checks = asyncio.run(examine(request.repo, inside=request.repo_given))
    code = ExitCode.BLOCKED if any(check.grade is Grade.FAIL for check in checks) else ExitCode.FINISHED
    if request.json:
        told = [CheckDocument(name=each.name, grade=each.grade, found=each.found, mend=each.mend) for each in checks]
        print(text_of(DoctorDocument(checks=told, exit_code=code)))
        return int(code)
    for check in checks:
        if request.quiet and check.grade is Grade.OK:
            continue
        print(f"{check.grade:<4}  {check.name}: {one_line(check.found)}")
        if check.mend:
            print(f"      {one_line(as_called(check.mend, request))}")
    return int(code)


async def examine(folder: Path, *, inside: bool) -> tuple[Check, ...]:
    """All that a run needs, looked at in the order it would need it; nothing stops the next look."""
    checks = [judge_git(await git_said())]
    try:
        root, loaded = await settings_at(folder, inside=inside)
    except AgentOSError as exc:
        return (*checks, Check("settings", Grade.FAIL, str(exc), "mend that, then look again"))
    settings = loaded.settings
    if root is None:
        checks.append(Check("repository", Grade.WARN, "none here", "change into one, or name it with --repo"))
    else:
        tickets = [check_tickets(root / settings.tracker.folder)] if settings.tracker.kind == "files" else []
        checks += [judge_workflow(loaded), *tickets, *await _github(root, settings)]
    name, confines, refusal = await sandbox_at(settings)
    return (
        *checks,
        judge_models(settings, keys_present(), partial(require_models, settings)),
        judge_sandbox(name, confines=confines, refusal=refusal),
        check_home(settings.home),
        check_disk(settings.home),
        await check_database(settings.home, database_url(settings)),
    )


async def _github(root: Path, settings: Settings) -> tuple[Check, ...]:
    """What is found at GitHub, and what is missing there; nothing where the settings want nothing there."""
    try:
        return await github_at(root, settings)
    except AgentOSError as exc:
        return (Check("GitHub", Grade.FAIL, str(exc), "docs/howto/github.md says how GitHub is set up"),)
