"""What every notifier promises."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.notifier.log import LogNotifier
from agentos.adapters.notifier.memory import MemoryNotifier
from agentos.adapters.registry import BACKENDS
from agentos.ports.notifier import Notice, Notifier

NOTICE = Notice("Issue 7 waits for you", "The pull request is **ready**.", "agentos approve 7")


@dataclass(frozen=True)
class Post:
    """A notifier, and the titles that arrived."""

    notifier: Notifier
    arrived: Callable[[], list[str]]


def log_post(tmp_path: Path) -> Post:
    file = tmp_path / "home" / "notices.jsonl"
    return Post(
        LogNotifier(file, clock=ManualClock()),
        lambda: [json.loads(line)["title"] for line in file.read_text().splitlines()],
    )


def memory_post(tmp_path: Path) -> Post:
    notifier = MemoryNotifier()
    return Post(notifier, lambda: [notice.title for notice in notifier.notices])


POSTS: dict[str, Callable[[Path], Post]] = {"log": log_post, "memory": memory_post}


def test_every_registered_notifier_is_held_to_the_contract() -> None:
    assert set(POSTS) == set(BACKENDS["notifier"])


@pytest.fixture(params=POSTS)
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Post:
    return POSTS[request.param](tmp_path)


async def test_each_notice_arrives_once_in_order(post: Post) -> None:
    await post.notifier.notify(NOTICE)
    await post.notifier.notify(Notice("second", ""))
    assert post.arrived() == ["Issue 7 waits for you", "second"]


async def test_many_at_once_all_arrive_whole(post: Post) -> None:
    await asyncio.gather(*(post.notifier.notify(Notice(f"n{i}", "x" * 2000)) for i in range(40)))
    assert sorted(post.arrived()) == sorted(f"n{i}" for i in range(40))


async def test_a_log_line_says_when_what_and_how_without_terminal_tricks(tmp_path: Path) -> None:
    await LogNotifier(tmp_path / "notices.jsonl", clock=ManualClock()).notify(Notice("a\x1b[31m", "b\u202e", "c\nd"))
    line = json.loads((tmp_path / "notices.jsonl").read_text())
    assert line == {"at": "2026-01-01T00:00:00Z", "title": "a", "body": "b", "how": "c\nd"}


async def test_a_notice_that_cannot_be_written_is_lost_without_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    await LogNotifier(tmp_path / "file" / "notices.jsonl").notify(NOTICE)
    assert (tmp_path / "file").read_text() == ""


async def test_the_desktop_is_asked_only_where_it_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "notify-send"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/shown\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    await LogNotifier(tmp_path / "notices.jsonl").notify(NOTICE)
    assert not (tmp_path / "shown").exists()
    await LogNotifier(tmp_path / "notices.jsonl", desktop=True).notify(Notice("--help", "b", "agentos show 7"))
    assert (tmp_path / "shown").read_text() == "--app-name=AgentOS\n--\n--help\nagentos show 7\n"
