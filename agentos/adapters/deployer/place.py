"""Where one deployment lives on disk: its lock, its facts, its log, and the pipe its keeper listens to."""

import errno
import fcntl
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from agentos.adapters.deployer.keeper import ENDED, LOG, STOP

LOCK, FACTS = "lock", "deployment.json"
TAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What was started: the commit, its files, and the port it was given."""

    sha: str
    folder: str
    port: int


class Place:
    """The folder of one deployment. Nothing here waits."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        self.lock = self.folder / LOCK

    def facts(self) -> Facts | None:
        """What was started last; None before, and where what is written there cannot be read."""
        try:
            return Facts(**json.loads((self.folder / FACTS).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def prepare(self, facts: Facts) -> None:
        """Effect: the folder says what will be started, and has a pipe to stop it by."""
        (self.folder / ENDED).unlink(missing_ok=True)
        with suppress(FileExistsError):
            os.mkfifo(self.folder / STOP, 0o600)
        fresh = self.folder / f"{FACTS}.new"
        fresh.write_text(json.dumps(asdict(facts)), encoding="utf-8")
        fresh.replace(self.folder / FACTS)

    def exit_code(self) -> int | None:
        """How the command itself ended; None while it runs, or where it was cut off."""
        try:
            return int(json.loads((self.folder / ENDED).read_text(encoding="utf-8"))["exit_code"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def is_held(self) -> bool:
        """Whether anything of the deployment runs."""
        try:
            fd = os.open(self.lock, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def stands(self) -> bool:
        """Whether it runs, or did all it had to do and ended well."""
        held = self.is_held()  # asked first: once the lock is free, how it ended is written down
        return self.exit_code() == 0 or (held and self.exit_code() is None)

    def take_lock(self) -> int | None:
        """The lock as a descriptor, to be handed to what is started; None while somebody else has it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == self.lock.stat().st_ino:
                return fd
        except (BlockingIOError, FileNotFoundError):
            pass  # running, or just being removed
        os.close(fd)
        return None

    def ask_to_stop(self) -> bool:
        """Whether a keeper listens and was asked to stop."""
        try:
            fd = os.open(self.folder / STOP, os.O_WRONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        except OSError as exc:
            if exc.errno != errno.ENXIO:
                raise
            return False
        try:
            with suppress(BlockingIOError):  # it was asked often enough
                os.write(fd, b"x")
        except BrokenPipeError:  # it ended meanwhile
            return False
        finally:
            os.close(fd)
        return True

    def kill_orphans(self) -> None:
        """Effect: what outlived its keeper is gone. Such a process holds our lock and carries our name, so no number
        that was used again can make it somebody else."""
        import psutil  # only where a keeper was killed

        lock = self.lock.resolve()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid == os.getpid() or process.environ().get("AGENTOS_NAME") != self.name:
                    continue
                if any(Path(file.path) == lock for file in process.open_files()):
                    process.kill()

    def tail(self) -> str:
        """The end of what the deployed command said."""
        try:
            return (self.folder / LOG).read_bytes()[-TAIL_CHARACTERS:].decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def remove(self) -> bool:
        """Whether the folder is gone; not where somebody runs something in it again."""
        lock = self.take_lock()
        if lock is None:
            return False
        try:
            shutil.rmtree(self.folder)
        finally:
            os.close(lock)
        return True
