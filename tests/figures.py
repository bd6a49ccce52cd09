"""Figures: how many cells, attacks or examples a run of the tests really held, printed at its end and kept from falling.

A test that is one of many carries `@pytest.mark.figure("crash cells")`; one that tries many inside itself calls the
fixture `figure("attacks", 12)`. `@pytest.mark.examples("naming")` counts the examples of its properties, and only those
that held. `--suite check|test|full` says which promise is kept: it fails below the floors in `floors.toml`.
"""

import functools
import os
import tomllib
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

FLOORS = Path(__file__).parent / "floors.toml"
EXAMPLES = {"": 100, "check": 100, "test": 100, "full": 7_000}
"""Suite -> how often a property is tried; without a suite, somebody runs one file."""
LONGEST_S = 3600
PROPERTY, EXCUSE = "figure", "excuse"
Figure = Callable[[str, int], None]
Excuse = Callable[[str, str], None]


@dataclass
class Figures:
    """What was counted, of every process of the tests together."""

    held: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    excused: dict[str, str] = field(default_factory=dict)

    def take(self, report: pytest.TestReport) -> None:
        """Effect: the figures of one test are counted."""
        if report.when != "call":
            return
        excuses: list[Any] = [value for key, value in report.user_properties if key == EXCUSE]
        self.excused.update(excuses)
        figures: list[Any] = [value for key, value in report.user_properties if key == PROPERTY]
        for name, number in figures:
            if report.passed:
                self.held[name] += number
            else:
                self.failed[name] += 1

    def lines(self, floors: Mapping[str, int]) -> list[str]:
        """One line a figure, by name."""
        return [
            self._line(name, floors.get(name, 0)) for name in sorted({*self.held, *self.failed, *floors, *self.excused})
        ]

    def _line(self, name: str, floor: int) -> str:
        if name in self.excused:
            return f"{name}: {floor or 'all'} skipped, {self.excused[name]}"
        kept = f"floor {floor:,}" + ("" if self.held[name] >= floor else ": TOO FEW") if floor else "no floor"
        return f"{name}: {self.held[name]:,} held, {self.failed[name]:,} failed ({kept})"

    def below(self, floors: Mapping[str, int]) -> list[str]:
        """The names of the figures that fell below their floor, but for what this machine cannot have."""
        return [name for name, floor in floors.items() if self.held[name] < floor and name not in self.excused]


def share(part: float) -> settings:
    """For a property that costs more than the others: so many of the examples they get, at least one."""
    return settings(max_examples=max(1, round(settings().max_examples * part)))


def read_floors(file: Path, suite: str) -> dict[str, int]:
    """Name -> the least number, for this suite; nothing without a suite, as when somebody runs one file."""
    return dict(tomllib.loads(file.read_text("utf-8")).get(suite, {})) if suite else {}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("figures")
    group.addoption(
        "--suite",
        choices=[*filter(None, EXAMPLES)],
        default="",
        help="the promise to keep: floors and number of examples",
    )
    group.addoption("--floors", type=Path, default=FLOORS, help="the file with the floors")


_COUNTED = pytest.StashKey[Figures]()
_EXAMPLES: Counter[str] = Counter()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "figure(name): this test is one of many, counted under this name")
    config.addinivalue_line("markers", "examples(group): the examples of its properties are counted")
    config.stash[_COUNTED] = Figures()
    _load_profile(config.getoption("suite"))


def _load_profile(suite: str) -> None:
    derandomize = bool(os.environ.get("CI"))
    settings.register_profile("ours", deadline=None, max_examples=EXAMPLES[suite], derandomize=derandomize)
    settings.load_profile("ours")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A property with all its examples takes minutes: its own bound, where it has one, is meant for fewer."""
    if config.getoption("suite") == "full":
        for item in items:
            if item.get_closest_marker("examples"):
                item.add_marker(pytest.mark.timeout(LONGEST_S), append=False)


def _count_examples(item: pytest.Item) -> Callable[[], int] | None:
    """How to read the number of examples of this property that held so far; None for a plain test."""
    handle = getattr(getattr(item, "obj", None), "hypothesis", None)
    if handle is None:
        return None
    name = item.nodeid.partition("[")[0]
    if not hasattr(handle.inner_test, "is_counted"):
        handle.inner_test = _counted(handle.inner_test, name)
    return lambda: _EXAMPLES[name]


def _counted(test: Callable[..., object], name: str) -> Callable[..., object]:
    @functools.wraps(test)
    def counted(*args: object, **options: object) -> object:
        told = test(*args, **options)
        _EXAMPLES[name] += 1
        return told

    counted.is_counted = True  # type: ignore[attr-defined]  # wrapped once, however often it is run
    return counted


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    for mark in item.iter_markers("figure"):
        item.user_properties.append((PROPERTY, (mark.args[0], 1)))
    group, counted = item.get_closest_marker("examples"), _count_examples(item)
    before = counted() if counted else 0
    try:
        return (yield)
    finally:
        if counted and group:
            item.user_properties.append((PROPERTY, (f"examples: {group.args[0]}", counted() - before)))


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Adds to a figure: `figure("attacks", 12)`."""
    return lambda name, number: request.node.user_properties.append((PROPERTY, (name, number)))


@pytest.fixture
def excuse(request: pytest.FixtureRequest) -> Excuse:
    """Says why this machine holds nothing of a figure: `excuse("probes", "there is no such program")`."""
    return lambda name, reason: request.node.user_properties.append((EXCUSE, (name, reason)))


def _controls(config: pytest.Config) -> bool:
    """Whether this process sees the reports of all: the only one, or the one that hands out the tests."""
    return not hasattr(config, "workerinput")


class _Listener:
    """Takes every report; a plugin of its own, because a report does not know its configuration."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._figures.take(report)


def pytest_sessionstart(session: pytest.Session) -> None:
    if _controls(session.config):
        session.config.pluginmanager.register(_Listener(session.config.stash[_COUNTED]))


def _floors(config: pytest.Config) -> dict[str, int]:
    return read_floors(config.getoption("floors"), config.getoption("suite"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if _controls(config) and session.exitstatus == pytest.ExitCode.OK and config.stash[_COUNTED].below(_floors(config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[_COUNTED].lines(_floors(config)):
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
