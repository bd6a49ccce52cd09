"""A backend is tried out before it is trusted: what leaks is seen and named, what is tight is not asked again."""

import json
from pathlib import Path

import pytest

from agentos.adapters.sandbox.choosing import Wish, choose_sandbox
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.adapters.sandbox.selftest import find_leak
from agentos.ports.sandbox import Command, CommandLimits, CommandResult
from tests.boxes import backends, sandbox_of


@pytest.mark.slow
async def test_a_box_that_holds_nothing_back_is_seen_through() -> None:
    said = await find_leak(lambda limits: ProcessSandbox(limits))
    for leak in ("write outside", "read secret", "connect to loopback", "signal outside", "change the mode outside"):
        assert leak in said


async def test_a_box_in_which_nothing_works_is_none() -> None:
    class Broken(ProcessSandbox):
        async def run(self, command: Command) -> CommandResult:
            return CommandResult(0, "", 0.0)

    assert "no command works in it" in await find_leak(Broken)


@pytest.mark.slow
@pytest.mark.parametrize("kind", backends("sandlock", "bubblewrap"))
async def test_a_tight_box_is_tried_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert await find_leak(lambda limits: sandbox_of(kind, limits=limits)) == ""
    wish = Wish(kind, trusted=False, limits=CommandLimits(), readable=(), home=tmp_path / "home")
    first = await choose_sandbox(wish)
    assert first.sandbox is not None
    kept = tmp_path / "agentos" / "sandbox-checks.json"
    found, before = json.loads(kept.read_text("utf-8")), kept.stat().st_mtime_ns
    assert list(found) == [kind]
    assert first.about in found[kind]
    await choose_sandbox(wish)
    assert kept.stat().st_mtime_ns == before
