"""Starting and stopping, in any home and whoever is killed: every way it was seen to go wrong elsewhere."""

import fcntl
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agentos.domain.error import OutsideError
from agentos.store import guardian
from agentos.store.embedded import connect_embedded, is_running
from agentos.store.embedded_layout import LONGEST_DATA_BYTES, Layout, layout_of, open_lock
from tests.conftest import no_trace_of
from tests.store.embedded.processes import (
    Ordinary,
    User,
    ask,
    cmdline_of,
    gone,
    guardian_of,
    nothing_left_of,
    postmaster_of,
    processes_of,
    until,
    write,
)

pytestmark = pytest.mark.slow
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")


def test_what_was_committed_is_there_after_the_server_stopped_and_started(home: Path) -> None:
    first = connect_embedded(home)
    write(first.url, "hello")
    first.close()
    first.close()
    gone(layout_of(home).data)
    second = connect_embedded(home)
    assert ask(second.url, "SELECT words FROM kept") == "hello"
    second.close()


@pytest.mark.parametrize("name", ["with  spaces", "Übergröße ß", """q'u"o$(id)`%41,;\\&"""])
def test_home_may_be_named_anything(tmp_path: Path, name: str) -> None:
    layout = layout_of(tmp_path / name)
    with no_trace_of(tmp_path / name), nothing_left_of(layout.data):
        server = connect_embedded(tmp_path / name)
        assert ask(server.url, "SELECT 1") == 1
        server.close()


def test_an_ordinary_users_home_may_be_named_anything(ordinary: Ordinary) -> None:
    ordinary.home /= """q'u"o$(id)`%41,;\\& Ü"""
    ordinary.home.parent.mkdir(mode=0o777)
    ordinary.home.parent.chmod(0o777)
    user = ordinary.uses()
    assert ask(user.url, "SELECT 1") == 1
    user.leave()


def test_an_ordinary_users_home_may_have_a_path_far_longer_than_a_socket_path(ordinary: Ordinary) -> None:
    while len(str(ordinary.home)) < LONGEST_DATA_BYTES - 130:
        ordinary.home = ordinary.owns(ordinary.home, 0o700) / ("long" * 30)
    user = ordinary.uses(LC_ALL="C")
    assert ask(user.url, "SELECT count(*) FROM pg_class") != 0
    user.leave()
    gone(ordinary.data)


def test_a_path_too_long_for_postgresql_is_refused_in_one_sentence(ordinary: Ordinary) -> None:
    ordinary.home /= "/".join(["long" * 40] * 6)
    words = ordinary.uses().leave()
    assert "too long a path for a database: set AGENTOS_HOME to a shorter one" in words
    assert "UsageError" in words


def test_processes_that_start_at_once_share_one_new_server(home: Path) -> None:
    users = [User(home) for _ in range(4)]
    urls = {user.url for user in users}
    assert len(urls) == 1
    assert len([one for one in processes_of(layout_of(home).data) if guardian.__file__ in cmdline_of(one)]) == 1
    assert list(layout_of(home).root.glob("postgres.new-*")) == []
    for user in users:
        user.leave()


def test_the_server_lives_as_long_as_one_of_its_users(old_home: Path) -> None:
    first, second = User(old_home), User(old_home)
    assert first.url == second.url
    url = layout_of(old_home).socket_link
    born = postmaster_of(layout_of(old_home).data).create_time()
    first.leave()
    server = connect_embedded(old_home)
    second.leave()
    assert ask(server.url, "SELECT 1") == 1
    assert postmaster_of(layout_of(old_home).data).create_time() == born
    assert url.is_symlink()
    server.close()


def test_kill_9_of_the_only_user_stops_the_server(old_home: Path) -> None:
    user = User(old_home)
    write(user.url, "kept")
    user.kill()
    gone(layout_of(old_home).data)
    until(lambda: not is_running(old_home), "its locks are free")
    server = connect_embedded(old_home)
    assert ask(server.url, "SELECT words FROM kept") == "kept"
    server.close()


def test_kill_9_of_an_ordinary_users_only_process_stops_the_server(ordinary: Ordinary) -> None:
    user = ordinary.uses()
    assert user.url
    user.kill()
    gone(ordinary.data)
    again = ordinary.uses()
    assert again.url
    again.leave()


def moments(layout: Layout) -> dict[str, Callable[[], bool]]:
    """Points of a first start that can be seen from outside, in their order."""
    return {
        "the locks exist": layout.server_lock.exists,
        "initdb was called": lambda: any(layout.root.glob("postgres.new-*")),
        "initdb writes": lambda: any(layout.root.glob("postgres.new-*/global")),
        "initdb is nearly done": lambda: any(layout.root.glob("postgres.new-*/PG_VERSION")),
        "the data folder is complete": layout.data.exists,
        "the guardian was started": layout.log.exists,
        "the socket folder was published": layout.socket_link.is_symlink,
        "the server listens": (layout.socket_link / guardian.SOCKET).exists,
    }


@pytest.mark.parametrize("moment", list(moments(layout_of(Path("anywhere")))))
def test_kill_9_during_the_first_start_blocks_nobody_and_leaves_nothing(home: Path, moment: str) -> None:
    layout = layout_of(home)
    user = User(home)
    until(moments(layout)[moment], moment)
    user.kill()
    server = connect_embedded(home, timeout_s=20.0)
    assert ask(server.url, "SELECT current_database()") == "agentos"
    assert list(layout.root.glob("postgres.new-*")) == []
    server.close()


def test_kill_9_during_an_ordinary_users_first_start_blocks_nobody(ordinary: Ordinary) -> None:
    user = ordinary.uses()
    until(lambda: any(ordinary.home.glob("postgres.new-*/global")), "initdb writes")
    user.kill()
    again = ordinary.uses()
    assert ask(again.url, "SELECT current_database()") == "agentos"
    assert list(ordinary.home.glob("postgres.new-*")) == []
    again.leave()


def test_who_comes_while_the_server_is_being_stopped_waits_and_gets_a_new_one(old_home: Path) -> None:
    layout = layout_of(old_home)
    connect_embedded(old_home).close()
    gone(layout.data)
    with open_lock(layout.users_lock) as stopping:
        fcntl.flock(stopping, fcntl.LOCK_EX)
        with pytest.raises(OutsideError, match="being stopped"):
            connect_embedded(old_home, timeout_s=0.1)
        user = User(old_home)
    assert ask(user.url, "SELECT 1") == 1
    user.leave()


def test_users_that_come_and_go_all_the_time_are_always_served(old_home: Path) -> None:
    failures: list[BaseException] = []

    def come_and_go(turn: int) -> None:
        try:
            for n in range(8):
                server = connect_embedded(old_home)
                assert ask(server.url, "SELECT 1") == 1
                server.close()
                threading.Event().wait(0.07 * ((n + turn) % 5))  # around the guardian's glance, before and after it
        except BaseException as failure:  # noqa: BLE001  # shown below
            failures.append(failure)

    threads = [threading.Thread(target=come_and_go, args=(turn,)) for turn in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_process_that_got_the_old_servers_id_neither_blocks_the_start_nor_dies(old_home: Path) -> None:
    layout = layout_of(old_home)
    connect_embedded(old_home).close()
    gone(layout.data)
    innocent = subprocess.Popen(["sleep", "60"], user=layout.account.uid if layout.account.drop else None)
    pid_file = layout.data / "postmaster.pid"
    pid_file.write_text(f"{innocent.pid}\n{layout.data}\n1\n5432\n/tmp\n\n    1         1\nready   \n")
    (layout.data / "postmaster.pid").chmod(0o644)
    server = connect_embedded(old_home)
    assert ask(server.url, "SELECT 1") == 1
    server.close()
    gone(layout.data)
    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()


@on_linux
def test_kill_9_of_the_guardian_takes_the_server_along_and_the_next_user_gets_a_new_one(old_home: Path) -> None:
    layout = layout_of(old_home)
    server = connect_embedded(old_home)
    write(server.url, "kept")
    guardian_of(layout.data).kill()
    gone(layout.data)
    again = connect_embedded(old_home)
    assert ask(again.url, "SELECT words FROM kept") == "kept"
    again.close()
    server.close()


def test_kill_9_of_the_server_loses_nothing_that_was_committed(old_home: Path) -> None:
    layout = layout_of(old_home)
    server = connect_embedded(old_home)
    write(server.url, "kept")
    postmaster_of(layout.data).kill()
    again = connect_embedded(old_home)
    assert ask(again.url, "SELECT words FROM kept") == "kept"
    again.close()
    server.close()


def test_a_socket_folder_cleaned_away_is_made_again_for_everybody(old_home: Path) -> None:
    server = connect_embedded(old_home)
    shutil.rmtree(layout_of(old_home).socket_link.readlink())
    again = connect_embedded(old_home)
    assert ask(again.url, "SELECT 1") == 1
    assert ask(server.url, "SELECT 1") == 1
    again.close()
    server.close()
