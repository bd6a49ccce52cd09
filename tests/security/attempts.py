"""Runs inside a box: attempts to get out or to look out, and work that must be possible there.

`python attempts.py TARGETS.json` prints one JSON object: name -> "got through", "refused: …" or, for work, "done". Each runs in
a process of its own, so that none disturbs another. An attempt raises where it was refused, and returns where it got through.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

T = dict[str, Any]
Attempt = Callable[[T], object]
ATTEMPTS: dict[str, Attempt] = {}
WORK: dict[str, Attempt] = {}
LIBC = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine == "aarch64"
PATIENCE_S = 10
INHERITED = [name for name in os.listdir("/proc/self/fd") if int(name) > 2 and os.path.exists(f"/proc/self/fd/{name}")]
"""Open before any of this opened anything."""


def attempt(function: Attempt) -> Attempt:
    ATTEMPTS[function.__name__] = function
    return function


def work(function: Attempt) -> Attempt:
    WORK[function.__name__] = function
    return function


def call(x86: int, arm: int, *arguments: Any) -> int:
    """A system call by number; raises what the kernel says."""
    result = LIBC.syscall(arm if ARM else x86, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


def ask_kernel(x86: int, arm: int, *arguments: Any) -> None:
    """As `call`, where only a refusal counts as one: any other complaint shows that the kernel listened."""
    try:
        call(x86, arm, *arguments)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise


def refuse(what: str) -> None:
    raise PermissionError(errno.EPERM, what)


# --- files -------------------------------------------------------------------------------------------------------------


@attempt
def make_a_file_outside(t: T) -> None:
    Path(t["outside"], "made").write_text("x")


@attempt
def overwrite_a_file_outside(t: T) -> None:
    Path(t["secret"]).write_text("x")


@attempt
def append_to_a_file_outside(t: T) -> None:
    with open(t["secret"], "a") as file:
        file.write("x")


@attempt
def truncate_a_file_outside(t: T) -> None:
    os.truncate(t["secret"], 0)


@attempt
def remove_a_file_outside(t: T) -> None:
    os.unlink(t["secret"])


@attempt
def move_a_file_in(t: T) -> None:
    os.rename(t["secret"], "moved-in")


@attempt
def move_a_file_out(t: T) -> None:
    Path("mine").write_text("x")
    os.rename("mine", Path(t["outside"], "moved-out"))


@attempt
def swap_a_folder_out(t: T) -> None:
    os.mkdir("folder-to-swap")
    call(316, 276, -100, b"folder-to-swap", -100, os.fsencode(t["folder"]), 2)


@attempt
def link_a_file_in(t: T) -> None:
    os.link(t["secret"], "linked-in")
    refuse("nothing in it") if not Path("linked-in").read_text() else None


@attempt
def link_a_file_out(t: T) -> None:
    Path("mine-too").write_text("x")
    os.link("mine-too", Path(t["outside"], "linked-out"))


@attempt
def link_an_unnamed_file_out(t: T) -> None:
    descriptor = os.open(".", os.O_TMPFILE | os.O_WRONLY)
    os.link(f"/proc/self/fd/{descriptor}", Path(t["outside"], "unnamed"), follow_symlinks=True)


@attempt
def make_a_symlink_outside(t: T) -> None:
    os.symlink("/", Path(t["outside"], "symlink"))


@attempt
def make_a_folder_outside(t: T) -> None:
    os.mkdir(Path(t["outside"], "made-folder"))


@attempt
def remove_a_folder_outside(t: T) -> None:
    os.rmdir(t["folder"])


@attempt
def make_a_pipe_outside(t: T) -> None:
    os.mkfifo(Path(t["outside"], "pipe"))


@attempt
def make_a_socket_outside(t: T) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(Path(t["outside"], "made-socket")))


@attempt
def change_a_mode_outside(t: T) -> None:
    os.chmod(t["secret"], 0o777)


@attempt
def change_an_owner_outside(t: T) -> None:
    os.chown(t["secret"], os.getuid(), os.getgid())


@attempt
def change_times_outside(t: T) -> None:
    os.utime(t["secret"], (1, 1))


@attempt
def set_an_attribute_outside(t: T) -> None:
    os.setxattr(t["secret"], "user.agentos", b"x")


@attempt
def change_the_mode_of_a_readable_file(t: T) -> None:
    descriptor = os.open(t["interpreter"], os.O_RDONLY)
    os.fchmod(descriptor, os.fstat(descriptor).st_mode)


@attempt
def read_a_secret(t: T) -> None:
    Path(t["secret"]).read_text()


@attempt
def read_through_a_planted_symlink(t: T) -> None:
    Path("planted-link").read_text()


@attempt
def write_through_a_symlink_of_its_own(t: T) -> None:
    os.symlink(t["secret"], "own-link")
    with open("own-link", "a") as file:
        file.write("x")


@attempt
def read_by_going_up(t: T) -> None:
    Path("../outside/secret").read_text()


@attempt
def read_through_the_root_of_a_process(t: T) -> None:
    Path("/proc/self/root" + t["secret"]).read_text()


@attempt
def read_through_the_folder_of_a_process(t: T) -> None:
    Path("/proc/self/cwd/../outside/secret").read_text()


@attempt
def read_by_handle(t: T) -> None:
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    call(303, 264, -100, os.fsencode(t["secret"]), handle, ctypes.byref(ctypes.c_int()), 0)
    os.read(call(304, 265, os.open("/", os.O_RDONLY), handle, os.O_RDONLY), 10)


@attempt
def reopen_a_path_descriptor(t: T) -> None:
    held = os.open(t["secret"], os.O_PATH)
    os.read(os.open(f"/proc/self/fd/{held}", os.O_RDONLY), 10)


@attempt
def win_a_race_with_a_symlink(t: T) -> None:
    os.mkdir("race")
    Path("race", "secret").write_text("mine")
    os.symlink(t["outside"], "race-link")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            call(316, 276, -100, b"race", -100, b"race-link", 2)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(400):
            for path in ("race/secret", "race-link/secret"):
                try:
                    if Path(path).read_text() != "mine":
                        return
                except OSError:
                    continue
    finally:
        stop.set()
        thread.join()
    refuse("never won")


@attempt
def list_a_folder_outside(t: T) -> None:
    if t["canary_name"] not in os.listdir(t["outside"]):
        refuse("another folder lies there")


@attempt
def list_home(t: T) -> None:
    if not t["in_home"] or not set(os.listdir(t["home"])) >= set(t["in_home"]):
        refuse("another folder lies there")


@attempt
def read_another_worktree(t: T) -> None:
    Path(t["sibling"], "file").read_text()


@attempt
def write_another_worktree(t: T) -> None:
    Path(t["sibling"], "file").write_text("x")


@attempt
def read_the_data_of_agentos(t: T) -> None:
    Path(t["data"], "database").read_text()


@attempt
def read_passwords(t: T) -> None:
    Path("/etc/shadow").read_text()


@attempt
def write_the_users(t: T) -> None:
    with open("/etc/passwd", "a"):
        return


@attempt
def write_into_the_system(t: T) -> None:
    Path("/usr/bin/agentos-was-here").write_text("x")


@attempt
def write_into_the_interpreter(t: T) -> None:
    Path(t["prefix"], "agentos-was-here").write_text("x")


@attempt
def write_into_the_shared_temporary_folder(t: T) -> None:
    Path(t["shared_tmp"], t["shared_name"]).write_text("x")
    refuse("another folder lies there, if nothing is found outside")


@attempt
def read_the_shared_temporary_folder(t: T) -> None:
    Path(t["shared_file"]).read_text()


@attempt
def read_shared_memory_of_others(t: T) -> None:
    Path("/dev/shm", t["shm"]).read_text()


@attempt
def keep_a_file_open_from_before(t: T) -> None:
    if not INHERITED:
        refuse("none is open")


# --- network and sockets -------------------------------------------------------------------------------------------------


def connect(family: int, kind: int, protocol: int, address: Any) -> None:
    with socket.socket(family, kind, protocol) as client:
        client.settimeout(2)
        client.connect(address)


@attempt
def connect_to_the_machine(t: T) -> None:
    connect(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", t["port"]))


@attempt
def connect_to_the_machine_by_its_name(t: T) -> None:
    socket.create_connection(("localhost", t["port"]), 2)


@attempt
def connect_by_six(t: T) -> None:
    connect(socket.AF_INET6, socket.SOCK_STREAM, 0, ("::ffff:127.0.0.1", t["port"]))


@attempt
def connect_by_many_paths(t: T) -> None:
    connect(socket.AF_INET, socket.SOCK_STREAM, 262, ("127.0.0.1", t["port"]))


@attempt
def connect_while_sending(t: T) -> None:
    with socket.socket() as client:
        client.settimeout(2)
        client.sendto(b"x", 0x20000000, ("127.0.0.1", t["port"]))
        client.getpeername()


@attempt
def send_a_datagram_to_the_machine(t: T) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect(("127.0.0.1", t["udp"]))
        client.send(b"x")
        client.recv(1)


@attempt
def connect_abroad(t: T) -> None:
    connect(socket.AF_INET, socket.SOCK_STREAM, 0, ("192.0.2.1", 80))


@attempt
def route_a_datagram_abroad(t: T) -> None:
    connect(socket.AF_INET, socket.SOCK_DGRAM, 0, ("192.0.2.1", 9))


@attempt
def ask_for_a_name(t: T) -> None:
    socket.getaddrinfo("example.com", 80)


@attempt
def send_raw_packets(t: T) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


@attempt
def capture_packets(t: T) -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3).close()


@attempt
def talk_to_the_hypervisor(t: T) -> None:
    connect(socket.AF_VSOCK, socket.SOCK_STREAM, 0, (2, 1024))


@attempt
def see_another_interface(t: T) -> None:
    if not {name for _, name in socket.if_nameindex()} - {"lo"}:
        refuse("only its own")


@attempt
def connect_to_a_socket_file(t: T) -> None:
    connect(socket.AF_UNIX, socket.SOCK_STREAM, 0, t["socket"])


@attempt
def connect_to_a_socket_file_through_a_symlink(t: T) -> None:
    os.symlink(t["socket"], "socket-link")
    connect(socket.AF_UNIX, socket.SOCK_STREAM, 0, "socket-link")


@attempt
def send_to_a_socket_file(t: T) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", t["datagrams"])


@attempt
def send_a_message_to_a_socket_file(t: T) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendmsg([b"x"], [], 0, t["datagrams"])


@attempt
def connect_to_an_abstract_socket(t: T) -> None:
    connect(socket.AF_UNIX, socket.SOCK_STREAM, 0, "\0" + t["abstract"])


# --- other processes -----------------------------------------------------------------------------------------------------


@attempt
def signal_another(t: T) -> None:
    os.kill(t["victim"], 0)


@attempt
def signal_a_thread_of_another(t: T) -> None:
    call(234, 131, t["victim"], t["victim"], 0)


@attempt
def signal_another_by_descriptor(t: T) -> None:
    call(424, 424, os.pidfd_open(t["victim"]), 0, None, 0)


@attempt
def signal_the_group_of_another(t: T) -> None:
    os.killpg(t["victim_group"], 0)


@attempt
def take_descriptors_of_another(t: T) -> None:
    call(438, 438, os.pidfd_open(t["victim"]), 0, 0)


@attempt
def attach_to_another(t: T) -> None:
    call(101, 117, 16, t["victim"], None, None)


@attempt
def seize_another(t: T) -> None:
    call(101, 117, 0x4206, t["victim"], None, None)


@attempt
def read_memory_of_another(t: T) -> None:
    ask_kernel(310, 270, t["victim"], None, 0, None, 0, 0)


@attempt
def limit_another(t: T) -> None:
    resource.prlimit(t["victim"], resource.RLIMIT_CORE, (0, 0))


@attempt
def slow_another_down(t: T) -> None:
    os.setpriority(os.PRIO_PROCESS, t["victim"], 10)


@attempt
def pin_another(t: T) -> None:
    os.sched_setaffinity(t["victim"], {0})


@attempt
def schedule_another(t: T) -> None:
    os.sched_setscheduler(t["victim"], os.SCHED_IDLE, os.sched_param(0))


@attempt
def read_the_environment_of_another(t: T) -> None:
    if t["canary"].encode() not in Path(f"/proc/{t['victim']}/environ").read_bytes():
        refuse("another process has that number")


@attempt
def read_any_environment(t: T) -> None:
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and t["canary"].encode() in (entry / "environ").read_bytes():
                return
        except OSError:
            continue
    refuse("no canary anywhere")


@attempt
def read_any_command_line(t: T) -> None:
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and t["word"].encode() in (entry / "cmdline").read_bytes():
                return
        except OSError:
            continue
    refuse("no canary anywhere")


@attempt
def read_through_another_s_root(t: T) -> None:
    Path(f"/proc/{t['victim']}/root{t['secret']}").read_text()


@attempt
def read_a_secret_in_its_own_environment(t: T) -> None:
    if t["canary"] not in os.environ.values():
        refuse("none there")


# --- the kernel ----------------------------------------------------------------------------------------------------------


@attempt
def mount_a_file_system(t: T) -> None:
    if LIBC.mount(b"none", os.fsencode(Path.cwd()), b"tmpfs", 0, None) != 0:
        refuse("mount")
    LIBC.umount(os.fsencode(Path.cwd()))


@attempt
def remount_the_root_writable(t: T) -> None:
    if LIBC.mount(None, b"/", None, ctypes.c_ulong(32 | 4096), None) != 0:
        refuse("mount")


@attempt
def open_a_file_system(t: T) -> None:
    ask_kernel(430, 430, b"tmpfs", 0)


@attempt
def change_the_root(t: T) -> None:
    os.chroot(".")


@attempt
def make_a_user_namespace(t: T) -> None:
    call(272, 97, 0x10000000)


@attempt
def make_a_network_namespace(t: T) -> None:
    call(272, 97, 0x40000000)


@attempt
def clone_into_a_user_namespace(t: T) -> None:
    if call(56, 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


@attempt
def clone3_into_a_user_namespace(t: T) -> None:
    if call(435, 435, struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64) == 0:
        os._exit(0)


@attempt
def join_a_namespace_of_another(t: T) -> None:
    call(308, 268, os.open(f"/proc/{t['victim']}/ns/net", os.O_RDONLY), 0)


@attempt
def load_a_program_into_the_kernel(t: T) -> None:
    ask_kernel(321, 280, 0, ctypes.create_string_buffer(struct.pack("IIII", 1, 4, 4, 1) + bytes(104)), 120)


@attempt
def load_a_module(t: T) -> None:
    ask_kernel(313, 273, os.open(os.devnull, os.O_RDONLY), b"", 0)


@attempt
def watch_the_processor(t: T) -> None:
    ask_kernel(298, 241, ctypes.create_string_buffer(struct.pack("II", 1, 112) + bytes(104)), 0, -1, -1, 0)


@attempt
def handle_page_faults(t: T) -> None:
    ask_kernel(323, 282, 0)


@attempt
def queue_input_and_output(t: T) -> None:
    ask_kernel(425, 425, 1, ctypes.create_string_buffer(120))


@attempt
def read_keys(t: T) -> None:
    ask_kernel(250, 219, 0, -3, 0)


@attempt
def add_a_key(t: T) -> None:
    ask_kernel(248, 217, b"user", b"agentos", b"x", 1, -3)


@attempt
def set_the_clock(t: T) -> None:
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))


@attempt
def set_the_name_of_the_machine(t: T) -> None:
    socket.sethostname("agentos")


@attempt
def read_the_kernel_log(t: T) -> None:
    ask_kernel(103, 116, 3, ctypes.create_string_buffer(100), 100)


@attempt
def account_processes(t: T) -> None:
    ask_kernel(163, 89, None)


@attempt
def disable_the_restart_key(t: T) -> None:
    ask_kernel(169, 142, 0xFEE1DEAD, 672274793, 0, None)


@attempt
def swap_off(t: T) -> None:
    ask_kernel(168, 225, b"/nowhere")


@attempt
def watch_every_file(t: T) -> None:
    ask_kernel(300, 262, 0, 0)


@attempt
def share_memory_by_key(t: T) -> None:
    call(29, 194, t["shm_key"], 4096, 0)


@attempt
def keep_memory_nobody_counts(t: T) -> None:
    ask_kernel(319, 279, b"hidden", 0)


@attempt
def become_another_user(t: T) -> None:
    os.setresuid(12345, 12345, 12345)


@attempt
def hold_a_capability(t: T) -> None:
    held = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    if int(held["CapEff"], 16) == int(held["CapPrm"], 16) == int(held["CapBnd"], 16) == 0:
        refuse("none")


@attempt
def gain_rights_from_a_program(t: T) -> None:
    if t["setuid"] is None:
        refuse("only root can prepare one")
    said = subprocess.run([t["setuid"], "-u"], capture_output=True, text=True, check=False).stdout.strip()
    if not said or int(said) == os.getuid():
        refuse("the same user")


@attempt
def raise_a_limit(t: T) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most + 1, most + 1))
    except ValueError as error:
        raise PermissionError(errno.EPERM, str(error)) from error


@attempt
def leave_a_core_dump(t: T) -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        refuse("none is written")


@attempt
def run_without_a_filter(t: T) -> None:
    if "Seccomp:\t2" in Path("/proc/self/status").read_text():
        refuse("there is one")


# --- devices, /proc and /sys, terminals ----------------------------------------------------------------------------------


def opened(path: str, flags: int = os.O_RDWR) -> Attempt:
    return lambda _: os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


for _device in ("mem", "kmsg", "port", "fuse", "kvm", "loop-control", "net/tun", "vda", "sda", "console", "uinput"):
    ATTEMPTS[f"open_the_device_{_device}"] = opened(f"/dev/{_device}")
for _file in (
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches"),
    *("/proc/self/uid_map", "/sys/kernel/uevent_helper", "/sys/power/state", "/proc/sys/net/ipv4/ip_forward"),
):
    ATTEMPTS[f"open_for_writing_{_file}"] = opened(_file, os.O_WRONLY)


@attempt
def read_kernel_memory(t: T) -> None:
    Path("/proc/kcore").open("rb").read(10)


@attempt
def read_addresses_of_the_kernel(t: T) -> None:
    if int(Path("/proc/kallsyms").read_text().split(maxsplit=1)[0], 16) == 0:
        refuse("hidden")


@attempt
def make_a_group_of_processes(t: T) -> None:
    os.mkdir("/sys/fs/cgroup/agentos-was-here")


@attempt
def be_killed_last(t: T) -> None:
    Path("/proc/self/oom_score_adj").write_text("-1000")


@attempt
def make_a_block_device(t: T) -> None:
    os.mknod("disk", 0o060600, os.makedev(254, 0))


@attempt
def make_a_character_device(t: T) -> None:
    os.mknod("memory", 0o020600, os.makedev(1, 1))


@attempt
def type_on_a_terminal(t: T) -> None:
    terminal = os.open(t["terminal"], os.O_RDWR | os.O_NOCTTY)
    if os.fstat(terminal).st_rdev != t["terminal_device"] or os.ttyname(terminal) != t["terminal"]:
        refuse("another terminal has that name")
    fcntl.ioctl(terminal, 0x5412, b"x")


@attempt
def type_on_the_controlling_terminal(t: T) -> None:
    fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), 0x5412, b"x")


@attempt
def type_on_standard_input(t: T) -> None:
    fcntl.ioctl(0, 0x5412, b"x")


@attempt
def read_what_a_person_types(t: T) -> None:
    if os.isatty(0) or os.isatty(1) or os.isatty(2):
        return
    refuse("no terminal")


# --- what must work ------------------------------------------------------------------------------------------------------


@work
def write_in_the_tree(t: T) -> None:
    Path("made/deep").mkdir(parents=True)
    Path("made/deep/file").write_text("x")
    os.chmod("made/deep/file", 0o755)
    os.rename("made/deep/file", "made/file")
    os.link("made/file", "made/hard")
    os.symlink("file", "made/soft")
    os.utime("made/soft", (5, 5))
    assert Path("made/soft").read_text() == "x"


@work
def use_the_temporary_folders(t: T) -> None:
    for folder in (None, "/tmp"):
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x")


@work
def use_devices(t: T) -> None:
    Path(os.devnull).write_text("x")
    assert len(Path("/dev/urandom").open("rb").read(4)) == 4
    assert Path("/dev/zero").open("rb").read(2) == b"\0\0"


@work
def print_to_its_output_by_name(t: T) -> None:
    with open("/dev/stdout", "a") as file:
        file.write("\n")


@work
def use_locks_between_processes(t: T) -> None:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]


@work
def serve_itself_on_loopback(t: T) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), 5) as client:
            client.send(b"x")
            assert server.accept()[0].recv(1) == b"x"


@work
def serve_itself_on_a_socket_file(t: T) -> None:
    place = str(Path(tempfile.mkdtemp(), "s"))
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(place)
        server.listen()
        client.connect(place)


@work
def use_git(t: T) -> None:
    for words in ("init -q r", "-C r -c user.name=a -c user.email=a@b commit -q --allow-empty -m x", "-C r log"):
        subprocess.run(["git", *words.split()], check=True, capture_output=True)


@work
def run_threads_and_pipes(t: T) -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert subprocess.run("echo a | cat | wc -c", shell=True, check=True, capture_output=True).stdout.strip() == b"2"


@work
def map_memory(t: T) -> None:
    with mmap.mmap(-1, 4096) as held:
        held[0:1] = b"x"


@work
def look_at_itself(t: T) -> None:
    assert Path(f"/proc/{os.getpid()}/stat").read_text()
    assert Path("/proc/self/exe").resolve().exists()


# --- all of them ---------------------------------------------------------------------------------------------------------


def tried(function: Attempt, targets: T) -> str:
    """What came of it, in a process of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(PATIENCE_S)
        try:
            function(targets)
            said = "got through"
        except AssertionError as error:
            said = f"failed: {error}"
        except BaseException as error:
            said = f"refused: {type(error).__name__}: {error}"
        os.write(writing, said.encode()[:300])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        said = file.read().decode()
    status = os.waitpid(pid, 0)[1]
    return said or f"refused: ended by signal {os.WTERMSIG(status)}"


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    print("\n" + json.dumps({name: tried(each, given) for name, each in {**ATTEMPTS, **WORK}.items()}))
