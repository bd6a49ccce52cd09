"""A filter of system calls as the kernel takes it: what no build and no test needs, refused with EPERM."""

import ctypes
import os
import struct

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2  # <linux/prctl.h>, <linux/seccomp.h>
_X32_BIT = 0x40000000
_EPERM, _ENOSYS = 1, 38
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST, _SECOND = 0, 4, 16, 24
"""Where the filter finds the call, the machine, and the low halves of the first two arguments."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_NEW_NAMESPACES = 0x7E020080
"""Every CLONE_NEW… flag."""
_ARCHES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_CALLS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "settimeofday": (170, 170),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
_CLONE, _CLONE3, _IOCTL = (56, 220), (435, 435), (16, 29)


def refusing_filter(machine: str | None = None) -> bytes | None:
    """The filter for `machine` (this one), to be loaded by who starts a command; None where its calls are not known."""
    known = _ARCHES.get(machine or os.uname().machine)
    if known is None:
        return None
    arch, column = known
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        # The second numbering of the same calls on x86-64 would pass by all that follows.
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
        # Its flags lie in memory where no filter can look; libraries then use the older call.
        *_refused_if(_CLONE3[column], (_RETURN, 0, 0, _ERRNO | _ENOSYS)),
        *_refused_if(_CLONE[column], (_LOAD, 0, 0, _FIRST), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _NO, _YES),
        *_refused_if(
            _IOCTL[column], (_LOAD, 0, 0, _SECOND), (_EQUAL, 1, 0, _TIOCSTI), (_EQUAL, 0, 1, _TIOCLINUX), _NO, _YES
        ),
    ]
    for numbers in _CALLS.values():
        program += _refused_if(numbers[column], _NO)
    return b"".join(struct.pack("HBBI", *instruction) for instruction in (*program, _YES))


_Instruction = tuple[int, int, int, int]
_NO: _Instruction = (_RETURN, 0, 0, _ERRNO | _EPERM)
_YES: _Instruction = (_RETURN, 0, 0, _ALLOW)


def load(program: bytes) -> None:
    """Effect: the filter `program` holds for this process, which can gain no rights any more, and for all it starts.
    Raises OSError where the kernel does not take it; nothing must run then."""
    size = struct.calcsize("HBBI")
    held = ctypes.create_string_buffer(program, len(program))
    described = _Program(len(program) // size, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(described), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "system calls could not be filtered")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _refused_if(number: int, *then: _Instruction) -> tuple[_Instruction, ...]:
    """`then` where the call is `number`; it must end the program."""
    return (_EQUAL, 0, len(then), number), *then
