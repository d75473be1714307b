"""The system calls of Linux that Python lacks: namespaces and mounts."""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SYS_PIVOT_ROOT = 155  # x86-64

libc = ctypes.CDLL(None, use_errno=True)


def checked(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def encoded(text):
    return None if text is None else os.fsencode(text)


def unshare(flags):
    checked(libc.unshare(flags), "unshare")


def leave_namespace_for_children(kind):
    """Later children of the calling process are born in its own namespace again."""
    file = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
    try:
        checked(libc.setns(file, 0), "setns")
    finally:
        os.close(file)


def mount(source, target, kind=None, flags=0, data=None):
    result = libc.mount(encoded(source), encoded(target), encoded(kind), ctypes.c_ulong(flags),
                        encoded(data))
    checked(result, f"mount {source} at {target}")


def bind(source, target, recursive=True):
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))


def unmount(target):
    checked(libc.umount2(encoded(target), MNT_DETACH), f"unmount {target}")


def pivot_root(new_root, old_root):
    result = libc.syscall(ctypes.c_long(SYS_PIVOT_ROOT), encoded(new_root), encoded(old_root))
    checked(result, f"pivot_root to {new_root}")


def set_host_name(name):
    checked(libc.sethostname(encoded(name), len(name)), "sethostname")


def die_with_parent(signal_number):
    checked(libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")
