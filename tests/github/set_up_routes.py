"""What setting a repository up asks of the fake: labels, files, and git's own objects."""

import base64
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from githubkit_schemas.v2022_11_28 import models as gh

from tests.github.fake import NAME, OWNER, FakeGitHub, Refused, Request, Route, label
from tests.github.samples import filled

_INVALID = "Validation Failed"


def _labels(fake: FakeGitHub, request: Request) -> object:
    return [{**label(name), **more} for name, more in fake.labels.items()]


def _new_label(fake: FakeGitHub, request: Request) -> object:
    name = request.body.get("name", "")
    if not name:
        raise Refused(422, _INVALID, ({"resource": "Label", "field": "name", "code": "missing_field"},))
    if name.lower() in map(str.lower, fake.labels):
        raise Refused(422, _INVALID, ({"resource": "Label", "field": "name", "code": "already_exists"},))
    fake.labels[name] = {"color": request.body["color"], "description": request.body["description"]}
    assert len(request.body["description"]) <= 100
    return {**label(name), **fake.labels[name]}


def _ref(fake: FakeGitHub, request: Request) -> object:
    if not fake.ref("main"):
        raise Refused(409, "Git Repository is empty.")
    return _shown(request.args[0], _known(fake.ref(request.args[0])))


def _new_ref(fake: FakeGitHub, request: Request) -> object:
    if not {"ref", "sha"} <= set(request.body):
        raise Refused(422, 'Invalid request. "ref", "sha" weren\'t supplied.')
    branch = request.body["ref"].removeprefix("refs/heads/")
    if fake.ref(branch):
        raise Refused(422, "Reference already exists")
    fake.run_git("update-ref", request.body["ref"], request.body["sha"], "0" * 40)
    return _shown(branch, request.body["sha"])


def _shown(branch: str, sha: str) -> dict[str, Any]:
    return filled(gh.GitRef, ref=f"refs/heads/{branch}", object={"type": "commit", "sha": sha, "url": "x"})


def _known(sha: str) -> str:
    if not sha:
        raise Refused(404, "Not Found")
    return sha


def _commit(fake: FakeGitHub, request: Request) -> object:
    sha = request.args[0]
    return filled(gh.GitCommit, sha=sha, tree={"sha": fake.run_git("rev-parse", f"{sha}^{{tree}}"), "url": "x"})


def _new_commit(fake: FakeGitHub, request: Request) -> object:
    parents = [word for sha in request.body["parents"] for word in ("-p", sha)]
    sha = fake.run_git("commit-tree", request.body["tree"], *parents, "-m", request.body["message"])
    return filled(gh.GitCommit, sha=sha, tree={"sha": request.body["tree"], "url": "x"})


def _tree(fake: FakeGitHub, request: Request) -> object:
    lines = fake.run_git("ls-tree", request.args[0]).splitlines()
    rows = [(*line.split("\t")[0].split(" "), line.split("\t")[1]) for line in lines]
    entries = [{"mode": mode, "type": kind, "sha": sha, "path": path} for mode, kind, sha, path in rows]
    return filled(gh.GitTree, sha="x", tree=entries, truncated=False)


def _new_tree(fake: FakeGitHub, request: Request) -> object:
    with tempfile.TemporaryDirectory() as folder:
        env = {"PATH": "/usr/bin:/bin", "GIT_INDEX_FILE": str(Path(folder, "index")), "GIT_DIR": str(fake.git)}

        def git(*args: str, given: str = "") -> str:
            done = subprocess.run(["git", *args], env=env, input=given, capture_output=True, text=True, check=True)
            return done.stdout.strip()

        git("read-tree", request.body["base_tree"])
        for each in request.body["tree"]:
            blob = git("hash-object", "-w", "--stdin", given=each["content"])
            git("update-index", "--add", "--cacheinfo", f"{each['mode']},{blob},{each['path']}")
        return filled(gh.GitTree, sha=git("write-tree"), tree=[], truncated=False)


def _contents(fake: FakeGitHub, request: Request) -> object:
    name = f"{request.query['ref']}:{request.args[0]}"
    if not fake.run_git("rev-parse", "--verify", "--quiet", name, check=False):
        raise Refused(404, "Not Found")
    content = base64.encodebytes(fake.run_git("show", name).encode()).decode()
    return filled(gh.ContentFile, path=request.args[0], content=content, encoding="base64", type="file")


def _route(name: str, path: str, answer: Any, shape: Any, *, status: int = 200) -> Route:
    method, _, below = path.partition(" ")
    whole = f"/repos/{OWNER}/{NAME}{below}".replace("{sha}", "([0-9a-f]{40})").replace("{path}", "(.+)")
    return Route(name, method, re.compile(whole), answer, shape, status)


SET_UP_ROUTES = (
    _route("labels", "GET /labels", _labels, list[gh.Label]),
    _route("new label", "POST /labels", _new_label, gh.Label, status=201),
    _route("ref", "GET /git/ref/heads/{path}", _ref, gh.GitRef),
    _route("new ref", "POST /git/refs", _new_ref, gh.GitRef, status=201),
    _route("git commit", "GET /git/commits/{sha}", _commit, gh.GitCommit),
    _route("new git commit", "POST /git/commits", _new_commit, gh.GitCommit, status=201),
    _route("tree", "GET /git/trees/{sha}", _tree, gh.GitTree),
    _route("new tree", "POST /git/trees", _new_tree, gh.GitTree, status=201),
    _route("contents", "GET /contents/{path}", _contents, gh.ContentFile),
)
