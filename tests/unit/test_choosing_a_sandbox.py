"""Which box a run's commands get, and what is said where there is none."""

from dataclasses import replace
from pathlib import Path

import pytest

from agentos.adapters.sandbox.choosing import Wish, choose_sandbox
from agentos.ports.sandbox import CommandLimits

REAL = Wish("auto", trusted=False, limits=CommandLimits(), readable=(), home=Path("home"))
SCRIPTED = replace(REAL, trusted=True)
NARROWED = replace(REAL, narrowed=True)
BOTH = frozenset({"sandlock", "bubblewrap"})

CHOICES = [
    (REAL, BOTH, "sandlock"),
    (REAL, {"bubblewrap"}, "bubblewrap"),
    (REAL, (), None),
    (SCRIPTED, BOTH, "sandlock"),
    (SCRIPTED, {"bubblewrap"}, "bubblewrap"),
    (SCRIPTED, (), "process"),
    (NARROWED, BOTH, "sandlock"),
    (NARROWED, {"bubblewrap"}, None),
    (replace(REAL, kind="sandlock"), {"bubblewrap"}, None),
    (replace(REAL, kind="bubblewrap"), BOTH, "bubblewrap"),
    (replace(SCRIPTED, kind="bubblewrap"), {"sandlock"}, None),
    (replace(REAL, kind="external"), (), "external"),
    (replace(REAL, kind="process"), BOTH, None),
    (replace(SCRIPTED, kind="process"), BOTH, "process"),
]


@pytest.mark.parametrize(("wish", "holding", "chosen"), CHOICES)
async def test_the_first_backend_asked_for_that_holds_is_taken(
    wish: Wish, holding: frozenset[str], chosen: str | None
) -> None:
    async def look(kind: str) -> tuple[str, str]:
        return f"{kind} 1.0", "" if kind in holding else "a command in it can read secret"

    choice = await choose_sandbox(wish, look)
    assert (choice.sandbox.name if choice.sandbox is not None else None) == chosen
    assert bool(choice.refusal) == (chosen is None)


async def test_where_there_is_no_box_it_is_said_why_and_what_to_do() -> None:
    async def look(kind: str) -> tuple[str, str]:
        return kind, "the kernel is too old" if kind == "sandlock" else "there is no bwrap on this machine"

    refusal = (await choose_sandbox(REAL, look)).refusal
    for part in ("the kernel is too old", "there is no bwrap", "apt install bubblewrap", "AGENTOS_SANDBOX=external"):
        assert part in refusal
