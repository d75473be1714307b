"""Hosts that exist only in this process: they enrol, listen with TLS and answer VDSM's JSON-RPC.

    storage = FakeStorage()                     # shared by the hosts that are given it
    host = FakeHost("one", storage=storage)
    host.enrol(manager)                         # anything with .url, .token and .context
    host.start()
    host.faults.fail("Volume.create", 205)      # the next call is refused
    host.faults.cut("StorageDomain.attach")     # done, but the connection breaks before the answer
    host.kill(); host.start()                   # the agent dies and comes back
    host.close()

Every host has its own table of verbs (`verbs`), filled from the methods of its class whose names
look like a verb: `Volume_create` answers "Volume.create". A test may put any function there. What
lies on storage is a model in memory, in `FakeStorage`.

All hosts live on one event loop in one thread; thousands of them are possible.
"""

import asyncio
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid

from fake_loop import Loop
from fake_storage import FakeStorage, StorageVerbs, VdsmError

__all__ = ["FakeHost", "FakeStorage", "Faults", "VdsmError"]

EVENTS = "jms.queue.events"


def device_ids(xml):
    """Disks and NICs are known by their aliases."""
    return set(re.findall(r"""<alias name=["']ua-([0-9a-f-]{36})""", xml))


class Faults:
    """What goes wrong with the next calls of a verb. Faults of a verb are used up in order."""

    def __init__(self):
        self._queues = collections.defaultdict(collections.deque)

    def _add(self, verb, times, *fault):
        self._queues[verb].extend([fault] * times)

    def fail(self, verb, code=100, message="provoked", times=1, skip=0):
        """The host refuses, after `skip` calls that go well; nothing is done."""
        self._add(verb, skip, "none")
        self._add(verb, times, "fail", code, message)

    def cut(self, verb, times=1, done=True):
        """The connection breaks instead of an answer, after the work or before it."""
        self._add(verb, times, "cut", done)

    def silence(self, verb, times=1, done=True):
        """No answer ever comes on this connection."""
        self._add(verb, times, "silence", done)

    def repeat(self, verb, times=1):
        """The work is done twice, as when a peer sends a request again."""
        self._add(verb, times, "repeat")

    def delay(self, verb, seconds, times=1):
        self._add(verb, times, "delay", seconds)

    @contextlib.contextmanager
    def held(self, verb, times=1):
        """The host has heard the calls and goes on with them when the block ends."""
        gate = threading.Event()
        self._add(verb, times, "held", gate)
        try:
            yield
        finally:
            gate.set()

    def fail_task(self, verb, code=205, message="provoked", times=1):
        """The verb answers with a task as usual, but the task fails and does nothing."""
        self._add("task:" + verb, times, "fail", code, message)

    def kill(self, verb, times=1, done=True):
        """The agent dies instead of answering; the test starts it again."""
        self._add(verb, times, "kill", done)

    def take(self, verb):
        queue = self._queues.get(verb)
        return queue.popleft() if queue else None

    def clear(self):
        self._queues.clear()

    def left(self):
        """Verbs whose faults have not been used up."""
        return sorted(verb for verb, queue in self._queues.items() if queue)


class Connection:
    """One peer: a STOMP session over TLS."""

    def __init__(self, host, reader, writer):
        self.host, self.reader, self.writer = host, reader, writer
        self.subscriptions = {}  # destination -> id

    async def run(self):
        try:
            while True:
                frame = await self.read_frame()
                if frame is None:
                    break
                self.handle(*frame)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, ValueError):
            pass
        finally:
            self.host.connections.discard(self)
            self.writer.transport.abort()

    async def read_frame(self):
        command = b""
        while not command:  # empty lines are heartbeats
            line = await self.reader.readline()
            if not line:
                return None
            command = line.strip(b"\r\n\0")
        headers = {}
        while True:
            line = (await self.reader.readline()).rstrip(b"\r\n")
            if not line:
                break
            name, _, value = line.decode().partition(":")
            headers.setdefault(name, value)
        if "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
            await self.reader.readexactly(1)
        else:
            body = (await self.reader.readuntil(b"\0"))[:-1]
        return command.decode(), headers, body

    def handle(self, command, headers, body):
        if command == "CONNECT":
            self.write("CONNECTED", {"version": "1.2", "heart-beat": "1000,0"})
            asyncio.ensure_future(self.beat())
        elif command == "SUBSCRIBE":
            self.subscriptions[headers["destination"]] = headers["id"]
        elif command == "SEND":
            message = json.loads(body)
            for one in message if isinstance(message, list) else [message]:
                asyncio.ensure_future(self.host.serve(self, one, headers.get("reply-to")))

    async def beat(self):
        while not self.writer.is_closing():
            await asyncio.sleep(1)
            self.writer.write(b"\n")

    def write(self, command, headers, body=b""):
        if self.writer.is_closing():
            return
        lines = [command] + [f"{name}:{value}" for name, value in headers.items()]
        self.writer.write("\n".join(lines).encode() + b"\n\n" + body + b"\0")

    def send(self, destination, message):
        identity = self.subscriptions.get(destination)
        if identity is None:
            return
        body = json.dumps(message).encode()
        self.write("MESSAGE", {"destination": destination, "content-type": "application/json",
                               "subscription": identity, "content-length": len(body)}, body)


class FakeHost(StorageVerbs):
    task_seconds = 0.02  # how long a storage task takes

    def __init__(self, name, storage=None, address="127.0.0.1", memory_mib=8192, cpus=4):
        self.name, self.address, self.memory_mib, self.cpus = name, address, memory_mib, cpus
        self.id = str(uuid.uuid4())
        self.boot_id = str(uuid.uuid4())
        self.port = 0
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vireo-fake-"))
        self.faults = Faults()
        self.calls = []        # (verb, parameters), oldest first
        self.connections = set()
        self.accepted = 0  # connections, ever
        self.server = None
        self.vms = {}
        self.verbs = {name.replace("_", ".", 1): getattr(self, name) for name in dir(self)
                      if name[0].isupper() and "_" in name}
        self.init_storage(storage or FakeStorage())

    # ---- life

    def enrol(self, manager, cluster="Default"):
        """Joins a data center. `manager` has url ("https://..."), token and context."""
        if not self.port:
            with socket.socket() as probe:
                probe.bind((self.address, 0))
                self.port = probe.getsockname()[1]
        key, request = self.folder / "key.pem", self.folder / "request.pem"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", request,
                        "-subj", f"/CN={self.address}"], check=True, stderr=subprocess.DEVNULL)
        token = self._post(manager, "/vireo/enrolment-token",
                           {"cluster": cluster, "name": self.name}, manager.token)["token"]
        answer = self._post(manager, "/vireo/enrol", {
            "token": token, "host_id": self.id, "name": self.name, "address": self.address,
            "port": self.port, "request": request.read_text()})
        self.id = answer["id"]
        (self.folder / "certificate.pem").write_text(answer["certificate"])
        (self.folder / "authority.pem").write_text(answer["authority"])
        return self

    @staticmethod
    def _post(manager, path, body, token=None):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(manager.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, context=manager.context, timeout=20) as answer:
            return json.load(answer)

    def start(self):
        """Listens; after kill() it comes back with what a restarted agent remembers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "certificate.pem", self.folder / "key.pem")
        context.load_verify_locations(self.folder / "authority.pem")
        context.verify_mode = ssl.CERT_REQUIRED

        async def listen():
            self.server = await asyncio.start_server(self._accepted, self.address, self.port,
                                                     ssl=context, limit=1 << 24)
        Loop.call(listen)
        return self

    async def _accepted(self, reader, writer):
        connection = Connection(self, reader, writer)
        self.connections.add(connection)
        self.accepted += 1
        await connection.run()

    def _die(self):
        if self.server:
            self.server.close()
            self.server = None
        for connection in list(self.connections):
            connection.writer.transport.abort()
        self.connections.clear()

    def kill(self):
        """The agent dies. Tasks that had begun go on where they were when it is back."""
        Loop.call(self._die)

    def reboot(self):
        """The host dies: connections, mounts, the pool, tasks and VMs are forgotten."""
        def forget():
            self._die()
            self.boot_id = str(uuid.uuid4())
            self.vms.clear()
            self.forget_storage()
        Loop.call(forget)

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- calls

    def called(self, verb):
        """Parameters of all calls of a verb so far."""
        return [parameters for name, parameters in self.calls if name == verb]

    async def serve(self, connection, message, reply_to):
        verb, parameters = message.get("method", ""), message.get("params") or {}
        self.calls.append((verb, parameters))
        fault = self.faults.take(verb) or ("none",)
        answer = {"jsonrpc": "2.0", "id": message.get("id")}
        if fault[0] == "delay":
            await asyncio.sleep(fault[1])
        while fault[0] == "held" and not fault[1].is_set():
            await asyncio.sleep(0.01)
        if fault[0] == "fail":
            answer["error"] = {"code": fault[1], "message": fault[2]}
        elif fault[0] not in ("cut", "silence", "kill") or fault[1]:
            for _ in range(2 if fault[0] == "repeat" else 1):
                answer = {"jsonrpc": "2.0", "id": message.get("id"), **self.work(verb, parameters)}
        if fault[0] == "cut":
            connection.writer.transport.abort()
        elif fault[0] == "kill":
            self._die()
        elif fault[0] != "silence":
            connection.send(reply_to, answer)

    def work(self, verb, parameters):
        function = self.verbs.get(verb)
        if not function:
            return {"error": {"code": -32601, "message": f"no verb {verb}"}}
        try:
            result = function(parameters)
        except VdsmError as error:
            return {"error": {"code": error.code, "message": error.message}}
        except Exception as error:  # a hole in the model shows as what it is
            return {"error": {"code": 100, "message": f"{type(error).__name__}: {error}"}}
        return {"result": True if result is None else result}

    def send_event(self, method, parameters):
        """As "|virt|VM_status|ID"."""
        parameters = {**parameters, "notify_time": int(time.monotonic() * 1000)}
        message = {"jsonrpc": "2.0", "method": method, "params": parameters}
        for connection in list(self.connections):
            connection.send(EVENTS, message)

    # ---- the host itself

    def Host_ping(self, _):
        return True

    Host_ping2 = Host_confirmConnectivity = Host_ping

    def Host_getCapabilities(self, _):
        return {
            "software_version": "4.50", "version_name": "Fake", "cpuThreads": str(self.cpus),
            "cpuCores": str(self.cpus), "cpuSockets": "1", "onlineCpus": "0", "cpuSpeed": "2000",
            "cpuModel": "Fake CPU", "cpuFlags": "vmx,model_Nehalem", "memSize": str(self.memory_mib),
            "kvmEnabled": "true", "emulatedMachines": ["pc-q35-rhel8.6.0", "q35"],
            "clusterLevels": ["4.6", "4.7"], "supportedENGINEs": ["4.5"],
            "boot_uuid": self.boot_id, "uuid": self.id, "hooks": {},
            "operatingSystem": {"name": "Fake", "version": "1", "release": "1",
                                "pretty_name": "Fake 1"},
            "packages2": {"libvirt": {"version": "9.0.0", "release": "1"}},
            "nics": {"eth0": {"hwaddr": "52:54:00:00:00:01", "mtu": "1500", "speed": 1000,
                              "addr": self.address, "netmask": "255.0.0.0"}},
            "bridges": {"ovirtmgmt": {"ports": ["eth0"], "mtu": "1500", "addr": self.address}},
            "networks": {"ovirtmgmt": {"iface": "ovirtmgmt", "bridged": True, "mtu": "1500"}},
            "bondings": {}, "vlans": {}, "numaNodes": {}, "selinux": {"mode": "-1"},
        }

    def Host_getHardwareInfo(self, _):
        return {"systemManufacturer": "Vireo", "systemProductName": "Fake", "systemUUID": self.id}

    def Host_getStats(self, _):
        used = sum(vm["memory_mib"] for vm in self.vms.values())
        return {
            "cpuUser": "1.0", "cpuSys": "1.0", "cpuIdle": "98.0", "cpuLoad": "0.1",
            "memFree": str(self.memory_mib - used), "memShared": "0", "swapFree": 0, "swapTotal": 0,
            "vmCount": len(self.vms), "vmActive": len(self.vms), "network": {}, "diskStats": {},
            "bootTime": "1700000000", "storageDomains": self.domain_reports(),
        }

    # ---- VMs

    def _vm(self, parameters):
        if parameters["vmID"] not in self.vms:
            raise VdsmError(1, "Virtual machine does not exist")
        return self.vms[parameters["vmID"]]

    def _vm_stats(self, identity):
        vm = self.vms[identity]
        return {"vmId": identity, "status": vm["status"], "hash": vm["hash"], "cpuUser": "0.0",
                "cpuSys": "0.0", "memUsage": "10", "elapsedTime": "1", "displayInfo": [],
                "exitCode": vm.get("exitCode", 0), "exitMessage": vm.get("exitMessage", ""),
                "exitReason": vm.get("exitReason", 0), "disks": {}, "network": {}, **vm["reports"]}

    def set_vm_status(self, identity, status, **more):
        """Something happens to a VM; the manager hears of it."""
        def change():
            if identity in self.vms:
                self.vms[identity].update(status=status, reports=more, **more)
                self.send_event(f"|virt|VM_status|{identity}",
                                {identity: {"status": status, **more}})
        Loop.get().call_soon_threadsafe(change)

    def VM_create(self, parameters):
        identity = parameters["vmID"]
        if identity in self.vms:
            raise VdsmError(4, "Virtual machine already exists")
        xml = parameters["vmParams"]["xml"]
        self.vms[identity] = {"status": "WaitForLaunch", "xml": xml, "memory_mib": 0, "hash": "1",
                              "devices": device_ids(xml), "modules": set(),
                              "reports": {}}
        fault = self.faults.take("launch")
        if fault:
            Loop.get().call_later(self.task_seconds, lambda: self.set_vm_status(
                identity, "Down", exitCode=1, exitReason=1, exitMessage=fault[2]))
        else:
            Loop.get().call_later(self.task_seconds, self.set_vm_status, identity, "Up")
        return {"vmId": identity, "status": "WaitForLaunch"}

    def VM_destroy(self, parameters):
        self._vm(parameters)
        del self.vms[parameters["vmID"]]

    def VM_getStats(self, parameters):
        self._vm(parameters)
        return [self._vm_stats(parameters["vmID"])]

    def VM_diskSizeExtend(self, parameters):
        self._vm(parameters)
        drive = parameters["driveSpecs"]
        volume = self.storage.volume(drive["domainID"], drive["imageID"], drive["volumeID"])
        volume.capacity = max(volume.capacity, int(parameters["newSize"]))
        return str(volume.capacity)

    def VM_hotplugDisk(self, parameters):
        vm = self._vm(parameters)
        xml = parameters["params"]["xml"]
        if device_ids(xml).isdisjoint(vm["devices"]):
            more = re.search("<devices>(.*)</devices>", xml, re.DOTALL)[1]
            vm["xml"] = vm["xml"].replace("</devices>", f"{more}</devices>")
        vm["devices"] |= device_ids(xml)
        vm["hash"] += "1"
        return {}

    def VM_hotunplugDisk(self, parameters):
        self._vm(parameters)
        self.drop_devices(parameters["vmID"], device_ids(parameters["params"]["xml"]))
        return {}

    def drop_devices(self, vm, ids):
        """The guest has let go of them."""
        vm = self.vms[vm]
        for kind in ("disk", "interface"):
            vm["xml"] = re.sub(f"<{kind} .*?</{kind}>",
                               lambda device: "" if device_ids(device[0]) & ids else device[0],
                               vm["xml"], flags=re.DOTALL)
        vm["devices"] -= ids
        vm["hash"] += "1"

    def VM_updateDevice(self, parameters):
        self._vm(parameters)["hash"] += "1"
        return {}

    VM_hotplugNic, VM_hotunplugNic = VM_hotplugDisk, VM_hotunplugDisk

    def VM_setNumberOfCpus(self, parameters):
        vm = self._vm(parameters)
        vm["xml"] = re.sub(r"(?<=<vcpu current=.)\d+", str(parameters["numberOfCpus"]), vm["xml"])
        vm["hash"] += "1"
        return {}

    def VM_hotplugMemory(self, parameters):
        vm = self._vm(parameters)
        module = parameters["params"]["xml"]
        if not device_ids(module).isdisjoint(vm["modules"]):
            raise VdsmError(70, "the alias is taken")
        vm["modules"] |= device_ids(module)
        more = int(re.search(r"<size>(\d+)<", module)[1])
        vm["xml"] = re.sub(r"(?<=<memory>)\d+", lambda old: str(int(old[0]) + more), vm["xml"])
        vm["hash"] += "1"
        return {}

    def vm_size(self, identity):
        """CPUs and bytes of memory that it really has."""
        xml = self.vms[identity]["xml"]
        return (int(re.search(r"<vcpu current=.(\d+)", xml)[1]),
                int(re.search(r"<memory>(\d+)", xml)[1]) << 10)

    def Host_getVMList(self, _):
        return [{"vmId": identity} for identity in self.vms]

    def Host_getAllVmStats(self, _):
        return [self._vm_stats(identity) for identity in self.vms]

    def Host_dumpxmls(self, parameters):
        return {identity: vm["xml"] for identity, vm in self.vms.items()
                if not parameters.get("vmList") or identity in parameters["vmList"]}


if os.environ.get("FAKE_HOST_DEBUG"):
    _serve = FakeHost.serve

    async def _traced(self, connection, message, reply_to):
        print(self.name, message.get("method"), json.dumps(message.get("params"))[:300], flush=True)
        await _serve(self, connection, message, reply_to)
    FakeHost.serve = _traced
