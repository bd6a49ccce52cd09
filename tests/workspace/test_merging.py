"""A change brought onto a base that moved on: the base's text stands where both changed the same, and all else is kept."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from agentos.workspace.merging import bring_onto, change_id
from tests.workspace.scene import WHEN, Person, Site, make_site, make_target

FILES: dict[str, str | bytes] = {"a.py": "one\ntwo\nthree\n" * 9, "b.py": "b\n", "d/c.py": "c\n", "logo": b"\0\1"}
Texts = Mapping[str, str | bytes | None]


def _commit(person: Person, branch: str, texts: Texts) -> str:
    person.git("checkout", "-q", "-b", branch, "main")
    for name, text in texts.items():
        if text is None:
            (person.path / name).unlink()
        else:
            person.write(name, text)
    return person.commit(branch)


async def _both(tmp_path: Path, base: Texts, change: Texts) -> tuple[Site, str, str]:
    target = make_target(tmp_path / "target", FILES)
    shas = _commit(target, "base", base), _commit(target, "change", change)
    target.git("checkout", "-q", "main")
    site = await make_site(target, tmp_path / "home")
    for branch in ("base", "change"):
        await site.repo.fetch_base(branch)
    return site, *shas


async def _texts(site: Site, tree: str, parent: str) -> dict[str, bytes]:
    commit = await site.repo.commit_tree(tree, [parent], "merged", WHEN)
    paths = [entry.path for entry in await site.repo.list_paths(commit)]
    return {path: await site.repo.read_file(commit, path) or b"" for path in paths}


@pytest.mark.parametrize(
    ("base", "change", "conflicts"),
    [
        ({"b.py": "base\n", "new.py": "base\n"}, {"b.py": "mine\n", "c.py": "mine\n"}, ("b.py",)),
        ({"b.py": "base\n"}, {"b.py": None, "c.py": "mine\n"}, ("b.py",)),
        ({"b.py": None}, {"b.py": "mine\n", "c.py": "mine\n"}, ("b.py",)),
        ({"new.py": "base\n"}, {"new.py": "mine\n", "c.py": "mine\n"}, ("new.py",)),
        ({"logo": b"\0base"}, {"logo": b"\0mine", "c.py": "mine\n"}, ("logo",)),
        ({"e/f.py": "base\n"}, {"e": "a file\n", "c.py": "mine\n"}, None),
        ({"ö ü.py": "base\n"}, {"ö ü.py": "mine\n", "c.py": "mine\n"}, ("ö ü.py",)),
    ],
    ids=["both-changed", "mine-deleted", "base-deleted", "both-added", "binary", "file-and-folder", "odd-name"],
)
async def test_in_conflicting_files_the_base_stands_and_the_rest_of_the_change_is_there(
    tmp_path: Path, base: Texts, change: Texts, conflicts: tuple[str, ...] | None
) -> None:
    site, there, mine = await _both(tmp_path, base, change)
    onto = await bring_onto(site.repo, there, mine)
    assert onto.conflicts if conflicts is None else onto.conflicts == conflicts
    texts = await _texts(site, onto.tree, there)
    base_texts = await _texts(site, await site.repo.tree_of(there), there)
    assert texts == {**base_texts, "c.py": b"mine\n"}
    assert not any(b"<<<<<<<" in text for text in texts.values())


async def test_a_change_that_merges_cleanly_is_the_merge(tmp_path: Path) -> None:
    site, there, mine = await _both(tmp_path, {"b.py": "base\n"}, {"d/c.py": "mine\n"})
    onto = await bring_onto(site.repo, there, mine)
    merged = await site.repo.merge_tree(there, mine)
    assert (onto.tree, onto.conflicts) == (merged.tree, ())


@pytest.mark.parametrize(
    ("base", "same"),
    [
        ({"b.py": "base\n"}, True),
        ({"a.py": "zero\n" + "one\ntwo\nthree\n" * 9}, True),
        ({"d/c.py": "mine\n"}, False),
        ({"a.py": "one\ntwo\nthree\n" * 8 + "one\ntwo\nmine\n"}, False),
    ],
    ids=["another-file", "the-same-file-above", "a-part-is-there-already", "all-of-one-file-is-there-already"],
)
async def test_a_change_is_the_same_as_long_as_the_same_lines_come_and_go(
    tmp_path: Path, base: Texts, *, same: bool
) -> None:
    change: Texts = {
        "a.py": "one\ntwo\nthree\n" * 8 + "one\ntwo\nmine\n",
        "d/c.py": "mine\n",
        "logo": b"\0mine",
        "@@ -1 +1 @@": "@@ -1 +1 @@\nindex 1..2\n",
    }
    site, there, mine = await _both(tmp_path, base, change)
    merged = await site.repo.commit_tree((await bring_onto(site.repo, there, mine)).tree, [there, mine], "m", WHEN)
    assert (await change_id(site.repo, site.base, mine) == await change_id(site.repo, there, merged)) is same


async def test_content_that_looks_like_a_place_in_a_file_counts(tmp_path: Path) -> None:
    site, one, other = await _both(tmp_path, {"b.py": "@@ -1 +1 @@\n"}, {"b.py": "@@ -2 +2 @@\n"})
    assert await change_id(site.repo, site.base, one) != await change_id(site.repo, site.base, other)


async def test_what_came_into_the_base_is_told_commit_by_commit(site: Site) -> None:
    for word in ("first", "second"):
        site.target.write("b.py", word)
        site.target.commit(word)
    head = await site.repo.fetch_base("main")
    subjects = await site.repo.subjects(site.base, head, most=5)
    assert [line.partition(" ")[2] for line in subjects] == ["second", "first"]
    assert len(await site.repo.subjects(site.base, head, most=1)) == 1
    diff = await site.repo.diff(site.base, head, limit_bytes=9999, paths=("b.py",))
    assert "+second" in diff
    assert await site.repo.diff(site.base, head, limit_bytes=9999, paths=("app.py",)) == ""
