"""`python tools/check.py` runs what a change must pass, cheapest first, and stops at the first that fails.

With `--write-docs` it writes the pages that are derived from the code instead.
"""

import json
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
FAST = ("tests/unit", "tests/architecture", "tests/contracts")

CHECKS: dict[str, list[str]] = {
    "format": ["ruff", "format", "--check", "--quiet", "."],
    "lint": ["ruff", "check", "--quiet", "."],
    "types": ["mypy"],
    "import rules": ["lint-imports", "--no-cache"],
}
REMEDY = {
    "format": "ruff format .",
    "lint": "ruff check --fix .",
}


def _fast_tests() -> list[str]:
    folders = [folder for folder in FAST if (ROOT / folder).is_dir()]
    return [
        "pytest",
        "-q",
        "-n",
        "auto",
        "--maxprocesses",
        "4",
        "--dist",
        "worksteal",
        "--suite",
        "check",
        "-m",
        "not slow and not full",
        *folders,
    ]


def _passes(name: str, command: list[str]) -> bool:
    """Runs one check; its own words are shown only where they help: when it failed, and always for the tests."""
    began = time.perf_counter()
    loud = command[0] == "pytest"
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=None if loud else subprocess.PIPE,
        stderr=None if loud else subprocess.STDOUT,
        text=True,
        check=False,
    )
    verdict = "ok" if done.returncode == 0 else "FAILED"
    summary = f"{verdict:6} {name} ({time.perf_counter() - began:.1f} s)"
    if done.returncode == 0:
        if not loud:
            print(summary, flush=True)
        return True
    remedy = f"; try: {REMEDY[name]}" if name in REMEDY else ""
    print(f"{done.stdout or ''}{summary}{remedy}", flush=True)
    return False


@cache
def derived_pages() -> dict[str, str]:
    """Path -> text of every page that is derived from the code."""
    # none of it is needed to check
    from agentos.cli.documents import schemas
    from agentos.cli.reference import cli_page
    from agentos.config.reference import configuration_page
    from agentos.runs.artifact_page import artifact_page, artifact_schemas
    from agentos.runs.block_page import block_page, block_schemas
    from agentos.runs.document import RunDocument
    from agentos.runs.event_schemas import event_schemas
    from agentos.workflows.orchestrator.drawing import pipeline_page
    from tests.comment_examples import comments_page

    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    documents = {f"schemas/{name}": schema for name, schema in schemas().items()}
    documents |= {f"schemas/artifact-{name}": schema for name, schema in artifact_schemas().items()}
    documents |= {f"schemas/block-{name}": schema for name, schema in block_schemas().items()}
    documents |= {f"schemas/event-{name}": schema for name, schema in event_schemas().items()}
    documents["run"] = draft | RunDocument.model_json_schema(by_alias=True)
    return {
        "docs/reference/pipeline.md": pipeline_page(),
        "docs/reference/configuration.md": configuration_page(),
        "docs/reference/cli.md": cli_page(),
        "docs/reference/artifacts.md": artifact_page(),
        "docs/reference/hidden-blocks.md": block_page(),
        "docs/reference/comments.md": comments_page(),
        **{f"docs/reference/{name}.schema.json": _as_json(schema) for name, schema in documents.items()},
    }


def _as_json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _write_docs() -> int:
    from agentos.cli.messages import messages_page  # reads the whole source, which takes seconds

    for path, text in {**derived_pages(), "docs/reference/messages.md": messages_page()}.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"wrote  {path}")
    return 0


def main() -> int:
    if sys.argv[1:] == ["--write-docs"]:
        return _write_docs()
    checks = CHECKS | {"fast tests": _fast_tests()}
    return 0 if all(_passes(name, command) for name, command in checks.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
