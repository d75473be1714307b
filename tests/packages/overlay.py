"""A throw-away copy of this machine: what is written to it lies in memory and is gone at its end.

Programs run in it with mounts, processes and network of their own; /run is empty, so maintainer
scripts find no service manager to talk to."""

import pathlib
import subprocess

# Mounts the copy at $1 and keeps it until standard input ends.
KEEPER = """
set -e
mount -t tmpfs -o mode=755 vireo-copy "$1"
mkdir "$1/above" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/above,workdir=$1/work" vireo-copy "$1/root"
cd "$1/root"
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t proc proc proc
mount --bind /dev dev
mkdir tmp/packages
mount --bind "$2" tmp/packages
ip link set lo up
echo ready
read end || :
"""


class Copy:
    def __init__(self, folder, packages):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child",
             "sh", "-c", KEEPER, "sh", self.folder, packages],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.keeper.stdout.readline() != "ready\n":
            self.close()
            raise OSError("The copy of the machine could not be made.")
        children = f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children"
        self.first = int(pathlib.Path(children).read_text().split()[0])

    def command(self, words):
        return ["nsenter", "-t", str(self.first), "-m", "-p", "-n", "-i", "-u", "--",
                "chroot", str(self.folder / "root"),
                "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
                "LC_ALL=C.UTF-8", *map(str, words)]

    def run(self, *words, check=True):
        done = subprocess.run(self.command(words), text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def start(self, *words, **options):
        return subprocess.Popen(self.command(words), stdin=subprocess.DEVNULL, **options)

    def path(self, name):
        """Where a file of the copy is for the machine."""
        return pathlib.Path(f"/proc/{self.first}/root{self.folder}/root/{name.lstrip('/')}")

    def close(self):
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait()
        self.folder.rmdir()
