"""What this process may do beyond an ordinary one, given up for good."""

import ctypes
import sys

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38  # <linux/prctl.h>
_CAPABILITY_VERSION_3 = 0x20080522  # <linux/capability.h>
SETFCAP = 31
"""Without this one, root may not map itself into a user namespace of its own."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def give_up_rights(kept: int = -1) -> None:
    """Effect: no capability but `kept` is left in this process or in any it starts, and no program may bring one back.

    For root, too: what belongs to root it may still write as its owner, so a box must not show it anything of that.
    Raises OSError where the kernel refuses; nothing must run then.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    number = 0
    while number == kept or libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1  # until the kernel knows no such capability, or we never could drop one
    left = 1 << kept if kept >= 0 and _effective() & 1 << kept else 0
    sets = (ctypes.c_uint32 * 6)(left, left)  # effective and permitted, each in two halves, of which ours is the first
    if libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), sets) != 0:
        raise OSError(ctypes.get_errno(), "capabilities could not be given up")
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "new privileges could not be ruled out")
    if _effective() != left:
        raise OSError(1, "capabilities are still there")


def _effective() -> int:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        return next((int(line.split()[1], 16) for line in file if line.startswith("CapEff:")), 0)
