"""Control groups of a sandbox, in version 1, hybrid and version 2."""

import os
import pathlib
import signal
import time

from . import syscalls

ROOT = pathlib.Path("/sys/fs/cgroup")


def is_unified():
    return (ROOT / "cgroup.procs").exists()


def hierarchies():
    if is_unified():
        return [ROOT]
    return [path for path in sorted(ROOT.glob("*"))
            if not path.is_symlink() and (path / "cgroup.procs").exists()]


def inherit_cpus(group):
    """A cpuset of version 1 takes no process before it has processors and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (group / name).exists() and group.parent.joinpath(name).exists():
            (group / name).write_text((group.parent / name).read_text())


def enter(name):
    """Moves the calling process into the group `name`, which is made."""
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        if not is_unified():
            inherit_cpus(group)
        (group / "cgroup.procs").write_text("0")


def enter_leaf(name):
    """With version 2 the group's own processes must live in a leaf of it: libvirt hands controllers
    to its machines there, which a group with processes refuses."""
    if is_unified():
        leaf = ROOT / name / "init"
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text("0")


def process_files(name):
    """The files that take a process number to move it into the group."""
    if is_unified():
        return [ROOT / name / "init/cgroup.procs"]
    return [hierarchy / name / "cgroup.procs" for hierarchy in hierarchies()]


def mount_own(target, unified):
    """Mounts the control groups as the calling process's cgroup namespace shows them."""
    if unified:
        syscalls.mount("cgroup2", target, "cgroup2")
        return
    syscalls.mount("cgroup", target, "tmpfs", data="mode=755")
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, _ = line.split(":", 2)
        folder = "unified" if number == "0" else controllers.removeprefix("name=")
        os.mkdir(f"{target}/{folder}")
        if number == "0":
            syscalls.mount("cgroup2", f"{target}/{folder}", "cgroup2")
        else:
            named = controllers.startswith("name=")
            syscalls.mount("cgroup", f"{target}/{folder}", "cgroup",
                           data=f"none,{controllers}" if named else controllers)


def wake(name):
    """nsenter stops itself with its program; stopped, it keeps that as a zombie for ever."""
    for number in process_files(name)[0].read_text().split():
        try:
            os.kill(int(number), signal.SIGCONT)
        except ProcessLookupError:
            continue


def remove(name, seconds=5):
    """Removes the group with all below it; its last processes may still be on their way out."""
    deadline = time.monotonic() + seconds
    for hierarchy in hierarchies():
        while (hierarchy / name).exists():
            try:
                for folder, _, _ in os.walk(hierarchy / name, topdown=False):
                    os.rmdir(folder)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
