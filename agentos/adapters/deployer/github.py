"""Deployments as GitHub shows them: one that the repository's own workflows make, or one that is made and shown there."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.deployments_wire import DeploymentAnswer, DeploymentStatusAnswer
from agentos.config.delivery import DeploySettings
from agentos.domain.document import Deployment
from agentos.domain.error import Crowded, OutsideError
from agentos.domain.naming import clean_text
from agentos.domain.requests import Requests
from agentos.ports.deployer import Deployer, DeployRequest

MARK = "agentos"
"""The key of a deployment's payload that holds the name it was made under; without it, it is somebody else's."""
ENVIRONMENT = "agentos-review"
"""Where ours are shown, unless the settings name a place."""
FIRST_LOOK_S, LONGEST_LOOK_S = 5.0, 30.0
DESCRIPTION_CHARACTERS = 140
_RED = frozenset({"failure", "error"})


class GitHubDeployer:
    """With a `command` it deploys by that and shows it at GitHub; without, the repository's own workflows deploy, and it
    waits for them up to `settings.timeout_s`. `settings.environment`: which place; empty: any of theirs."""

    def __init__(self, api: GitHubClient, settings: DeploySettings, command: Deployer | None) -> None:
        self._api = api
        self._settings = settings
        self._command = command

    @property
    def requests(self) -> Requests:
        """What this object asked GitHub so far."""
        return self._api.requests

    async def find(self, request: DeployRequest) -> Deployment | None:
        """The deployment of exactly `request.sha`, if GitHub says that it stands and, where it is ours, it is healthy."""
        if self._command is None:
            return await self._of_workflows(request.sha)
        ours = await self._ours(request.name, sha=request.sha)
        if not ours or (await self._state(ours[0])).state != "success":
            return None
        found = await self._command.find(request)
        return None if found is None else replace(found, kind="github")

    async def deploy(self, request: DeployRequest) -> Deployment:
        """A deployment of `request.sha`. Effect: where it is ours, one per name; older ones of the name are inactive."""
        if self._command is None:
            return await self._awaited(request.sha)
        found = await self._ours(request.name, sha=request.sha)
        number = found[0].id if found else await self._create(request)
        with suppress(Crowded):
            await self._say(number, "in_progress", picture=True)
        try:
            made = await self._command.deploy(request)
        except OutsideError as exc:
            await self._say(number, "failure", description=str(exc))
            raise
        await self._say(number, "success", environment_url=made.url)
        await self._retire(await self._ours(request.name), keep=number)
        return replace(made, kind="github")

    async def teardown(self, name: str) -> None:
        """Effect: nothing of ours of that name runs, and GitHub shows it as inactive. Workflows wind up what is theirs."""
        if self._command is None:
            return
        await self._command.teardown(name)
        await self._retire(await self._ours(name))

    # -- the repository's own workflows -------------------------------------------------------------------------------

    async def _awaited(self, sha: str) -> Deployment:
        clock, wait_s = self._api.clock, FIRST_LOOK_S
        until = clock.monotonic_s() + self._settings.timeout_s
        while (found := await self._of_workflows(sha, tells=True)) is None:
            if clock.monotonic_s() >= until:
                where = f" to {self._settings.environment}" if self._settings.environment else ""
                raise OutsideError(
                    f"no workflow deployed {sha[:12]}{where} within {self._settings.timeout_s:g} s: see whether one does "
                    "so for a pull request, or let deploy.timeout_s be longer"
                )
            await clock.sleep(wait_s)
            wait_s = min(LONGEST_LOOK_S, wait_s * 2)
        return found

    async def _of_workflows(self, sha: str, *, tells: bool = False) -> Deployment | None:
        """The newest deployment of `sha` that is theirs and stands. Raises: OutsideError for one that failed, if `tells`."""
        found = [each for each in await self._deployments(sha=sha) if not _name_in(each)]
        latest: dict[str, DeploymentAnswer] = {}
        for each in found:  # newest first
            latest.setdefault(each.environment, each)
        states = [(each, await self._state(each)) for each in latest.values()]
        for each, state in states:
            if state.state == "success" and state.environment_url:
                return self._deployment(each, state)
        if tells:
            for each, state in states:
                _complain(each, state)
        return None

    def _deployment(self, found: DeploymentAnswer, state: DeploymentStatusAnswer) -> Deployment:
        url = clean_text(state.environment_url or "").strip()
        return Deployment(
            sha=found.sha,
            kind="github",
            url=url,
            artifact="",
            instructions=f"Open {url}",
            evidence=f"GitHub shows deployment {found.id} to {clean_text(found.environment)} as a success",
            verified_at=self._api.clock.now().isoformat(timespec="seconds"),
        )

    # -- ours ---------------------------------------------------------------------------------------------------------

    async def _create(self, request: DeployRequest) -> int:
        body: dict[str, object] = {
            "ref": request.sha,
            "environment": self._settings.environment or ENVIRONMENT,
            "payload": {MARK: request.name},
            "description": "The change, put before a person",
            "auto_merge": False,
            "required_contexts": [],
            "transient_environment": True,
        }
        return (await self._api.make("POST", "/deployments", body, DeploymentAnswer, again=False)).id

    async def _ours(self, name: str, *, sha: str = "") -> list[DeploymentAnswer]:
        """Ours of that name, newest first; read to the last page."""
        return [each for each in await self._deployments(sha=sha, own=True) if _name_in(each) == name]

    async def _say(
        self, number: int, state: str, *, environment_url: str = "", description: str = "", picture: bool = False
    ) -> None:
        """Effect: the deployment's newest status is `state`; none is made where it is so already. `picture`: nobody goes by
        it."""
        now = await self._state_of(number)
        if (now.state, now.environment_url or "") == (state, environment_url):
            return
        body: dict[str, object] = {"state": state, "auto_inactive": False}
        if environment_url:
            body["environment_url"] = environment_url
        if description:
            body["description"] = clean_text(description).partition("\n")[0][:DESCRIPTION_CHARACTERS]
        await self._api.change("POST", f"/deployments/{number}/statuses", body, picture=picture)

    async def _retire(self, found: Iterable[DeploymentAnswer], *, keep: int = 0) -> None:
        for each in found:
            if each.id != keep:
                await self._say(each.id, "inactive")

    # -- GitHub -------------------------------------------------------------------------------------------------------

    async def _deployments(self, *, sha: str = "", own: bool = False) -> list[DeploymentAnswer]:
        environment = self._settings.environment or (ENVIRONMENT if own else "")
        wanted = {"sha": sha, "environment": environment}
        params = {key: value for key, value in wanted.items() if value}
        found = await self._api.pages("/deployments", DeploymentAnswer, **params)
        return sorted(found, key=lambda each: each.id, reverse=True)

    async def _state(self, found: DeploymentAnswer) -> DeploymentStatusAnswer:
        return await self._state_of(found.id)

    async def _state_of(self, number: int) -> DeploymentStatusAnswer:
        """Its newest status; one that says nothing where there is none yet."""
        found = await self._api.pages(f"/deployments/{number}/statuses", DeploymentStatusAnswer)
        return max(found, key=lambda each: each.id, default=DeploymentStatusAnswer(id=0, state=""))


def _complain(found: DeploymentAnswer, state: DeploymentStatusAnswer) -> None:
    """Raises: OutsideError where the deployment ended, and not with an address to look at."""
    where = f"the deployment of {found.sha[:12]} to {clean_text(found.environment)}"
    if state.state in _RED:
        log = state.log_url or state.target_url or "GitHub names no log"
        raise OutsideError(
            f"{where} failed: {clean_text(state.description or 'no reason given')}; see {clean_text(log)}"
        )
    if state.state == "success":
        raise OutsideError(f"{where} went well and names no address: let the workflow give its environment a url")


def _name_in(found: DeploymentAnswer) -> str:
    """The name we made the deployment under; empty where it is not ours."""
    payload: Any = found.payload
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return ""
    return str(payload.get(MARK, "")) if isinstance(payload, dict) else ""
