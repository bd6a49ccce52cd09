"""Which findings stand in a difference."""

import pytest

from agentos.domain.document import ReviewVerdict, Severity
from agentos.workflows.implementation.anchoring import NO_LINE, NO_PATH, anchor, changed_lines
from agentos.workflows.implementation.reply import FindingReply, ReviewReply
from agentos.workflows.kit.reviewing import NO_FAILURE

DIFF = """\
diff --git a/app/core.py b/app/core.py
index 1111111..2222222 100644
--- a/app/core.py
+++ b/app/core.py
@@ -10,4 +10,5 @@ def work():
     first = 1
-    second = 2
+    second = 3
+    third = 3
     rest = 4
-    third = 3
+    third = 3
@@ -40,1 +41,2 @@
 end
+--- no header
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-away
\\ No newline at end of file
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1,2 @@
+import os
+print(os)
"""
CHANGED = changed_lines(DIFF)


def test_a_difference_is_read_line_by_line_with_the_numbers_of_its_files() -> None:
    assert CHANGED == {
        "app/core.py": {
            "second = 2": (11,),
            "second = 3": (11,),
            "third = 3": (12, 13, 14),
            "--- no header": (42,),
        },
        "gone.txt": {"away": (1,)},
        "new.py": {"import os": (1,), "print(os)": (2,)},
    }


@pytest.mark.parametrize(
    ("where", "quote", "found"),
    [
        ("app/core.py:11", "    second = 3", "app/core.py:11"),
        ("app/core.py:300", "second = 3", "app/core.py:11"),
        ("app/core.py", "third = 3", "app/core.py:12"),
        ("app/core.py:14", "third = 3", "app/core.py:14"),
        ("b/new.py:2", "print(os)", "new.py:2"),
        ("./new.py:1-2", "import os", "new.py:1"),
        ("`gone.txt`", "away", "gone.txt:1"),
    ],
)
def test_a_finding_is_put_at_the_line_it_quotes(where: str, quote: str, found: str) -> None:
    assert anchor(where, quote, CHANGED) == (found, "")


@pytest.mark.parametrize(
    ("where", "quote", "lacks"),
    [
        ("app/other.py:11", "    second = 3", NO_PATH),
        ("the design", "second = 3", NO_PATH),
        ("", "second = 3", NO_PATH),
        ("app/core.py:10", "first = 1", NO_LINE),
        ("new.py:1", "second = 3", NO_LINE),
        ("new.py:1", "", NO_LINE),
        ("new.py:1", "import", NO_LINE),
    ],
)
def test_a_finding_that_quotes_no_changed_line_of_its_file_is_invented(where: str, quote: str, lacks: str) -> None:
    assert anchor(where, quote, CHANGED)[1] == lacks


def reply(verdict: str, *findings: tuple[str, str, str, str]) -> ReviewReply:
    told = [
        FindingReply.model_validate({"severity": severity, "where": where, "quote": quote, "problem": problem})
        for severity, where, quote, problem in findings
    ]
    return ReviewReply.model_validate({"verdict": verdict, "summary": "s", "confidence": 70, "findings": told})


REAL = ("major", "new.py:2", "print(os)", "prints a module")
INVENTED = ("blocker", "new.py:9", "os.remove('/')", "removes everything")


@pytest.mark.parametrize(
    ("said", "findings", "verdict", "dropped"),
    [
        ("revise", (REAL, INVENTED), ReviewVerdict.REVISE, 1),
        ("revise", (INVENTED,), ReviewVerdict.APPROVE, 1),
        ("revise", (("minor", *REAL[1:]),), ReviewVerdict.APPROVE, 0),
        ("approve", (REAL,), ReviewVerdict.REVISE, 0),
        ("approve", (), ReviewVerdict.APPROVE, 0),
        ("block", (INVENTED,), ReviewVerdict.BLOCK, 1),
        ("revise", ((*REAL[:3], " … "),), ReviewVerdict.APPROVE, 1),
    ],
    ids=["one stands", "none stands", "nothing grave", "grave all the same", "clean", "a person", "without a failure"],
)
def test_the_findings_that_stand_settle_the_verdict(
    said: str, findings: tuple[tuple[str, str, str, str], ...], verdict: ReviewVerdict, dropped: int
) -> None:
    review = reply(said, *findings).to_review(diff=DIFF, subject="sha", model="m")
    assert (review.verdict, len(review.dropped)) == (verdict, dropped)
    assert len(review.findings) + len(review.dropped) == len(findings), "nothing is lost without a word"


def test_what_is_dropped_is_kept_with_what_it_lacks() -> None:
    empty = ("note", "new.py:1", "import os", "?")
    review = reply("revise", INVENTED, empty).to_review(diff=DIFF, subject="sha", model="m")
    assert [(item.finding.severity, item.reason) for item in review.dropped] == [
        (Severity.BLOCKER, NO_LINE),
        (Severity.NOTE, NO_FAILURE),
    ]
