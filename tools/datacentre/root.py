"""The file system a sandbox sees: the machine's programs, but its own /etc, /var, /run and /dev."""

import os
import pathlib
import stat

from . import cgroup, syscalls

# Where the new root is put together: a folder whose surroundings are not carried over into it.
STAGE = "/sys/kernel"
OWN_FOLDERS = ("dev", "etc", "lost+found", "proc", "rhev", "run", "sys", "var")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse", "kvm", "vhost-net")
TUN_DEVICE = os.makedev(10, 200)
VAR_FOLDERS = ("cache/libvirt", "lib/libvirt/images", "lib/misc", "lib/swtpm-localca", "lib/vireo",
               "log/libvirt", "log/swtpm/libvirt/qemu", "tmp")


def build(config):
    """Makes the new root in the mount namespace of the calling process and moves into it."""
    syscalls.mount(None, "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    unified = cgroup.is_unified()
    root = pathlib.Path(STAGE)
    syscalls.mount("root", root, "tmpfs", data="mode=755")
    bind_machine(root)
    make_devices(root / "dev", config["kvm"])
    make_run(root / "run")
    make_state(root, pathlib.Path(config["directory"]))
    make_etc(root / "etc", config)
    for path in config["visible"]:
        make_visible(root, path)
    for folder in ("proc", "sys", "old"):
        (root / folder).mkdir()
    syscalls.mount("proc", root / "proc", "proc")
    syscalls.mount("sysfs", root / "sys", "sysfs")
    cgroup.mount_own(root / "sys/fs/cgroup", unified)
    syscalls.pivot_root(root, root / "old")
    os.chdir("/")
    syscalls.unmount("/old")
    os.rmdir("/old")


def bind_machine(root):
    for entry in sorted(os.scandir("/"), key=lambda entry: entry.name):
        if entry.is_symlink():
            (root / entry.name).symlink_to(os.readlink(entry.path))
        elif entry.is_dir() and entry.name not in OWN_FOLDERS:
            (root / entry.name).mkdir()
            syscalls.bind(entry.path, root / entry.name)


def make_devices(dev, with_kvm):
    dev.mkdir()
    syscalls.mount("dev", dev, "tmpfs", data="mode=755,size=64m")
    for name in DEVICES:
        machine = pathlib.Path("/dev") / name
        if machine.exists() and (name != "kvm" or with_kvm):
            make_device(dev / name, machine.stat().st_rdev)
    for name in ("net", "pts", "shm", "mqueue"):
        (dev / name).mkdir()
    make_device(dev / "net/tun", TUN_DEVICE)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                         ("stderr", "fd/2"), ("ptmx", "pts/ptmx")):
        (dev / name).symlink_to(target)
    syscalls.mount("devpts", dev / "pts", "devpts", data="newinstance,ptmxmode=666,mode=620,gid=5")
    syscalls.mount("shm", dev / "shm", "tmpfs", data="mode=1777")


def make_device(path, number):
    os.mknod(path, stat.S_IFCHR | 0o666, number)
    os.chmod(path, 0o666)


def make_run(run):
    run.mkdir()
    syscalls.mount("run", run, "tmpfs", data="mode=755")
    for name in ("lock", "libvirt", "vireo"):
        (run / name).mkdir()


def make_state(root, directory):
    """/var and /rhev lie in the host's state directory, so they outlive the sandbox."""
    for name in ("var", "rhev"):
        (directory / name).mkdir(exist_ok=True)
        (root / name).mkdir()
        syscalls.bind(directory / name, root / name)
    for name in VAR_FOLDERS:
        (root / "var" / name).mkdir(parents=True, exist_ok=True)
    for name, target in (("run", "/run"), ("lock", "/run/lock")):
        if not os.path.lexists(root / "var" / name):
            (root / "var" / name).symlink_to(target)


def make_etc(etc, config):
    """Links to the machine's files, read-only, but those the sandbox has of its own."""
    own = pathlib.Path(config["directory"]) / "etc"
    etc.mkdir()
    syscalls.mount("etc", etc, "tmpfs", data="mode=755")
    (etc / ".machine").mkdir()
    syscalls.bind("/etc", etc / ".machine", recursive=False)
    syscalls.mount(None, etc / ".machine",
                   flags=syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY)
    for entry in os.scandir("/etc"):
        if not (own / entry.name).exists():
            target = os.readlink(entry.path) if entry.is_symlink() else f".machine/{entry.name}"
            (etc / entry.name).symlink_to(target)
    for entry in os.scandir(own):
        if entry.is_dir():
            (etc / entry.name).mkdir()
            syscalls.bind(entry.path, etc / entry.name)
        else:
            (etc / entry.name).write_bytes(pathlib.Path(entry.path).read_bytes())


def make_visible(root, path):
    """Shows a folder of the machine at the same place, if one of the sandbox's own hides it."""
    target = root / path.lstrip("/")
    if not target.exists():
        target.mkdir(parents=True)
        syscalls.bind(path, target)
