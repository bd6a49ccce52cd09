"""The agents that `make bench` compares do the same work, or their times mean nothing. No clock is read here."""

import sys
from pathlib import Path

import pytest

from agentos.store import Store
from tests.bench.agents import COMMANDS, Native, bare, mini, plain


@pytest.mark.slow
async def test_every_agent_of_the_comparison_does_the_same_work(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSWEA_SILENT_STARTUP", "1")
    monkeypatch.setenv("MSWEA_GLOBAL_CONFIG_DIR", str(tmp_path / "settings"))
    calls = {}
    for work in (bare, plain, Native(store).work, mini):
        name = getattr(work, "__name__", "native")
        (tmp_path / name).mkdir()
        calls[name] = await work(tmp_path / name)
    wanted = "".join(f"line {n}\n" for n in range(len(COMMANDS)))
    assert [(tmp_path / name / "notes.txt").read_text() for name in ("bare", "plain", "mini")] == [wanted] * 3
    assert (tmp_path / "work" / "tree" / "notes.txt").read_text() == wanted
    assert calls == {"bare": 0, "plain": 13, "work": 14, "mini": 13}, "ours submits twice"
    assert "litellm" not in sys.modules, "nothing of what it declares besides is brought in"
