"""What a GitHub App asks of the fake: itself, its installation, a token."""

import re
from typing import Any

from githubkit_schemas.v2022_11_28 import models as gh

from tests.github.apps import APP_ID, BOT, INSTALLATION, SLUG, FakeApp
from tests.github.fake import NAME, OWNER, FakeGitHub, Refused, Request, Route
from tests.github.samples import filled


def _of(fake: FakeGitHub) -> FakeApp:
    if fake.app is None or not fake.app.is_installed:
        raise Refused(404, "Not Found")
    return fake.app


def _app(fake: FakeGitHub, request: Request) -> object:
    assert fake.app is not None
    return filled(gh.Integration, id=int(APP_ID), slug=SLUG, permissions=fake.app.rights, events=["issues"])


def _installation(fake: FakeGitHub, request: Request) -> object:
    return filled(gh.Installation, id=INSTALLATION, permissions=_of(fake).rights)


def _installations(fake: FakeGitHub, request: Request) -> object:
    return [_installation(fake, request)]


def _token(fake: FakeGitHub, request: Request) -> object:
    app = _of(fake)
    if int(request.args[0]) != INSTALLATION:
        raise Refused(404, "Not Found")
    if request.body.get("repositories") != [NAME]:
        words = "There is at least one repository that does not exist or is not accessible to the parent installation."
        raise Refused(422, words)
    return app.give()


def _bot(fake: FakeGitHub, request: Request) -> object:
    if request.args[0] != BOT[1]:
        raise Refused(404, "Not Found")
    return filled(gh.PublicUser, id=BOT[0], login=BOT[1], type=BOT[2])


def _route(name: str, path: str, answer: Any, shape: Any, *, status: int = 200) -> Route:
    method, _, whole = path.partition(" ")
    return Route(
        name, method, re.compile(whole.replace("{n}", r"(\d+)").replace("{name}", "([^/]+)")), answer, shape, status
    )


APP_ROUTES = (
    _route("app", "GET /app", _app, gh.Integration),
    _route("installations", "GET /app/installations", _installations, list[gh.Installation]),
    _route("installation", f"GET /repos/{OWNER}/{NAME}/installation", _installation, gh.Installation),
    _route("app token", "POST /app/installations/{n}/access_tokens", _token, gh.InstallationToken, status=201),
    _route("account", "GET /users/{name}", _bot, gh.PublicUser),
)
FOR_THE_APP = frozenset({"app", "installations", "installation", "app token"})
"""What only the App itself may ask, by its signature."""
