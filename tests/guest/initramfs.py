"""The guest's initial RAM file system, which is its whole root: busybox, guest agent, modules."""

import gzip
import pathlib
import re
import stat

from packages import PackageError, run

# Drivers in the order in which the guest loads them. Controllers come last: their probing then
# finds the disk drivers there, and each load waits until the disks behind it are known.
MODULES = """
    nls_utf8 nls_ascii nls_cp437 nls_iso8859_1
    isofs vfat crc32c_generic ext4 virtio_pci button evdev
    virtio_console virtio_rng virtio_balloon virtio_mem virtio_net e1000 e1000e 8139cp
    sd_mod sr_mod virtio_blk virtio_scsi ata_piix ahci
""".split()


class Archive:
    """A cpio archive of format newc, the same for the same content."""

    def __init__(self):
        self.parts = []
        self.length = 0
        self.count = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.count += 1
        fields = (self.count, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (head + name.encode() + b"\0", data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def directory(self, name):
        self.add(name, stat.S_IFDIR | 0o755)

    def link(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def file(self, name, data, mode=0o644):
        self.add(name, stat.S_IFREG | mode, data)

    def finish(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


def module_name(path):
    """Files write names with - or _, dependencies only with _."""
    return path.name.split(".")[0].replace("-", "_")


def modules_of(kernel_modules, builtin):
    """The files of MODULES with all they need, in the order of loading."""
    files = {module_name(path): path for path in (kernel_modules / "kernel").rglob("*.ko")}
    order = {}

    def visit(name):
        if name in order or name in builtin or name not in files:
            return
        data = files[name].read_bytes()
        needs = re.search(rb"\0depends=([^\0]*)\0", data).group(1).decode()
        for need in filter(None, needs.split(",")):
            visit(need.replace("-", "_"))
        order[name] = data

    for name in MODULES:
        visit(name)
    return order


def builtin_modules(kernel_modules):
    lines = (kernel_modules / "modules.builtin").read_text().splitlines()
    return {module_name(pathlib.Path(line)) for line in lines}


def libraries_of(packages, program):
    """The shared libraries of `program` as pairs of name and file, the loader among them."""
    loader = packages.path("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    text = run(str(loader), "--library-path", packages.library_path(), "--list", str(program))
    pairs = re.findall(r"^\s*(\S+) => (/\S+)", text, re.MULTILINE)
    if "not found" in text:
        raise PackageError(f"a library of {program} is missing:\n{text}")
    return [(name, pathlib.Path(path)) for name, path in pairs] + [(loader.name, loader)]


def add_programs(archive, packages):
    busybox = packages.path("bin/busybox")
    agent = packages.path("usr/sbin/qemu-ga")
    archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    archive.file("bin/qemu-ga", agent.read_bytes(), 0o755)
    for name in run(str(busybox), "--list").split():
        if name != "busybox":
            archive.link(f"bin/{name}", "busybox")
    for name, path in sorted(dict(libraries_of(packages, agent)).items()):
        archive.file(f"lib/{name}", path.read_bytes(), 0o755)
    archive.directory("lib64")
    archive.link("lib64/ld-linux-x86-64.so.2", "../lib/ld-linux-x86-64.so.2")
    archive.link("sbin/hwclock", "../bin/busybox")


def add_modules(archive, packages):
    kernel_modules = packages.path(f"lib/modules/{packages.kernel}")
    modules = modules_of(kernel_modules, builtin_modules(kernel_modules))
    archive.directory("lib/modules")
    for name, data in modules.items():
        archive.file(f"lib/modules/{name}.ko", data)
    archive.file("lib/modules/order", "".join(f"{name}.ko\n" for name in modules).encode())


def add_tree(archive, folder):
    """The guest's own files, as they lie in `folder`."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            archive.directory(name)
        else:
            archive.file(name, path.read_bytes(), stat.S_IMODE(path.stat().st_mode) & 0o755)


def build(packages, folder):
    """The compressed archive."""
    archive = Archive()
    for name in ("bin", "dev", "proc", "sys"):
        archive.directory(name)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.link("init", "bin/busybox")
    archive.link("usr", ".")
    archive.link("etc/resolv.conf", "/run/resolv.conf")
    add_tree(archive, folder)
    add_programs(archive, packages)
    add_modules(archive, packages)
    return gzip.compress(archive.finish(), 9, mtime=0)
