"""A commit's files on their own."""

import os

from agentos.workspace.export import export_tree
from tests.workspace.scene import Site


async def test_an_export_holds_the_bytes_of_the_commit_whatever_its_attributes_ask_for(site: Site) -> None:
    person = site.target
    person.write(".gitattributes", "*.txt text eol=crlf export-ignore\n*.id ident\nkept.txt export-subst\n")
    person.write("kept.txt", "one\ntwo $Format:%H$\n")
    person.write("an.id", "$Id$\n")
    person.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    person.write("-odd näme", "odd\n")
    (person.path / "link").symlink_to("kept.txt")
    person.commit()
    person.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    person.git("commit", "-q", "-m", "a submodule")
    sha = person.git("rev-parse", "HEAD")
    await site.repo.fetch_base("main")

    await export_tree(site.repo, sha, site.home / "measure" / "tree")

    tree = site.home / "measure" / "tree"
    listed = person.git("ls-tree", "-r", "--name-only", "-z", sha).split("\0")[:-1]
    assert {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir()} == set(listed) - {"module"}
    assert (tree / "kept.txt").read_bytes() == b"one\ntwo $Format:%H$\n"
    assert (tree / "an.id").read_bytes() == b"$Id$\n"
    assert os.access(tree / "run.sh", os.X_OK)
    assert (tree / "link").readlink().name == "kept.txt"
    assert not any((tree / "module").iterdir())
    assert not [path for path in site.repo.path.iterdir() if path.name.startswith(".export-")]
