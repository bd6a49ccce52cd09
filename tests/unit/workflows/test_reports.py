"""A JUnit report says which tests held; one that cannot be read proves nothing."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentos.domain.check import TestOutcome
from agentos.workflows.kit.checks import read_report
from tests.figures import share

pytestmark = pytest.mark.examples("JUnit reports")
WORST = (TestOutcome.FAILED, TestOutcome.SKIPPED, TestOutcome.PASSED)
TAGS = {
    TestOutcome.FAILED: ("failure", "error"),
    TestOutcome.SKIPPED: ("skipped",),
    TestOutcome.PASSED: ("system-out",),
}
NAMES = st.from_regex(r"test_[a-z]{1,3}(\[[a-z0-9-]{0,3}\])?", fullmatch=True)
CASES = st.lists(st.tuples(NAMES, st.sampled_from(TestOutcome), st.integers(0, 1), st.booleans()), max_size=6)
WRITTEN = st.lists(
    st.sampled_from(
        ["<testsuite>", "</testsuite>", "<testcase name='t'", "/>", "<failure/>", "<!DOCTYPE a>", "&x;", "<a>"]
    )
    | st.text(max_size=10),
    max_size=8,
).map("".join)


def expected(cases: list[tuple[str, TestOutcome]]) -> dict[str, TestOutcome]:
    """Test id -> outcome; the worst of several, and a plain name for the cases of a parametrised test."""
    found: dict[str, TestOutcome] = {}
    for name, outcome in cases:
        for key in {f"suite::{name}", f"suite::{name}".partition("[")[0]}:
            found[key] = min(found.get(key, outcome), outcome, key=WORST.index)
    return found


@settings(share(1.5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=CASES)
def test_a_report_is_read_as_it_was_meant(tmp_path: Path, cases: list[tuple[str, TestOutcome, int, bool]]) -> None:
    root = ElementTree.Element("testsuites")
    outer = ElementTree.SubElement(root, "testsuite", name="outer")
    inner = ElementTree.SubElement(outer, "testsuite", name="inner")
    for name, outcome, which, nested in cases:
        case = ElementTree.SubElement(inner if nested else outer, "testcase", classname="suite", name=name)
        ElementTree.SubElement(case, TAGS[outcome][which % len(TAGS[outcome])], message="why <&>")
    ElementTree.ElementTree(root).write(tmp_path / "report.xml", encoding="utf-8")

    assert read_report(tmp_path / "report.xml", tmp_path) == expected([case[:2] for case in cases])


@settings(share(1.5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=WRITTEN.map(str.encode) | st.binary(max_size=60))
@example(content=b"")
@example(content=b"<testsuite><testcase name='a'/></testsuite>")
@example(content=b"<testsuite tests='many'><testcase/></testsuite>")
@example(content=b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><testsuite><testcase name='&x;'/></testsuite>")
@example(content=b"<testsuite>" * 20_000)
def test_no_content_of_a_report_breaks_the_reading(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.xml").write_bytes(content)

    read = read_report(tmp_path / "report.xml", tmp_path)

    assert read is None or b"<testcase" in content or read == {}


def test_a_report_that_is_a_link_or_too_long_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.xml").write_text("<testsuite><testcase name='a'/></testsuite>")
    (tmp_path / "report.xml").symlink_to("elsewhere.xml")
    assert read_report(tmp_path / "report.xml", tmp_path) is None
    with (tmp_path / "long.xml").open("wb") as file:
        file.truncate(20_000_001)
    assert read_report(tmp_path / "long.xml", tmp_path) is None
