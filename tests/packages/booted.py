"""A throw-away copy of this machine with systemd as its first process, in a container without the
machine's network. Of the machine's own services none is started."""

import pathlib
import re
import subprocess

from overlay import Copy
from tools.datacentre.process import log_tail, start, wait_until

TARGET = """[Unit]
Requires=basic.target
After=basic.target
Wants={units}
AllowIsolate=yes
"""
# What a host does and a container may not by itself: BPF for libvirt's device rules.
SYSTEM_CALLS = "@mount bpf keyctl add_key"


def read(path):
    try:
        return path.read_text()
    except OSError:
        return ""  # the process has ended


def descendants(process):
    for task in pathlib.Path(f"/proc/{process}/task").glob("*"):
        for child in map(int, read(task / "children").split()):
            yield child
            yield from descendants(child)


class BootedCopy(Copy):
    container = init = None

    def boot(self, *units):
        self._write("/etc/fstab", "")
        self._write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 vireo-boot\n::1 localhost\n")
        self._write("/etc/hostname", "vireo-boot\n")
        self._write("/etc/systemd/system/vireo-boot.target", TARGET.format(units=" ".join(units)))
        root = self.folder / "root"
        subprocess.run([*self._machine_side(), "umount", *(root / name for name in (
            "tmp/packages", "tmp", "run", "proc", "dev"))], check=True)
        subprocess.run([*self._machine_side(), "mount", "-t", "proc", "proc", "/proc"], check=True)
        self.log = self.folder.parent / "boot.log"
        with self.log.open("wb") as log:
            self.container = start(
                [*self._machine_side(), "env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "systemd-nspawn", "--quiet",
                 "-D", root, "--boot", "--register=no", "--keep-unit",
                 "--private-network", "--capability=all", "--bind=/dev/net/tun",
                 f"--system-call-filter={SYSTEM_CALLS}", "--console=pipe",
                 "systemd.unit=vireo-boot.target"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.init = wait_until(self._find_init, 30, "systemd")
        wait_until(self._is_running, 120, "boot")

    def _machine_side(self):
        """Where the copy is mounted, outside of it. What runs there ends with the copy."""
        return ["nsenter", "-t", str(self.first), "-m", "-p", "--"]

    def _write(self, name, text):
        self.path(name).write_text(text)

    def _find_init(self):
        """The container's process 1, as the machine numbers it."""
        if self.container.poll() is not None:
            raise OSError(f"No container: {log_tail(self.log)}")
        for process in descendants(self.container.pid):
            status = read(pathlib.Path(f"/proc/{process}/status"))
            if re.search(r"^NSpid:\t\d+\t\d+\t1$", status, re.MULTILINE):
                return process
        return None

    def _is_running(self):
        return self.run("systemctl", "is-system-running", check=False).strip() in (
            "running", "degraded")

    def command(self, words):
        if not self.init:
            return super().command(words)
        return ["nsenter", "-t", str(self.init), "-a", "-r", "-w", "--",
                "env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                *map(str, words)]

    def path(self, name):
        return pathlib.Path(f"/proc/{self.init}/root{name}") if self.init else super().path(name)

    def close(self):
        super().close()
        if self.container:
            self.container.wait()
