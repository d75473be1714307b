"""A whole data centre on this machine: a manager, a host in a sandbox, a storage domain."""

import fcntl
import json
import os
import pathlib

from .failure import DataCentreFailure
from .host import Host
from .manager import USER, Manager, free_port, write_private
from .process import log_tail, require_root, wait_until

CLUSTER = DATA_CENTER = "Default"
STORAGE = "local"
NETWORK = "ovirtmgmt"


class DataCentre:
    """`tell` is called with a line for each step. local=False gives a data center of shared storage,
    on folders that are bind-mounted.

    Everything is under `state_dir`; a second start finds it all again."""

    await_seconds = 60  # at later starts

    def __init__(self, state_dir, port=None, build_dir=None, kvm=None, internet=False,
                 manager_options=None, agent_options=None, local=True, tell=lambda line: None):
        self.state = pathlib.Path(state_dir).resolve()
        self.tell = tell
        self.local = local
        self.port = port or self._remembered("port") or free_port()
        proxy_port = self._remembered("proxy_port") or free_port()
        self.manager = Manager(self.state, self.port, build_dir,
                               {"proxy_port": proxy_port, **(manager_options or {})})
        self.host = Host(self.state, 1, build_dir, kvm, internet, agent_options)
        self.rest = None
        self.ready = False
        self.lock = None

    @property
    def connection_file(self):
        return self.state / "connection.json"

    @property
    def connection(self):
        """How clients reach the manager; what connection.json says."""
        return {"url": f"{self.manager.url}/ovirt-engine/api", "user": USER,
                "password": self.manager.password, "ca_file": str(self.manager.ca_file),
                "ready": self.ready}

    # ---- life

    def start(self):
        require_root()
        self._lock()
        is_new = not self._remembered("built")
        self._remember(port=self.port, proxy_port=self.manager.options["proxy_port"])
        self.connection_file.unlink(missing_ok=True)
        try:
            self._start(is_new)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        """Guests end with the host; what they wrote and what the manager knows stays."""
        if self.lock is None:
            return
        self.rest = None
        self.ready = False
        if self.connection_file.exists():
            self._tell_programs()
        self.host.stop()
        self.manager.stop()
        self._unlock()

    def kill(self):
        """Everything dies at once, as in a power failure."""
        self.rest = None
        self.ready = False
        self.host.kill()
        self.manager.kill()
        self._unlock()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def restart_dead(self):
        """Starts programs again that ended by themselves, as systemd would; names them."""
        restarted = []
        if self.manager.process.poll() is not None:
            self.manager.start()
            restarted.append("vireod")
        if self.host.sandbox.poll() is not None:
            raise DataCentreFailure(f"The sandbox of {self.host.name} has died.")
        if self.host.libvirtd.poll() is not None:
            self.host.start_libvirtd()
            restarted.append("libvirtd")
        if self.host.agent.poll() is not None:
            self.host.start_agent()
            restarted.append("vireo-agent")
        return restarted

    def _check_alive(self):
        """While it comes up nothing may end by itself."""
        for name, program, log in (("vireod", self.manager.process, self.manager.log),
                                   ("vireo-agent", self.host.agent, self.host.log("agent"))):
            if program.poll() is not None:
                raise DataCentreFailure(f"{name} ended with code {program.returncode}:\n"
                                        f"{log_tail(log)}")

    # ---- the way up

    def _start(self, is_new):
        self.tell("starting the host's sandbox and its libvirtd")
        self.host.start()
        self.tell(f"starting the manager on port {self.port}")
        self.manager.start()
        rest = self.manager.login()
        if is_new:
            self._build(rest)
            self._remember(built=True)
        else:
            self.tell("starting the host's agent")
            self.host.start_agent()
            self._await(rest)
        self.rest = rest
        self.look()
        self._tell_programs()

    def look(self):
        """Ready: virtual machines could be started. The way up waits for it; after a later start a
        person may first have to end a maintenance."""
        try:
            if not self.ready and not self._missing(self.rest):
                self.ready = True
                self._tell_programs()
        except DataCentreFailure:
            pass  # the manager may be starting again just now
        return self.ready

    def _tell_programs(self):
        write_private(self.connection_file, json.dumps(self.connection, indent=4) + "\n")

    def _build(self, rest):
        """Every step looks first, so one that was interrupted is taken up again."""
        data_center = self._named(rest, "/datacenters", DATA_CENTER)
        rest.put(f"/datacenters/{data_center['id']}", {"local": "true" if self.local else "false"})
        if not self.host.is_enrolled():
            self.tell(f"enrolling {self.host.name} at {self.host.address}")
            ticket = rest.post_own("/vireo/enrolment-token",
                                   {"cluster": CLUSTER, "name": self.host.name})
            self.host.enrol(f"https://127.0.0.1:{self.port}", ticket["token"],
                            ticket["fingerprint"])
        self.tell("starting the host's agent")
        self.host.start_agent()
        host = self._wait_for(rest, "/hosts", self.host.name, "up")
        self._add_storage(rest, data_center["id"], host["id"])
        self._wait(rest, 180)

    def _add_storage(self, rest, data_center, host):
        attached = f"/datacenters/{data_center}/storagedomains"
        domain = self._named(rest, "/storagedomains", STORAGE)
        if not domain:
            self.tell("making the storage domain")
            domain = rest.post("/storagedomains", {
                "name": STORAGE, "type": "data", "host": {"id": host},
                "storage": self.storage()})
        if not self._named(rest, attached, STORAGE):
            rest.post(attached, {"id": domain["id"]})
        self._wait_for(rest, attached, STORAGE, "active")

    def storage(self, name="local"):
        """A new folder of the host, as the API describes storage: shared storage is mounted."""
        path = self.host.make_storage(name)
        return {"type": "localfs", "path": path} if self.local else \
            {"type": "posixfs", "path": path, "vfs_type": "bind"}

    def _await(self, rest):
        """At a later start a person may have left things in maintenance: that is told, no more."""
        self.tell("waiting for the host, its storage and its network")
        try:
            self._wait(rest, self.await_seconds)
        except DataCentreFailure as failure:
            self.tell(f"note: {failure}")

    def _wait(self, rest, seconds):
        missing = []

        def look():
            nonlocal missing
            self._check_alive()
            missing = self._missing(rest)
            return not missing

        try:
            wait_until(look, seconds, "The data centre")
        except DataCentreFailure as failure:
            raise DataCentreFailure(f"{failure} ({', '.join(missing)})") from None

    def _missing(self, rest):
        """What is not as it must be for virtual machines, in words."""
        rows = [(path, name, status, self._named(rest, path, name)) for path, name, status in (
            ("/hosts", self.host.name, "up"), ("/datacenters", DATA_CENTER, "up"))]
        center = rows[-1][-1]
        for path, name, status in (("storagedomains", STORAGE, "active"),
                                   ("networks", NETWORK, None)) if center else ():
            path = f"/datacenters/{center['id']}/{path}"
            rows.append((path, name, status, self._named(rest, path, name)))
        missing = [f"{name} is {row and row.get('status')}" for _, name, status, row in rows
                   if not row or status and row.get("status") != status]
        bridge = self.host.agent_options.get("network", NETWORK)
        if bridge and not self.host.path(f"/sys/class/net/{bridge}").exists():
            missing.append(f"{self.host.name} has no bridge {bridge}")
        return missing

    @staticmethod
    def _named(rest, path, name):
        return next((row for row in rest.list(path) if row["name"] == name), None)

    def _wait_for(self, rest, path, name, status, seconds=180):
        """The object `name` of a collection, once it has the status."""
        seen = None

        def look():
            nonlocal seen
            self._check_alive()
            row = self._named(rest, path, name)
            seen = row and row.get("status")
            return row if seen == status else None

        try:
            return wait_until(look, seconds, f"{path[1:]}: {name} {status}")
        except DataCentreFailure as failure:
            raise DataCentreFailure(f"{failure} (it is {seen})") from None

    # ---- what is remembered

    @property
    def _memory(self):
        return self.state / "datacentre.json"

    def _remembered(self, name):
        return json.loads(self._memory.read_text()).get(name) if self._memory.exists() else None

    def _remember(self, **facts):
        known = json.loads(self._memory.read_text()) if self._memory.exists() else {}
        write_private(self._memory, json.dumps({**known, **facts}) + "\n")

    def _lock(self):
        self.state.mkdir(parents=True, exist_ok=True)
        self.lock = os.open(self.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            raise DataCentreFailure(f"A data centre with the state in {self.state} runs already.") \
                from None

    def _unlock(self):
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None
