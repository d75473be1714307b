"""A virtualization host on this machine: namespaces with their own libvirtd and vireo-agent."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid

from . import cgroup, link, process
from .failure import DataCentreFailure
from .places import REPOSITORY, build_directory

NETWORK_FILTERS = pathlib.Path("/usr/share/libvirt/nwfilter")
STORAGE_OWNER = 36  # vdsm:kvm, as on every oVirt host
# What a host has beyond the machine's users: oVirt's, and the one libvirtd does not start without.
USERS = {"vdsm": STORAGE_OWNER, "libvirt-qemu": 64055}
GROUPS = {"kvm": STORAGE_OWNER, "libvirt-qemu": 64055}
STORAGE_DIRECTORY = "/var/lib/vireo/storage"
AGENT_STATE = "/var/lib/vireo/agent"

LIBVIRTD_CONFIG = """\
host_uuid = "{uuid}"
listen_tls = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
max_clients = 500
max_workers = 32
"""

# Logs go to files, there is no virtlogd. QEMU is root of the sandbox, so files keep their owners.
QEMU_CONFIG = """\
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
spice_tls = 1
spice_tls_x509_cert_dir = "/etc/pki/libvirt-spice"
migration_address = "0.0.0.0"
migration_host = "{address}"
keepalive_interval = 5
keepalive_count = 3
"""

HOSTS = "127.0.0.1 localhost\n{address} {name}\n{machine_address} manager\n"


class Host:
    """Host number `number` of the installation whose state is under `state_dir`.

    kvm=False hides /dev/kvm, True shows it; else it is shown where the processor virtualizes: there
    are machines whose /dev/kvm hangs guests. internet=True gives guests a way out through slirp4netns."""

    def __init__(self, state_dir, number=1, build_dir=None, kvm=None, internet=False,
                 agent_options=None):
        state = pathlib.Path(state_dir).resolve()
        self.name = f"host{number}"
        self.directory = state / "hosts" / self.name
        self.build_dir = build_directory(build_dir)
        self.kvm = processor_virtualizes() if kvm is None else kvm
        self.internet = internet
        self.agent_options = agent_options or {}
        self.owner = f"{state}:{self.name}"
        digest = hashlib.sha256(self.owner.encode()).hexdigest()[:12]
        self.cgroup = f"vireo-{digest}"
        self.visible = [str(state), str(REPOSITORY), str(self.build_dir)]
        self.sandbox = self.libvirtd = self.agent = None
        self.agent_environment = {}  # what the agent gets besides its own
        self.programs = []
        self.first_process = 0
        self.record = {}

    # ---- life

    def start(self):
        """Brings the sandbox and its libvirtd up; the agent needs to be enrolled first."""
        process.require_root()
        if self.internet and not shutil.which("slirp4netns"):
            raise DataCentreFailure("Internet for guests needs the package slirp4netns.")
        self._prepare()
        self.start_sandbox()
        self.start_libvirtd()
        return self

    def stop(self):
        """Ends everything in order; guests get a moment to write what they hold."""
        if self.first_process:
            self.stop_agent()
            stop_program(self.libvirtd)
            self._stop_guests()
        self.kill()

    def kill(self):
        """Power failure: all that runs on the host is gone at once."""
        if self.sandbox:
            self.sandbox.stdin.close()
            self.sandbox.wait()
            self.sandbox.stdout.close()
            (self.directory / "first-process").unlink(missing_ok=True)
        for program in self.programs:
            program.wait()
        self.programs = []
        self.sandbox = self.libvirtd = self.agent = None
        self.first_process = 0

    @classmethod
    def running(cls, state_dir, number=1):
        """The host as another process has started it, to run programs in it."""
        host = cls(state_dir, number)
        try:
            number = int((host.directory / "first-process").read_text())
            if host.cgroup in pathlib.Path(f"/proc/{number}/cgroup").read_text():
                host.first_process = number
                return host
        except (OSError, ValueError):
            pass
        raise DataCentreFailure(f"{host.name} of {state_dir} does not run.")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # ---- addresses and files

    @property
    def address(self):
        return link.sandbox_address(self.record["link"])

    @property
    def machine_address(self):
        """The machine as the host sees it."""
        return link.machine_address(self.record["link"])

    def path(self, name):
        """Where a file of the running sandbox is for the machine."""
        return pathlib.Path(f"/proc/{self.first_process}/root/{name.lstrip('/')}")

    # ---- running programs inside

    def command(self, arguments, own_network=True):
        """The arguments of a program that runs `arguments` in the sandbox."""
        if not self.first_process:
            raise DataCentreFailure(f"{self.name} does not run.")
        files = " ".join(str(file) for file in cgroup.process_files(self.cgroup))
        join = f'for file in {files}; do echo $$ > $file; done; exec "$@"'
        network = ["-n"] if own_network else []
        return ["sh", "-c", join, "sh", "nsenter", "-t", str(self.first_process),
                "-m", "-u", "-i", "-p", "-C", *network, "--wd=/", "--", *map(str, arguments)]

    def exec(self, arguments, check=True, timeout=60, own_network=True, **options):
        """Runs a program in the sandbox and returns what it prints."""
        done = subprocess.run(self.command(arguments, own_network), text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **options)
        if check and done.returncode:
            raise DataCentreFailure(f"{self.name}: {' '.join(map(str, arguments))} ended with "
                                    f"{done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def virsh(self, *arguments):
        return self.exec(["virsh", "-q", "-c", "qemu:///system", *arguments])

    def log(self, program):
        return self.directory / f"{program}.log"

    def start_program(self, arguments, name):
        """A program that stays; what it says is added to its log."""
        with self.log(name).open("ab") as file:
            program = subprocess.Popen(self.command(arguments), stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=file, start_new_session=True)
        self.programs.append(program)
        return program

    def processes(self, program):
        """The machine's numbers of the sandbox's processes that run `program`."""
        try:
            own = os.readlink(f"/proc/{self.first_process}/ns/pid")
        except FileNotFoundError:
            return []  # the sandbox has gone, and all that was in it
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(entry / "ns/pid") == own and \
                        os.path.basename(os.readlink(entry / "exe")) == program:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def signal(self, program, number):
        for one in self.processes(program):
            os.kill(one, number)

    def _stop_guests(self, seconds=5):
        """QEMU writes what it holds when it is asked to end."""
        self.signal("qemu-system-x86_64", signal.SIGTERM)
        try:
            process.wait_until(lambda: not self.processes("qemu-system-x86_64"), seconds, "guests")
        except DataCentreFailure:
            pass  # they end with the sandbox

    # ---- libvirtd

    def start_libvirtd(self):
        self._warm_cache()
        self.exec([self.build_dir / "agent/vireo-agent", "forget-starts"])
        self.libvirtd = self.start_program(["/usr/sbin/libvirtd"], "libvirtd")
        process.wait_until(self._libvirtd_answers, 60, f"{self.name}: libvirtd")
        self._keep_cache()

    def kill_libvirtd(self):
        signal_program(self.libvirtd, signal.SIGKILL)
        self.libvirtd.wait()

    def restart_libvirtd(self):
        stop_program(self.libvirtd)
        self.start_libvirtd()

    def _libvirtd_answers(self):
        if self.libvirtd.poll() is not None:
            raise DataCentreFailure(f"{self.name}: libvirtd ended:\n"
                                    f"{process.log_tail(self.log('libvirtd'))}")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.path("/run/libvirt/libvirt-sock")))
                return True
            except OSError:
                return False

    def _warm_cache(self):
        """What libvirtd learnt about QEMU once; it judges itself whether that still holds."""
        own, shared = self._caches()
        if shared.exists() and not own.exists():
            shutil.copytree(shared, own)

    def _keep_cache(self):
        own, shared = self._caches()
        if own.exists() and any(own.iterdir()) and not shared.exists():
            partial = shared.with_name(f"{shared.name}.{os.getpid()}")
            shutil.copytree(own, partial)
            try:
                partial.rename(shared)
            except OSError:
                shutil.rmtree(partial)

    def _caches(self):
        return (self.directory / "var/cache/libvirt/qemu/capabilities",
                self.build_dir / "libvirt-capabilities")

    # ---- the agent

    def enrol(self, manager_url, token, fingerprint):
        """Joins a manager, over the machine's own network: no firewall stands between."""
        self.exec([self.build_dir / "agent/vireo-agent", "enrol", "--manager", manager_url,
                   "--token", token, "--fingerprint", fingerprint, "--name", self.name,
                   "--config", self._agent_config()], own_network=False)

    def is_enrolled(self):
        return (self.directory / AGENT_STATE[1:] / "pki/agent.crt").exists()

    def start_agent(self):
        words = [f"{name}={value}" for name, value in self.agent_environment.items()]
        self.agent = self.start_program(["env", *words, self.build_dir / "agent/vireo-agent",
                                         "--config", self._agent_config()], "agent")

    def stop_agent(self):
        stop_program(self.agent)

    def kill_agent(self):
        signal_program(self.agent, signal.SIGKILL)
        self.agent.wait()

    def restart_agent(self):
        self.stop_agent()
        self.start_agent()

    def make_storage(self, name="local"):
        """A folder for a storage domain on the host's own disk; returns its path in the sandbox."""
        path = f"{STORAGE_DIRECTORY}/{name}"
        folder = self.directory / path[1:]
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, STORAGE_OWNER, STORAGE_OWNER)
        return path

    def _agent_config(self):
        options = {"state_directory": AGENT_STATE, "host_address": self.address,
                   **self.agent_options}
        path = self.directory / "agent.conf"
        path.write_text("".join(f"{name} = {value}\n" for name, value in options.items()))
        return path

    # ---- inside

    def _prepare(self):
        """The files of the host, made at its first start."""
        self.directory.mkdir(parents=True, exist_ok=True)
        record = self.directory / "host.json"
        if record.exists():
            self.record = json.loads(record.read_text())
        else:
            self.record = {"uuid": str(uuid.uuid4()), "link": link.choose(self.owner)}
            record.write_text(json.dumps(self.record))
        etc = self.directory / "etc"
        for folder in ("libvirt", "pki/libvirt-spice"):
            (etc / folder).mkdir(parents=True, exist_ok=True)
        facts = {"name": self.name, "uuid": self.record["uuid"], "address": self.address,
                 "machine_address": self.machine_address}
        for name, text in (("hostname", "{name}\n"), ("hosts", HOSTS),
                           ("libvirt/libvirtd.conf", LIBVIRTD_CONFIG),
                           ("libvirt/qemu.conf", QEMU_CONFIG)):
            (etc / name).write_text(text.format(**facts))
        for name, text in account_files().items():
            (etc / name).write_text(text)
        (etc / "machine-id").write_text(self.record["uuid"].replace("-", "") + "\n")
        (etc / "resolv.conf").write_text("nameserver 10.0.2.3\n" if self.internet else "")
        if NETWORK_FILTERS.exists() and not (etc / "libvirt/nwfilter").exists():
            shutil.copytree(NETWORK_FILTERS, etc / "libvirt/nwfilter")
        agent = self.directory / AGENT_STATE[1:]
        agent.mkdir(parents=True, exist_ok=True)
        (agent / "host-id").write_text(self.record["uuid"] + "\n")

    def start_sandbox(self):
        config = {"name": self.name, "owner": self.owner, "directory": str(self.directory),
                  "cgroup": self.cgroup, "link": self.record["link"], "kvm": self.kvm,
                  "internet": self.internet, "visible": self.visible}
        with self.log("sandbox").open("wb") as errors:
            # Not tied to the driver's death by a signal: it must live to clean up behind it.
            self.sandbox = subprocess.Popen(
                [sys.executable, "-m", "tools.datacentre.sandbox"], cwd=REPOSITORY, bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                start_new_session=True)
        self.sandbox.stdin.write(json.dumps(config).encode() + b"\n")
        answer = self.sandbox.stdout.readline().split()
        if answer[:1] != [b"ready"]:
            self.kill()
            raise DataCentreFailure(f"{self.name} did not start:\n"
                                    f"{process.log_tail(self.log('sandbox'))}")
        self.first_process = int(answer[1])
        (self.directory / "first-process").write_text(f"{self.first_process}\n")


def signal_program(starter, number):
    """nsenter, which the driver started, waits for the program but hands no signal on to it."""
    children = pathlib.Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text().split()
    for one in children or [starter.pid]:
        os.kill(int(one), number)
    os.kill(starter.pid, signal.SIGCONT)  # it stops itself when its program is stopped


def stop_program(starter, seconds=10):
    """SIGTERM, and SIGKILL to what does not heed it."""
    if starter is None or starter.poll() is not None:
        return
    signal_program(starter, signal.SIGTERM)
    try:
        starter.wait(seconds)
    except subprocess.TimeoutExpired:
        signal_program(starter, signal.SIGKILL)
        starter.wait()


def processor_virtualizes():
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return bool(flags) and bool({"vmx", "svm"} & set(flags.group(1).split()))


def account_files():
    """passwd and group: the machine's, but that the host's own names have their own numbers."""
    def machine_lines(name, own):
        lines = pathlib.Path(f"/etc/{name}").read_text().splitlines()
        return [line for line in lines if line.split(":")[0] not in own]

    passwd = machine_lines("passwd", USERS)
    passwd += [f"{name}:x:{number}:{number}:{name}:/var/lib/{name}:/usr/sbin/nologin"
               for name, number in USERS.items()]
    group = machine_lines("group", GROUPS)
    group += [f"{name}:x:{number}:" for name, number in GROUPS.items()]
    return {"passwd": "\n".join(passwd) + "\n", "group": "\n".join(group) + "\n"}
