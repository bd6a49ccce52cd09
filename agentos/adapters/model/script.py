"""A script: replies written down beforehand, keyed by stage, role, round and turn.

The format is described in docs/reference/scripted-models.md.
"""

import difflib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import Stage

Key: TypeAlias = tuple[Stage, str, int, int]
"""Stage, role, round counted from 1, turn counted from 0."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANSWER_LIMIT_BYTES = 10_000_000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptedCall(_Part):
    """One tool call of a reply."""

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class ScriptedReply(_Part):
    """One reply: `text`, or `json` (a structured answer), or `tool_calls` with or without text before them."""

    text: str = ""
    answer: dict[str, Any] | None = Field(default=None, alias="json")
    tool_calls: tuple[ScriptedCall, ...] = ()
    input_tokens: int = Field(default=100, ge=0)
    output_tokens: int = Field(default=50, ge=0)
    usd: float | None = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _says_something(self) -> "ScriptedReply":
        if self.answer is not None and (self.text or self.tool_calls):
            raise ValueError("json stands alone: leave out text and tool_calls")
        if self.answer is None and not self.text and not self.tool_calls:
            raise ValueError("give one of text, json, tool_calls")
        return self


Section: TypeAlias = dict[Stage, dict[str, dict[int, tuple[ScriptedReply, ...]]]]
_SECTION: TypeAdapter[Section] = TypeAdapter(Section)


class ReplySource(Protocol):
    """Where replies come from."""

    def reply(self, key: Key, digest: str) -> ScriptedReply:
        """The reply of `key`. Raises UsageError that names the key and the nearest ones where there is none."""
        ...

    def keys(self) -> tuple[Key, ...]:
        """Every key there is, as far as the source can tell."""
        ...


class ReplyTable:
    """Replies held in memory."""

    def __init__(self, replies: Mapping[Key, ScriptedReply], *, origin: str) -> None:
        self._replies = dict(replies)
        self._origin = origin

    def reply(self, key: Key, digest: str) -> ScriptedReply:
        """The reply of `key`; `digest` plays no part."""
        found = self._replies.get(key)
        if found is not None:
            return found
        names = {spell(each): each for each in self._replies}
        near = difflib.get_close_matches(spell(key), names, n=3, cutoff=0.0)
        raise UsageError(
            f"{self._origin} holds no reply for {spell(key)}; the nearest: {'; '.join(near) or 'none'}. "
            "Add the reply, or find out why the run asks for it"
        )

    def keys(self) -> tuple[Key, ...]:
        """Every key of the script."""
        return tuple(self._replies)


class ReplyServer:
    """Replies asked of a server on this machine: `POST {stage, role, round, turn, digest}`, answered with a reply."""

    def __init__(self, url: str) -> None:
        from urllib.parse import urlsplit  # only where a server is used

        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK or parts.port is None:
            raise UsageError(f"{url} cannot give scripted replies: it must be http://127.0.0.1:PORT/…")
        self._url, self._host, self._port, self._path = url, parts.hostname, parts.port, parts.path or "/"

    def reply(self, key: Key, digest: str) -> ScriptedReply:
        """The server's reply of `key`."""
        from http.client import HTTPConnection, HTTPException  # only where a server is used

        stage, role, round_, turn = key
        asked = {"stage": stage.value, "role": role, "round": round_, "turn": turn, "digest": digest}
        connection = HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.request("POST", self._path, json.dumps(asked), {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read(ANSWER_LIMIT_BYTES).decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            message = f"{self._url} gave no reply for {spell(key)}: {error}"
            raise OutsideError(message, kind=FailureKind.CAPACITY) from error
        finally:
            connection.close()
        if response.status != 200:
            raise UsageError(f"{self._url} refused {spell(key)} with status {response.status}: {body[:300]}")
        try:
            return ScriptedReply.model_validate_json(body)
        except ValidationError as error:
            raise UsageError(f"{self._url} answered {spell(key)} with no reply: {_first_problem(error)}") from error

    def keys(self) -> tuple[Key, ...]:
        """Nothing: the server itself counts what it was asked."""
        return ()


def read_script(path: Path, issue: int | None) -> dict[Key, ScriptedReply]:
    """The replies of the file `path`: those of its `issues:` entry for `issue`, over those meant for every issue."""
    raw = dict(_load(path))
    issues = raw.pop("issues", {}) or {}
    if not isinstance(issues, dict):
        raise UsageError(f"{path.name} is no script: `issues` must hold a section per issue number")
    own: Any = next((section for number, section in issues.items() if str(number) == str(issue)), {})
    replies: dict[Key, ScriptedReply] = {}
    for where, section in (("", raw), (f"issues.{issue}.", own or {})):
        try:
            stages = _SECTION.validate_python(section)
        except ValidationError as error:
            raise UsageError(f"{path.name} is no script: {where}{_first_problem(error)}") from error
        for stage, roles in stages.items():
            for role, rounds in roles.items():
                for round_, turns in rounds.items():
                    replies.update({(stage, role, round_, turn): reply for turn, reply in enumerate(turns)})
    return replies


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the script {path.name} cannot be read: {error}; check models.script") from error
    try:
        raw = _parsed(text, path.suffix)
    except Exception as error:  # the YAML reader's errors share no root with the JSON reader's
        raise UsageError(f"the script {path.name} is not well-formed: {error}") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path.name} is no script: it must begin with stages or with `issues:`")
    return raw


@lru_cache(maxsize=1)
def _parsed(text: str, suffix: str) -> Any:
    """What the script says. Its reader is slow, and a run opens its script after each wait."""
    if suffix == ".json":
        return json.loads(text)
    from ruamel.yaml import YAML  # a JSON script does without

    return YAML(typ="safe", pure=True).load(text)


def spell(key: Key) -> str:
    """`key` as people read it."""
    stage, role, round_, turn = key
    return f"{stage.value} {role} round {round_} turn {turn}"


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
