"""A small target repository with one ticket, and the replies that take it the whole way; checks cost milliseconds."""

import os
import subprocess
from pathlib import Path
from typing import Any

RUNNER = """\
import importlib, sys, traceback
from xml.sax.saxutils import quoteattr

report, wanted = sys.argv[1], sys.argv[2:]
sys.path.insert(0, ".")
cases, failed = [], 0
for name in ("test_greet", "test_shout"):
    try:
        module = importlib.import_module(f"tests.{name}")
    except ModuleNotFoundError:
        continue
    except ImportError as exc:
        cases.append(f'<testcase classname="tests.{name}" name="import"><error message={quoteattr(str(exc))}/></testcase>')
        failed += 1
        continue
    for test in [t for t in vars(module) if t.startswith("test_")]:
        if wanted and f"tests/{name}.py::{test}" not in wanted:
            continue
        try:
            getattr(module, test)()
            cases.append(f'<testcase classname="tests.{name}" name="{test}"/>')
        except Exception:
            failed += 1
            why = quoteattr(traceback.format_exc()[-200:])
            cases.append(f'<testcase classname="tests.{name}" name="{test}"><failure message={why}/></testcase>')
open(report, "w").write(f'<testsuite name="toy" tests="{len(cases)}">' + "".join(cases) + "</testsuite>")
sys.exit(1 if failed else 0)
"""
GREET = 'def greet(name: str) -> str:\n    return f"Hello, {name}."\n'
SHOUT_WRONG = GREET + "\n\ndef shout(name: str) -> str:\n    return greet(name)\n"
SHOUT_RIGHT = GREET + "\n\ndef shout(name: str) -> str:\n    return greet(name).upper()\n"
SHOUT_LOUD = GREET + '\n\ndef shout(name: str) -> str:\n    return greet(name).upper().replace(".", "!")\n'
TEST = 'from greet import shout\n\n\ndef test_shout():\n    assert shout("Ann").startswith("HELLO, ANN")\n'
TEST_LOUD = TEST + '\n\ndef test_ends_loudly():\n    assert shout("Ann") == "HELLO, ANN!"\n'
WORKFLOW = """\
---
commands:
  test: python3 run_tests.py {junit}
  focused: python3 run_tests.py {junit} {tests}
merge_authority: on_approval
---
# How we work
Small changes, each with a test.
"""
TICKET = """\
---
id: 1
title: Add a shout function
status: queued
---
## Objective
`greet.py` can shout a greeting.

## Acceptance criteria
- `shout("Ann")` gives the greeting in capitals.
"""
FILES = {
    "greet.py": GREET,
    "run_tests.py": RUNNER,
    "tests/__init__.py": "",
    "tests/test_greet.py": 'from greet import greet\n\n\ndef test_greet():\n    assert greet("Ann") == "Hello, Ann."\n',
    "WORKFLOW.md": WORKFLOW,
    "tickets/001-shout.md": TICKET,
}
PROOF = "tests/test_shout.py::test_shout"


def make_target(folder: Path) -> Path:
    """A repository at `folder` with its first commit."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    identity = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org"}
    identity |= {"GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.org"}
    origin = ["config", "remote.origin.url", "https://example.org/ann/toy.git"]  # one repo-key, wherever the folder is
    for args in (["init", "-q", "-b", "main"], origin, ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *args], cwd=folder, check=True, env={**os.environ, **identity})
    return folder


def _write(path: str, content: str) -> dict[str, Any]:
    return {"tool_calls": [{"name": "write", "args": {"path": path, "content": content}}]}


def _submit(summary: str, proof: str = PROOF) -> list[dict[str, Any]]:
    """Twice the same: the first submit is answered with the difference, the second hands in."""
    evidence = [{"criterion": "AC-1", "proofs": [proof]}]
    return [{"tool_calls": [{"name": "submit", "args": {"summary": summary, "evidence": evidence}}]}] * 2


def _approve(summary: str) -> dict[str, Any]:
    return {"json": {"verdict": "approve", "summary": summary, "confidence": 95, "findings": []}}


BRIEF = {
    "title": "Add a shout function",
    "objective": "greet.py can shout a greeting.",
    "criteria": ['shout("Ann") gives the greeting in capitals'],
    "failure_mode": "none",
    "complexity": 4,
    "risk": "low",
    "route_reason": "one function in one file",
}
LLD = {
    "context": "A second function beside greet.",
    "files": [
        {"path": "greet.py", "action": "Modify", "why": "the new function"},
        {"path": "tests/test_shout.py", "action": "Add", "why": "its test"},
    ],
    "data_structures": "None.",
    "signatures": ["def shout(name: str) -> str"],
    "logic": "The greeting, in capitals.",
    "decisions": ["capitals by str.upper, not by a table"],
    "requirements": [{"id": "REQ-1", "text": "shout gives capitals", "criteria": ["AC-1"]}],
    "security": "None.",
    "performance": "None.",
    "scenarios": [{"id": "S-1", "given": "Ann", "expected": "HELLO, ANN", "requirement": "REQ-1"}],
    "risks": [],
    "definition_of_done": ["the test passes"],
}
SPEC = {
    "overview": "Add shout to greet.py and test it.",
    "files": LLD["files"],
    "excerpts": [{"path": "greet.py", "text": "def greet(name: str) -> str:"}],
    "functions": [
        {
            "path": "greet.py",
            "signature": "def shout(name: str) -> str:",
            "inputs": "a name, as greet takes it",
            "outputs": "the greeting in capitals",
            "errors": "none",
        }
    ],
    "instructions": ["write the test", "write the function"],
    "tests": [{"scenario": "S-1", "test": PROOF}],
    "checklist": ["S-1: the test fails before and passes after"],
}
FORESIGHT = {"cause": "greet.py has no shout.", "approach": "Add it beside greet.", "cases": ["an empty name"]}
FOLLOW_UPS = {"follow_ups": [{"title": "Whisper, too", "body": "## Objective\nA whisper function."}]}


def replies() -> dict[tuple[str, str, int], list[dict[str, Any]]]:
    """(stage, role, round) -> the replies of its turns: a red test round, one round of feedback, one follow-up."""
    return {
        ("triage", "drafter", 1): [{"json": BRIEF}],
        ("lld", "drafter", 1): [{"json": LLD}],
        ("lld", "foresight", 1): [{"json": FORESIGHT}],
        ("lld", "reviewer", 1): [_approve("The design is sound.")],
        ("spec", "drafter", 1): [{"json": SPEC}],
        ("spec", "reviewer", 1): [_approve("The spec is complete.")],
        ("impl", "implementer", 1): [
            _write("greet.py", SHOUT_WRONG),
            _write("tests/test_shout.py", TEST),
            {"tool_calls": [{"name": "bash", "args": {"command": "ls"}}]},
            *_submit("shout exists"),
        ],
        ("impl", "implementer", 2): [
            _write("greet.py", SHOUT_RIGHT),
            *_submit("shout is loud, closes #9; thanks @octocat"),
        ],
        ("impl", "foresight", 1): [{"json": FORESIGHT}],  # asked for where there is no design
        ("impl", "reviewer", 1): [_approve("Right and tested.")],
        ("review", "implementer", 1): [
            _write("greet.py", SHOUT_LOUD),
            _write("tests/test_shout.py", TEST_LOUD),
            *_submit("it ends with an exclamation mark, fixes #9, as @octocat said"),
        ],
        ("review", "reviewer", 1): [_approve("Still right.")],
        ("finalize", "drafter", 1): [{"json": FOLLOW_UPS}],
    }
