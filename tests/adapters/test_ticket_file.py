"""Ticket files: every byte that is not ours stays, and nothing that stands in a text passes for ours."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.durable_file import locked, replace_file
from agentos.adapters.tracker.files import FilesTracker
from agentos.adapters.tracker.form import FORM, new_ticket, write_template
from agentos.adapters.tracker.front_matter import FrontMatter, FrontMatterError, split_front_matter
from agentos.adapters.tracker.thread import appended, entries, replaced
from agentos.adapters.tracker.ticket import Layout, Ticket
from agentos.adapters.tracker.ticket_folder import TicketFolder
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import IssueDraft, IssueRef, Relation, Relations
from agentos.domain.status import LABELS, Status
from agentos.ports.tracker import Board
from tests.figures import share

KEY = EffectKey("status-comment")
REF = IssueRef("repo", 1)
CLASSIC = """\
---
# Kept by Anna; please leave my quotes alone.
id:   1            # never changes
title: 'It''s "quoted"'
status:  "planned"   # by hand
priority: high
labels:
  - bug     # not a feature
  - 'good first issue'

depends_on: [ 2,3 ,  "4" ]
x-estimate: {days: 3, by: &who anna}
x-owner: *who
notes: |
  status: done
  id: 99

updated: 2026-01-01
---

# Title

status: body
---
"""

# --- front matter ------------------------------------------------------------------------------------------------------

OURS = {"id", "title", "status", "labels", "blocked", "board", "updated", "y", "n"}
names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name not in OURS)
plain = st.from_regex(r"[A-Za-z0-9äß中😀][A-Za-z0-9 äß中😀._/-]{0,12}[a-z]", fullmatch=True)
inline = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
values = st.one_of(
    plain,
    st.just(""),
    inline.map(lambda text: "'" + text.replace("'", "''").replace("\ufeff", "") + "'"),
    st.lists(plain, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    plain.map(lambda text: f"{{key: {text}, other: [1, 2]}}"),
)
comments = st.one_of(st.just(""), plain.map(lambda text: f"  # {text}"))
labels = st.one_of(
    st.none(),
    st.just(""),
    st.just("bug, docs"),
    st.lists(st.sampled_from(["bug", "'docs'", '"a: b"', "agentos:queued"]), unique=True, max_size=4).map(
        lambda items: f"[{', '.join(items)}]"
    ),
    st.lists(
        st.sampled_from(["bug", "'docs' # c", '"a: b"', "agentos:queued # ours", "agent-review"]),
        unique=True,
        min_size=1,
    ).map(lambda items: "".join(f"\n  - {item}" for item in items)),
)


@st.composite
def ticket_texts(draw: st.DrawFn) -> str:
    lines = ["id: 1"]
    if draw(st.booleans()):
        lines.append(f"status: {draw(st.sampled_from(['planned', 'in-progress', 'done', '', '~', quoted('queued')]))}")
    written = draw(labels)
    if written is not None:
        lines.append(f"labels: {written}")
    if draw(st.booleans()):
        lines.append("blocked: " + draw(st.sampled_from(["true", "false", ""])))
    for name in draw(st.lists(names, unique=True, max_size=4)):
        after = draw(st.sampled_from(["", "\n", "\n# a note", f"\n{name}-2: |\n  two\n\n  lines"]))
        lines.append(f"{name}: {draw(values)}{draw(comments)}{after}")
    eol = draw(st.sampled_from(["\n", "\r\n"]))
    body = draw(st.sampled_from(["", "Body", "\n# Body\n\n---\n", "status: x\n---\nlabels: [z]\n", "ünï 😀\n"]))
    head = "\n".join(["---", *draw(st.permutations(lines)), "---"]).replace("\n", eol)
    return draw(st.sampled_from(["", "\ufeff"])) + head + (eol if body else "") + body.replace("\n", eol)


def quoted(word: str) -> str:
    return f"'{word}'"


def our_lines_gone(text: str) -> list[str]:
    """The lines that no change of ours may touch."""
    mine = re.compile(r"\s*\"?(status|blocked|board|updated|labels|resolution)\b.*|\s*- \"?'?(agentos:|agent-review).*")
    return [line for line in text.replace("\r\n", "\n").split("\n") if not mine.fullmatch(line)]


boards = st.builds(Board, st.sampled_from(Status), st.sampled_from([None, *LABELS]), st.booleans())


@pytest.mark.examples("front matter")
@given(ticket_texts(), st.lists(boards, min_size=1, max_size=3), st.sampled_from(Layout))
@example(CLASSIC, [Board(Status.IN_REVIEW, "agentos:waiting", True), Board(Status.BACKLOG)], Layout.FLAT)
def test_showing_changes_our_lines_only_and_reads_back(text: str, shown: list[Board], layout: Layout) -> None:
    file = split_front_matter(text)
    assert file.text == text
    for board in shown:
        changed = Ticket(1, layout, "1", file).showing(board)
        assert our_lines_gone(changed.text) == our_lines_gone(text)
        assert changed.body == file.body
        assert ("\r\n" in changed.opening) == ("\r\n" in file.opening)
        again = Ticket(1, layout, "1", split_front_matter(changed.text))
        assert again.board() == board
        assert again.showing(board).text == changed.text
        theirs = [label for label in file.items("labels") if label not in (*LABELS, "agent-review")]
        assert [label for label in again.file.items("labels") if label not in (*LABELS, "agent-review")] == theirs
        file = changed


def test_a_second_label_of_ours_is_not_what_was_shown() -> None:
    waiting = Board(Status.IN_REVIEW, "agentos:waiting", True)
    file = Ticket(1, Layout.FLAT, "1", split_front_matter(CLASSIC)).showing(waiting)
    by_hand = Ticket(1, Layout.FLAT, "1", file.with_items("labels", add=["agentos:done"]))
    assert by_hand.board() != waiting
    assert Ticket(1, Layout.FLAT, "1", by_hand.showing(waiting)).board() == waiting


ODD = (
    *(
        "Status: planned",
        "STATUS: done",
        "status-note: done",
        "x.status: done",
        '"my labels": [a]',
        "labels2: [agentos:queued]",
    ),
    *(
        "nested:\n  status: done\n  labels: [a]\n  - x",
        "deep:\n  labels:\n    - agentos:queued\n    - bug",
        "? odd\n: key",
    ),
    *(
        "note: |\n  status: done\n  labels: [z]\n",
        "folded: >-\n  a\n\n  status: b",
        "tab:\tvalue\t# after a tab",
        "empty:\t",
    ),
    *(
        "ключ: значение",
        "名前: 値 # 註",
        "emoji: 😀",
        "quote: 'it''s'",
        'escape: "\\u00e9\\n"',
        "anchor: &a [1]\nalias: *a",
    ),
    *(
        "# status: planned",
        "  # an indented note",
        "",
        "   ",
        "\t",
        "url: http://x/y#z",
        "time: 12:30",
        "plain: a: b",
        "bad: [",
        "---",
    ),
    *(
        "flow: {status: done, labels: [q]}",
        "nel: a\x85b",
        "ls: a\u2028b",
        "bom: \ufeffx",
        "nbsp:\xa0x",
        "%YAML: 1",
        "tag: !x y",
    ),
)
OWN = (
    *(
        "status: planned",
        "status:\tplanned\t# tab",
        "'status': \"planned\"",
        "status: ~",
        "status:",
        "status: |\n  planned",
    ),
    *(
        "labels: [ bug,'a b' , agentos:queued ] # mine",
        "labels:\n- bug\n-   'x' # y",
        "labels: bug, docs",
        "labels: {}",
        "labels:",
    ),
    *(
        "blocked: no",
        "blocked: 'true'",
        "board: Backlog # told",
        "updated: 2026-01-01",
        'updated: "2026-01-01T00:00:00Z"',
    ),
)


@st.composite
def odd_texts(draw: st.DrawFn) -> str:
    """Tickets of lines that people write and no generator of tidy YAML would; some of them cannot be read at all."""
    lines = draw(st.lists(st.sampled_from(ODD), unique=True, max_size=6))
    lines += draw(st.lists(st.sampled_from(OWN), unique_by=lambda line: line.strip("'").split(":")[0], max_size=4))
    eol = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    opening, closing = draw(st.sampled_from(["---", "--- ", "---\t"])), draw(st.sampled_from(["---", "...", "--- \t"]))
    body = draw(
        st.sampled_from(
            ["", "\n", "Body", "\n\nstatus: x\n", "---\nlabels: [z]\n---", "\tünï \u2028 😀\n\n", "\x00\x1b[0m"]
        )
    )
    text = "\n".join([opening, *draw(st.permutations(lines)), closing]) + draw(st.sampled_from(["", "\n"])) + body
    return draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", eol)


OUR_KEYS = ("status", "blocked", "board", "updated", "labels", "resolution")


def foreign(text: str) -> list[str]:
    """Every line that is not ours to touch, byte for byte, its line end included: all but the lines of our keys at the top
    of the front matter, and our own items in a list of labels."""
    kept, key = list[str](), ""
    file = split_front_matter(text)
    for line in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", file.yaml):
        named = re.match(r"(['\"]?)([\w -]+)\1[ \t]*:(?=[ \t\r\n])", line)
        key = named[2] if named else key if line[:1] in " \t-#\r\n" else ""
        item = key == "labels" and re.match(r"[ \t]*-[ \t]+['\"]?(agentos:|agent-review)", line)
        if not (named and key in OUR_KEYS) and not item:
            kept.append(line)
    return [file.opening, *kept, file.rest]


@pytest.mark.examples("front matter")
@given(odd_texts(), boards, st.sampled_from(Layout))
@example("---\nstatus: planned\nStatus: mine\nlabels:\n- bug\n---", Board(Status.DONE, "agentos:done"), Layout.FLAT)
@example("\ufeff---\r\nnested:\r\n  status: done\r\n---", Board(Status.BLOCKED), Layout.DIRECTORY)
def test_whatever_people_write_stays_to_the_byte_or_nothing_is_written(text: str, board: Board, layout: Layout) -> None:
    try:
        file = split_front_matter(text)
        assert file.text == text
        changed = Ticket(1, layout, "1", file).showing(board)
        closed = changed.with_scalar("resolution", "Merged: as abc.").with_scalar("updated", "2026-02-02")
    except FrontMatterError:
        return
    for after in (changed, closed):
        assert Ticket(1, layout, "1", split_front_matter(after.text)).board() == board
        if file.opening:
            assert foreign(after.text) == foreign(text)
        else:
            assert after.text.endswith(text.removeprefix("\ufeff"))
    assert closed.scalar("resolution") == "Merged: as abc."


@pytest.mark.parametrize("twice", ["status: planned\nstatus: done", "labels: []\n'labels': [a]"])
def test_a_key_that_stands_twice_is_refused_by_name_and_nothing_is_written(twice: str) -> None:
    file = split_front_matter(f"---\n{twice}\n---\n")
    with pytest.raises(FrontMatterError, match="stands in it twice"):
        Ticket(1, Layout.FLAT, "1", file).showing(Board(Status.DONE))


@pytest.mark.examples("front matter")
@given(ticket_texts(), st.text(max_size=40).filter(lambda text: "\n" not in text))
@example("---\n---\n", "00")
@example("---\ntitle:\n---\n", "true")
@example("---\ntitle: 'x'\n---\n", "it's # 2026-01-01")
@example("---\ntitle: x\n---\n", "Null")
def test_any_title_written_is_read_back_by_any_reader(text: str, title: str) -> None:
    title = title.encode("utf-8", "ignore").decode()
    try:
        changed = split_front_matter(text).with_scalar("title", title)
    except FrontMatterError:
        assert not title.isprintable()
        return
    assert changed.scalar("title") == title
    if title:
        assert str(YAML(typ="safe", pure=True).load(changed.yaml)["title"]) == title


@pytest.mark.examples("front matter")
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
@example("---\n---\n")
@example("---\n\n")
@example("---\r\na: [\r\n---\r\n")
@example("---\n{a: 1}\n---\n")
@example("---\n- a\n---\n")
@example("---\na: &a [*a]\n---\n")
@example("---\nstatus: *x\nlabels: *x\n---\n")
@example("---\nx: &x planned\nstatus: *x\n---\n")
@example("---\nx: &x [a]\nlabels: *x\n---\n")
@example("---\nlabels: {a: b}\n---\n")
@example("---\n" + "[" * 5000 + "\n---\n")
@example("---\nstatus: |\n  planned\n---\n")
@example("---\n? status\n: planned\n---\n")
@example("---\n  status: planned\n  labels:\n  - a\n---\n")
@example('---\n"status": planned\n"labels": ["a"]\n---\n')
def test_no_text_breaks_reading_or_is_changed_unsaid(text: str) -> None:
    board = Board(Status.IN_PROGRESS, "agentos:running", True)
    try:
        file = split_front_matter(text)
        assert file.text == text
        changed = Ticket(1, Layout.FLAT, "1", file).showing(board)
    except FrontMatterError:
        return
    assert Ticket(1, Layout.FLAT, "1", split_front_matter(changed.text)).board() == board
    assert changed.text.endswith(file.body.removeprefix("\ufeff"))
    if file.opening:
        assert our_lines_gone(changed.text) == our_lines_gone(text)


def test_a_thousand_laughs_are_read_in_no_time() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    file = split_front_matter("---\n" + "\n".join(lines) + "\nstatus: planned\n---\n")
    assert "status: done" in file.with_scalar("status", "done").text


def test_words_that_mean_the_same_already_stay_as_people_wrote_them() -> None:
    for layout, word, status in [
        (Layout.FLAT, "queued", Status.READY),
        (Layout.FLAT, "Planned", Status.READY),
        (Layout.FLAT, "In Progress", Status.IN_REVIEW),
        (Layout.DIRECTORY, "ready", Status.BACKLOG),
        (Layout.DIRECTORY, "in-progress", Status.APPROVED),
        (Layout.DIRECTORY, "closed", Status.DONE),
    ]:
        file = split_front_matter(f"---\nstatus: {word}\n---\n")
        assert Ticket(1, layout, "1", file).showing(Board(status)).scalar("status") == word


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout.FLAT, ["planned", "planned", "in-progress", "in-progress", "in-progress", "done", "in-progress"]),
        (Layout.DIRECTORY, ["planning", "queued", "inprogress", "inprogress", "inprogress", "done", "inprogress"]),
    ],
)
def test_each_layout_speaks_its_own_words(layout: Layout, words: list[str]) -> None:
    file = split_front_matter("---\nstatus: odd\n---\n")
    shown = [Ticket(1, layout, "1", file).showing(Board(status)) for status in Status]
    assert [each.scalar("status") for each in shown] == words
    assert [each.scalar("blocked") for each in shown] == [None] * 6 + ["true"]


def test_what_a_person_sets_by_hand_is_believed_over_what_we_showed() -> None:
    shown = Ticket(1, Layout.FLAT, "1", split_front_matter(CLASSIC)).showing(Board(Status.IN_REVIEW, "agentos:waiting"))
    by_hand = Ticket(1, Layout.FLAT, "1", shown.with_scalar("status", "done"))
    assert by_hand.board() == Board(Status.DONE, "agentos:waiting")
    assert not by_hand.issue("repo", "").is_open
    assert Ticket(1, Layout.FLAT, "1", shown.with_scalar("blocked", "true")).board() == Board(
        Status.BLOCKED, "agentos:waiting"
    )


def test_relations_and_words_are_read_however_they_are_written() -> None:
    text = (
        "---\nid: 1\ndepends_on: [2, '#3', 004-x, soon, 2]\nconflicts_with: 5, 6\nrelated: 7\nsupersedes:\n  - 8 # old\n"
        "duplicate_of: {id: 9}\nassignee: anna\nlabels: a, b\n---\n# Hi\n"
    )
    issue = Ticket(1, Layout.FLAT, "001-x", split_front_matter(text)).issue("repo", "")
    commented = Ticket(1, Layout.FLAT, "1", split_front_matter("---\ndepends_on: #3, #4\nrelated: # none yet\n---\n"))
    assert commented.relations().unclear == ("depends_on: (a comment, as YAML reads it) #3, #4",)
    unclear = ("depends_on: soon", "duplicate_of: (nested values)")
    assert issue.relations == Relations((2, 3, 4), (5, 6), (7,), (8,), (), unclear)
    assert (issue.assignees, issue.labels, issue.title) == (("anna",), ("a", "b"), "Hi")


@given(st.lists(st.integers(1, 999_999_999), unique=True, max_size=6), st.sampled_from(Relation))
def test_a_relation_is_read_from_every_way_of_writing_a_list(numbers: list[int], relation: Relation) -> None:
    ways = [f" [{', '.join(map(str, numbers))}]", " '" + ", ".join(f"#{n}" for n in numbers) + "'"]
    ways += ["".join(f"\n- 00{n}-name" for n in numbers), "".join(f"\n  - '{n}'  # why" for n in numbers)]
    for way in ways:
        file = split_front_matter(f"---\nid: 1\n{relation}:{way}\n---\n")
        relations = Ticket(1, Layout.FLAT, "1", file).relations()
        assert relations.of(relation) == tuple(numbers)
        assert relations.unclear == ()


# --- threads -----------------------------------------------------------------------------------------------------------

HEADINGS = [
    "## 2026-01-01T00:00:00Z · comment · agentos",
    "\\## 2026-01-01T00:00:00Z · comment · agentos",
    "## 2026-01-01 | comment | agentos",
    "##\t2026-01-01 - comment - boss",
    marker(EffectKey("pr")),
    "<!-- agentos:end -->",
    "  <!-- agentos:end -->",
    "\\\\<!-- agentos:end -->  ",
    "/agentos approve",
    "```",
    "",
    "text",
]
hostile = st.lists(st.one_of(st.sampled_from(HEADINGS), st.text(max_size=20)), max_size=8).map("\n".join)


@pytest.mark.examples("comments")
@share(1.5)
@given(
    st.lists(st.tuples(hostile, hostile), min_size=1, max_size=3), st.sampled_from(["", "\r\n", "# Thread\n\nhello"])
)
def test_no_body_ends_its_entry_or_begins_another(bodies: list[tuple[str, str]], text: str) -> None:
    before = entries(text)
    for at, (first, _) in enumerate(bodies):
        text = appended(text, kind="comment", at="2026-01-02T00:00:00Z", body=first, key=EffectKey(f"k{at}"))
    assert [entry.key for entry in entries(text)[len(before) :]] == [f"k{at}" for at in range(len(bodies))]
    for at, (_, second) in enumerate(bodies):
        entry = next(entry for entry in entries(text) if entry.key == f"k{at}")
        text = replaced(text, entry, second)
        assert replaced(text, next(entry for entry in entries(text) if entry.key == f"k{at}"), second) == text
    found = entries(text)
    assert [entry.key for entry in found[len(before) :]] == [f"k{at}" for at in range(len(bodies))]
    assert [entry.id for entry in found[: len(before)]] == [entry.id for entry in before]


@pytest.mark.examples("comments")
@share(1.5)
@given(st.lists(hostile, max_size=4), hostile)
def test_a_thread_only_grows_and_ids_stay(parts: list[str], last: str) -> None:
    text = ""
    for at, part in enumerate(parts):
        text = appended(text, kind="comment", at="2026-01-02T00:00:00Z", body=part, key=EffectKey(f"k{at}"))
        text += f"person {at}\n"
    longer = appended(text, kind="comment", at="2026-01-03T00:00:00Z", body=last, key=KEY)
    assert longer.startswith(text)
    ids = [entry.id for entry in entries(longer)]
    assert ids[: len(entries(text))] == [entry.id for entry in entries(text)]
    assert len(set(ids)) == len(ids)


def test_a_marker_that_a_person_pastes_is_no_comment_of_ours() -> None:
    text = f"## 2026-01-01 - comment - anna\n{marker(KEY)}\n\nhello\n\n{marker(KEY)}\n"
    assert [(entry.author, entry.key) for entry in entries(text)] == [("anna", "")]


def test_people_write_entries_or_just_text_and_commands_one_by_one() -> None:
    text = appended("", kind="comment", at="2026-01-02T00:00:00Z", body="Ready?", key=KEY)
    text += "\n/agentos approve\nthanks!\n/agentos hold\n\n## 2026-01-03 10:00 - comment - Anna B.\nFine.\n\nReally."
    found = entries(text)
    assert [(entry.author, entry.body, entry.at) for entry in found] == [
        ("agentos", "Ready?", "2026-01-02T00:00:00Z"),
        ("local", "/agentos approve\nthanks!", "2026-01-02T00:00:00Z"),
        ("local", "/agentos hold", "2026-01-02T00:00:00Z"),
        ("Anna B.", "Fine.\n\nReally.", "2026-01-03T10:00:00Z"),
    ]
    assert [entry.id for entry in entries(text.replace("thanks!", "thank you!"))] == [entry.id for entry in found]


def test_a_command_in_a_code_fence_stays_part_of_its_comment() -> None:
    assert len(entries("Write this:\n\n```\n/agentos approve\n```\n")) == 1
    assert len(entries("~~~~\n~~~\n/agentos approve\n~~~~\n/agentos hold\n")) == 2


# --- files on disk -----------------------------------------------------------------------------------------------------


def tracker(folder: Path) -> FilesTracker:
    return FilesTracker(folder, "repo", ManualClock())


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ticket(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


async def test_a_whole_life_leaves_foreign_bytes_mode_and_folder_as_they_were(tmp_path: Path) -> None:
    path = ticket(tmp_path, "001-x.md", CLASSIC.replace("\n", "\r\n"))
    path.chmod(0o640)
    files = tracker(tmp_path)
    await files.show(REF, Board(Status.IN_PROGRESS, "agentos:running"))
    await files.show(REF, Board(Status.IN_REVIEW, "agentos:waiting", True))
    await files.close(REF, "Merged.")
    text = path.read_bytes().decode()
    assert text.count("\n") == text.count("\r\n")
    assert our_lines_gone(text) == our_lines_gone(CLASSIC)
    assert path.stat().st_mode & 0o777 == 0o640
    assert "\r\nresolution: Merged.\r\n---\r\n" in text
    assert listing(tmp_path) == ["001-x.md", "001-x.thread.md"]


async def test_nothing_to_change_does_not_touch_the_file(tmp_path: Path) -> None:
    path = ticket(tmp_path, "001-x.md", CLASSIC)
    await tracker(tmp_path).show(REF, Board(Status.READY))
    before = path.stat()
    await tracker(tmp_path).show(REF, Board(Status.READY))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_the_number_is_the_id_and_else_the_digits_of_the_name(tmp_path: Path) -> None:
    ticket(tmp_path, "001-named.md", "# Named")
    ticket(tmp_path, "002-other.md", "---\nid: 30 # moved\ntitle: Other\n---\n")
    ticket(tmp_path, "004-x/item.md", '---\n"id": 5\ntitle: Quoted\n---\n')
    ticket(tmp_path, "006.md", "---\nid: T-6\ntitle: Word\n---\n")
    for number, title in {1: "Named", 30: "Other", 5: "Quoted", 6: "Word"}.items():
        assert (await tracker(tmp_path).get(number)).title == title
    for number in (2, 4, 0):
        with pytest.raises(OutsideError, match="agentos new"):
            await tracker(tmp_path).get(number)


async def test_two_tickets_with_one_number_are_both_named(tmp_path: Path) -> None:
    ticket(tmp_path, "001-a.md", "---\nid: 1\n---\n")
    ticket(tmp_path, "001-b/item.md", "---\nid: 1\n---\n")
    ticket(tmp_path, "002-c.md", "---\nid: 2\n---\n")
    with pytest.raises(UsageError, match=r"001-a\.md and 001-b/item\.md"):
        await tracker(tmp_path).get(1)
    assert (await tracker(tmp_path).get(2)).ref.number == 2


async def test_files_that_are_no_tickets_are_passed_over(tmp_path: Path) -> None:
    for name in ("_template.md", "README.md", "1.txt", ".1.md", "1-x.thread.md", "1-empty/other.md"):
        ticket(tmp_path, name, "hello")
    assert await tracker(tmp_path).find_issue(KEY) is None
    with pytest.raises(OutsideError, match="there is no ticket 1 "):
        await tracker(tmp_path).get(1)
    with pytest.raises(OutsideError, match="agentos new"):
        await tracker(tmp_path / "missing").get(1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"---\nid: 1\n---\n\xff\xfe", "is not UTF-8"),
        (b"---\nid: 1\n---\n" + b"x" * 1_000_001, "is larger than 1,000,000 bytes"),
        (b"---\nid: 1\ntitle: [a\n---\n", "needs a hand: line 4: expected"),
        (b"---\nid: 1\nid: 1\n---\n", "`id` stands in it twice"),
        (b"---\nid: 1\n", "no second `---`"),
        (b"---\nid: 1\nx: \x07\n---\n", "needs a hand"),
    ],
)
async def test_a_ticket_that_cannot_be_read_says_why_in_one_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = ticket(tmp_path, "001-x.md", content)
    ticket(tmp_path, "002-y.md", "# Fine")
    for attempt in (tracker(tmp_path).get(1), tracker(tmp_path).show(REF, Board(Status.DONE))):
        with pytest.raises(OutsideError, match=re.escape(sentence)) as caught:
            await attempt
        assert caught.value.kind is FailureKind.INVALID
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == content
    assert (await tracker(tmp_path).get(2)).title == "Fine"
    assert await tracker(tmp_path).find_issue(KEY) is None


async def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("---\nid: 1\n---\nsecret")
    (tmp_path / "tickets").mkdir()
    (tmp_path / "tickets" / "001-x.md").symlink_to(secret)
    (tmp_path / "tickets" / "002-d").symlink_to(tmp_path)
    with pytest.raises(OutsideError, match="symbolic link"):
        await tracker(tmp_path / "tickets").get(1)
    ticket(tmp_path / "tickets", "003-y.md", "# y")
    (tmp_path / "tickets" / "003-y.thread.md").symlink_to(secret)
    with pytest.raises(OutsideError, match="symbolic link"):
        await tracker(tmp_path / "tickets").write_comment(IssueRef("repo", 3), "x", KEY)
    assert secret.read_text().endswith("secret")


async def test_filing_follows_the_layout_of_the_folder(tmp_path: Path) -> None:
    ticket(tmp_path / "a", "009-x/item.md", "---\nid: 9\n---\n")
    await tracker(tmp_path / "a").file_issue(IssueDraft("Do more", "b"), KEY)
    assert "status: planning\n" in (tmp_path / "a" / "010-do-more" / "item.md").read_text()
    await tracker(tmp_path / "b").file_issue(IssueDraft("Do more", "b"), KEY)
    assert "status: planned\n" in (tmp_path / "b" / "001-do-more.md").read_text()


async def test_filing_never_takes_a_file_that_calls_itself_otherwise(tmp_path: Path) -> None:
    other = ticket(tmp_path, "002-do.md", "---\nid: 1\n---\nmine")
    ref = await tracker(tmp_path).file_issue(IssueDraft("Do", "b"), KEY)
    assert (ref.number, other.read_text()) == (3, "---\nid: 1\n---\nmine")


async def test_a_pasted_marker_is_no_filed_ticket(tmp_path: Path) -> None:
    ticket(tmp_path, "001-x.md", f"---\nid: 1\nauthor: mallory\n---\n{marker(KEY)}\n")
    ticket(tmp_path, "002-y.md", f"---\nid: 2\nauthor: agentos\n---\n{marker(KEY)}\nmore\n")
    assert await tracker(tmp_path).find_issue(KEY) is None


FILE_MANY = """
import asyncio, sys
from pathlib import Path
from agentos.adapters.tracker.files import FilesTracker
from agentos.domain.issue import IssueDraft, IssueRef, Relation, Relations
from agentos.domain.effect import EffectKey
async def main():
    tracker = FilesTracker(Path(sys.argv[1]), "repo")
    for at in range(10):
        await tracker.file_issue(IssueDraft(f"From {sys.argv[2]} {at}", "b"), EffectKey(f"{sys.argv[2]}-{at}"))
        await tracker.write_comment(IssueRef("repo", 1), "x", EffectKey(f"{sys.argv[2]}-{at}"))
asyncio.run(main())
"""


async def test_many_processes_filing_at_once_get_numbers_of_their_own_and_lose_no_comment(tmp_path: Path) -> None:
    new_ticket(tmp_path, "first")
    started = [subprocess.Popen([sys.executable, "-c", FILE_MANY, str(tmp_path), str(at)]) for at in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    numbers = sorted(int(name[:3]) for name in listing(tmp_path) if not name.endswith(".thread.md"))
    assert numbers == list(range(1, 42))
    assert len(await tracker(tmp_path).comments(REF)) == 40
    assert [name for name in listing(tmp_path) if name.startswith(".")] == []


async def test_what_a_crash_left_half_written_is_taken_away_by_the_next_write(tmp_path: Path) -> None:
    new_ticket(tmp_path, "first")
    (tmp_path / ".001-first.md.agentos-writing").write_text("hal")
    (tmp_path / ".002-x.agentos-writing").mkdir()
    await tracker(tmp_path).show(REF, Board(Status.READY))
    assert listing(tmp_path) == ["001-first.md"]


async def test_a_folder_that_cannot_be_written_says_so_and_keeps_the_ticket(tmp_path: Path) -> None:
    file = ticket(tmp_path, "tickets", "a file, no folder")
    with pytest.raises(OutsideError, match="tickets"):
        await tracker(file).file_issue(IssueDraft("x", "y"), KEY)
    assert file.read_text() == "a file, no folder"


def test_a_new_ticket_has_the_form_and_the_next_number(tmp_path: Path) -> None:
    first = new_ticket(tmp_path, "Add: a *flag*\n", ManualClock())
    assert first.name == "001-add-a-flag.md"
    assert first.read_text() == (
        '---\nid: 1\ntitle: "Add: a *flag*"\nstatus: planned\npriority: normal\nlabels: []\ndepends_on: []\n'
        f"created: 2026-01-01\nupdated: 2026-01-01\n---\n\n{FORM}"
    )
    for heading in ("Objective", "Acceptance criteria", "Constraints", "Failure mode", "Allowed scope", "Out of scope"):
        assert f"## {heading}\n" in first.read_text()
    with pytest.raises(UsageError, match="needs a title"):
        new_ticket(tmp_path, " \n")


def test_the_form_of_a_folder_is_people_s_to_change(tmp_path: Path) -> None:
    path = write_template(tmp_path)
    assert path.read_text() == FORM
    path.write_text("## Wish\n")
    assert write_template(tmp_path) == path
    assert new_ticket(tmp_path, "x").read_text().endswith("---\n\n## Wish\n")
    assert listing(tmp_path) == ["001-x.md", "_template.md"]


class Slow(str):
    """Text that takes its time to become bytes: `meanwhile` happens then, once."""

    meanwhile: Callable[[], object]

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        self.meanwhile()
        return super().encode(encoding, errors)


def test_a_word_added_right_before_ours_is_written_is_kept(tmp_path: Path) -> None:
    ticket(tmp_path, "001-x.md", CLASSIC)
    folder, thread = TicketFolder(tmp_path), tmp_path / "001-x.thread.md"
    thread.write_text("first\n")
    words = ["/agentos approve\n"]

    def decide(found: str) -> str:
        new = Slow(f"{found}ours\n")
        new.meanwhile = lambda: [thread.write_text(thread.read_text() + words.pop()) for _ in words[:1]]
        return new

    folder.change_thread(folder.find(1), decide)
    assert thread.read_text() == "first\n/agentos approve\nours\n"


async def test_an_editor_that_saves_meanwhile_loses_nothing(tmp_path: Path) -> None:
    """The person saves between our look and our write: our change lands on what they saved."""
    path = ticket(tmp_path, "001-x.md", CLASSIC)
    folder, saved = TicketFolder(tmp_path), list[bool]()

    def decide(found: Ticket) -> FrontMatter:
        if not saved:
            saved.append(True)
            path.write_text(CLASSIC.replace("# Title", "# Better title"))
        return found.showing(Board(Status.DONE))

    folder.change(folder.find(1), decide)
    assert "# Better title" in path.read_text()
    assert 'status:  "done"' in path.read_text()
    assert await tracker(tmp_path).board(REF) == Board(Status.DONE)


def test_a_word_added_while_ours_is_on_its_way_to_the_disk_is_kept(tmp_path: Path) -> None:
    thread = tmp_path / "001-x.thread.md"
    thread.write_text("/agentos status\n")
    tries = list[bool]()

    def still() -> bool:
        """Asked when all is written and only the name is missing: there the person adds a word."""
        tries.append(any(each.name.startswith(".001-x.thread.md") for each in tmp_path.iterdir()))
        if len(tries) == 1:
            with thread.open("a") as file:
                file.write("/agentos approve\n")
        return len(tries) > 1

    with locked(tmp_path):
        assert not replace_file(thread, b"ours\n", still=still)
        assert thread.read_text() == "/agentos status\n/agentos approve\n"
        assert replace_file(thread, thread.read_bytes() + b"ours\n", still=still)
    assert thread.read_text() == "/agentos status\n/agentos approve\nours\n"
    assert (tries, listing(tmp_path)) == ([True, True], ["001-x.thread.md"])


def test_a_command_that_stood_there_is_no_new_one_whatever_is_taken_out_or_put_above_it() -> None:
    thread = (
        "Some text.\n\n## 2026-11-03 10:00 - comment - Ann\n\nA remark.\n\n<!-- agentos:end -->\n\n/agentos approve\n"
    )
    (before,) = [entry.id for entry in entries(thread) if entry.body == "/agentos approve"]
    for changed in (thread.replace("Some text.", ""), f"More above.\n\n{thread}", "/agentos approve\n"):
        assert before in [entry.id for entry in entries(changed)]
    again = [entry.id for entry in entries(f"{thread}\n/agentos approve\n") if entry.body == "/agentos approve"]
    assert again[0] == before != again[1], "said twice is two"
