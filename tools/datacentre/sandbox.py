"""The process that keeps a host's sandbox: run as root with a configuration on standard input.

    python3 -m tools.datacentre.sandbox < one line of JSON, then silence

It makes the namespaces, connects them with the machine and says "ready PID" with the number of the
sandbox's first process. When standard input ends, because whoever started it stopped or died, the
sandbox is killed and nothing of it stays: no process, mount, interface or control group."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time

from . import cgroup, link, root, syscalls
from .failure import DataCentreFailure

OWN_NAMESPACES = (syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP | syscalls.CLONE_NEWUTS |
                  syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWNET)


def first_process(config, unshared, connected):
    """Process 1 of the sandbox. It reaps at once: to libvirt a QEMU that is a zombie is alive."""
    syscalls.die_with_parent(signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    os.setsid()
    cgroup.enter(config["cgroup"])
    syscalls.unshare(OWN_NAMESPACES)
    cgroup.enter_leaf(config["cgroup"])
    syscalls.set_host_name(config["name"])
    os.write(unshared, b"x")
    root.build(config)
    if os.read(connected, 1):
        os.write(unshared, b"x")
        reap_forever()
    os._exit(1)


def reap_forever():
    while signal.sigwait({signal.SIGCHLD, signal.SIGTERM}) == signal.SIGCHLD:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
    os._exit(0)


def start_first_process(config):
    """Returns its number and the two pipes by which it is led through its start."""
    unshared_read, unshared_write = os.pipe()
    connected_read, connected_write = os.pipe()
    syscalls.unshare(syscalls.CLONE_NEWPID)
    process = os.fork()
    if not process:
        try:
            os.close(unshared_read)
            os.close(connected_write)
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            first_process(config, unshared_write, connected_read)
        except BaseException as failure:
            print(f"sandbox {config['name']}: {failure}", file=sys.stderr, flush=True)
        os._exit(1)
    syscalls.leave_namespace_for_children("pid")
    os.close(unshared_write)
    os.close(connected_read)
    return process, unshared_read, connected_write


def connect(config, process):
    number, owner = config["link"], config["owner"]
    link.remove(owner)
    link.make(number, owner, process)
    link.configure_inside(number, process)


def start_internet(process):
    """A way out for guests, through a network stack in user space."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "slirp4netns", "--configure",
                             "--mtu=1500", "--disable-host-loopback", str(process), "tap0"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def wait_for_end(process, stop):
    """Until standard input ends, a signal comes or the sandbox's first process is dead."""
    watched = os.pidfd_open(process)
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(watched, select.POLLIN)
    poll.register(stop, select.POLLIN)
    while True:
        ready = {file for file, _ in poll.poll()}
        if watched in ready or stop in ready or (0 in ready and not os.read(0, 4096)):
            return


def lock(config):
    """Waits until an earlier life of this host has ended."""
    file = os.open(f"{config['directory']}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + 20
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                sys.exit(f"sandbox {config['name']}: it runs already")
            time.sleep(0.05)


def stop_pipe():
    """A file that becomes readable at SIGTERM and SIGINT."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return read


def clean(config):
    link.remove(config["owner"])
    cgroup.remove(config["cgroup"])


def main():
    config = json.loads(read_line())
    lock(config)
    stop = stop_pipe()
    clean(config)
    internet = None
    process, unshared, connected = start_first_process(config)
    try:
        if os.read(unshared, 1):
            connect(config, process)
            if config["internet"]:
                internet = start_internet(process)
            os.write(connected, b"x")
            if os.read(unshared, 1):
                print(f"ready {process}", flush=True)
                wait_for_end(process, stop)
    finally:
        os.kill(process, signal.SIGKILL)
        cgroup.wake(config["cgroup"])
        os.waitpid(process, 0)
        if internet:
            internet.kill()
            internet.wait()
        clean(config)


def read_line():
    """One line of standard input, without reading ahead: what follows is watched with poll()."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            break
        line += part
    return line


if __name__ == "__main__":
    try:
        main()
    except (DataCentreFailure, OSError) as failure:
        sys.exit(f"sandbox: {failure}")
