"""What the child gives up before it reads a byte of the content: memory, time, files, processes, the network, and the
sight of all that is on the disk. Limits hold everywhere; namespaces and Landlock where the kernel has them and lets an
unprivileged process use them.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence

_FILES = 64  # that are open: importing takes some
_NICE = 10
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CLONE_NEWNET, _CLONE_NEWIPC, _CLONE_NEWUSER = 0x40000000, 0x08000000, 0x10000000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock's; the same numbers on every architecture
_PATH_BENEATH, _READ = 1, 0b1100  # files and folders
# Rights of each version of Landlock's interface: to files, to TCP, and (scopes) to sockets and signals of others.
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16, 6: 16}  # how many bits
_NET_RIGHTS, _SCOPES = 0b11, 0b11
_NEWEST = 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def limit(memory: int, seconds: float) -> None:
    """Of this process, for good. `seconds` are of CPU; by the clock it lives twice as long, if nobody ends it."""
    whole = max(1, int(seconds + 0.999))
    os.nice(_NICE)
    signal.alarm(2 * whole + 1)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, 0)
    _set(resource.RLIMIT_NOFILE, _FILES)
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 1))  # the first one's signal tells what it was
    if sys.platform == "linux":
        _on_linux()
        _set(resource.RLIMIT_AS, memory)  # macOS has a limit of that name that limits nothing
    _set(resource.RLIMIT_NPROC, 0)


def close_the_disk(libraries: Sequence[str]) -> None:
    """From here on nothing can be opened but, to be read, what is in these folders: libraries import when they need."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    version = min(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1), _NEWEST)
    if version < 1:
        return
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rights = _Ruleset((1 << _FS_RIGHTS[version]) - 1, _NET_RIGHTS, _SCOPES)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rights), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return
    for folder in libraries:
        parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(_READ, parent)), 0)
        os.close(parent)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _set(which: int, most: int) -> None:
    """Where a lower one holds already, that one."""
    hard = resource.getrlimit(which)[1]
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (least, least))


def _on_linux() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # so it doesn't outlive the job process
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)  # refused in many containers
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
