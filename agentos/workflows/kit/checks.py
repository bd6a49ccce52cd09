"""Measuring a commit: the command matrix run on a fresh tree of exactly that commit, and what JUnit reports say."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestCase, TestSuite

from agentos.domain.artifact import ArtifactKind
from agentos.domain.check import CheckCommand, CheckResult, TestOutcome, new_failures
from agentos.domain.event import EventKind
from agentos.domain.naming import clean_text
from agentos.ports.sandbox import Command
from agentos.workflows.kit.step import Step
from agentos.workspace.export import export_tree
from agentos.workspace.folders import discard

FOCUSED = "focused"
SETUP = "setup"
REPORT_LIMIT_BYTES = 20_000_000
TAIL_CHARACTERS = 4_000
_WORST = (TestOutcome.FAILED, TestOutcome.SKIPPED, TestOutcome.PASSED)


@dataclass(frozen=True, slots=True)
class Measured:
    """The results of one measurement, as a document."""

    results: tuple[CheckResult, ...]


def measured(results: Mapping[str, CheckResult]) -> Measured:
    """`results` as a document."""
    return Measured(tuple(results.values()))


def regressions(base: Measured, after: Mapping[str, CheckResult]) -> tuple[str, ...]:
    """What fails in `after` and did not fail in `base`, as `command: test`."""
    before = {result.name: result for result in base.results}
    return tuple(
        f"{result.name}: {failure}"
        for result in after.values()
        for failure in new_failures(before.get(result.name), result)
    )


async def measure(
    step: Step, sha: str, *, overlay: Mapping[str, bytes] | None = None, only_tests: tuple[str, ...] = ()
) -> dict[str, CheckResult]:
    """What each command of the matrix does at `sha`, by name, in a tree that is gone afterwards.

    `overlay`: files put over the commit's own (path -> content). `only_tests`: run set-up and the focused command on
    these test ids alone. A failing set-up ends the measurement: its result is then the only one.
    """
    folder = step.ctx.folder / "measure"
    await asyncio.to_thread(discard, folder)
    tree, scratch = folder / "tree", folder / "scratch"
    scratch.mkdir(parents=True)
    await export_tree(step.ctx.repo, sha, tree)
    for path, content in (overlay or {}).items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    results: dict[str, CheckResult] = {}
    for command in _chosen(step.ctx.settings.command_matrix(), only_tests):
        results[command.name] = result = await _run(step, command, sha, (tree, scratch, only_tests))
        if command.name == SETUP and not result.passed:
            break
    await asyncio.to_thread(discard, folder)
    return results


def _chosen(matrix: Iterable[CheckCommand], only_tests: tuple[str, ...]) -> list[CheckCommand]:
    if not only_tests:
        return [command for command in matrix if command.name != FOCUSED]
    named = {command.name: command for command in matrix}
    focused = named.get(FOCUSED) or named.get("test")
    return [command for command in (named.get(SETUP), focused) if command is not None]


async def _run(step: Step, command: CheckCommand, sha: str, where: tuple[Path, Path, tuple[str, ...]]) -> CheckResult:
    tree, scratch, only_tests = where
    report = scratch / f"{command.name}.xml"
    quoted = " ".join(f"'{test}'" for test in only_tests if "'" not in test)
    shell = command.run.replace("{junit}", str(report)).replace("{tests}", quoted)
    done = await step.ctx.ports.sandbox.run(
        Command(shell, tree, (tree, scratch), command.timeout_s, network=command.network)
    )
    output = clean_text(done.output)
    tests = await asyncio.to_thread(read_report, report, tree) if report.exists() else None
    log = await step.keep(
        ArtifactKind.LOG, output.encode(), suffix=".txt", name=f"{step.stage}-{command.name}-{sha[:12]}"
    )
    result = CheckResult(
        name=command.name,
        sha=sha,
        exit_code=done.exit_code,
        duration_s=round(done.duration_s, 3),
        tests=tests or {},
        tail=output[-TAIL_CHARACTERS:],
        log=log.path,
        offered_junit=tests is not None,
    )
    await step.emit(
        EventKind.CHECK_ENDED,
        name=command.name,
        sha=sha,
        exit_code=done.exit_code,
        passed=result.passed,
        tests=len(result.tests),
        failed=sum(outcome is TestOutcome.FAILED for outcome in result.tests.values()),
    )
    return result


def read_report(report: Path, tree: Path) -> dict[str, TestOutcome] | None:
    """Test id -> outcome from a JUnit report; None where it cannot be read, so that nothing passes by it.

    The id is `path::name` as pytest prints it. A parametrised test counts under its plain name too, with the worst
    outcome of its cases.
    """
    if report.is_symlink() or report.stat().st_size > REPORT_LIMIT_BYTES:
        return None
    try:
        cases = list(_cases(JUnitXml.fromfile(str(report))))
    except (JUnitXmlError, SyntaxError, ValueError, OSError):  # malformed, no JUnit, or not readable
        return None
    outcomes: dict[str, TestOutcome] = {}
    for case in cases:
        name, outcome = _test_id(case, tree), _outcome(case)
        for key in {name, name.partition("[")[0]}:
            known = outcomes.get(key, outcome)
            outcomes[key] = min(known, outcome, key=_WORST.index)
    return outcomes


def _cases(report: Any) -> Iterable[TestCase]:
    for item in report:
        if isinstance(item, TestSuite):
            yield from _cases(item)
        elif isinstance(item, TestCase):
            yield item


def _outcome(case: TestCase) -> TestOutcome:
    results = case.result
    if any(isinstance(result, Failure | Error) for result in results):
        return TestOutcome.FAILED
    return TestOutcome.SKIPPED if any(isinstance(result, Skipped) for result in results) else TestOutcome.PASSED


def _test_id(case: TestCase, tree: Path) -> str:
    name = clean_text(case.name or "")
    file = getattr(case, "_elem", None)
    given = file.get("file") if file is not None else None
    parts = clean_text(case.classname or "").split(".")
    for end in range(len(parts), 0, -1):
        path = "/".join(parts[:end]) + ".py"
        if ".." not in path and (tree / path).is_file():
            return "::".join([path, *parts[end:], name])
    return f"{given or case.classname}::{name}"
