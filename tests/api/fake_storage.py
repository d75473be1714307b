"""The storage of fake hosts: domains, images and volumes in memory, and the verbs about them."""

import dataclasses
import time
import uuid

from fake_loop import Loop

ZERO = "00000000-0000-0000-0000-000000000000"
GIB = 1 << 30
TYPES = {1: "NFS", 4: "LOCALFS", 6: "POSIXFS"}


class VdsmError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


@dataclasses.dataclass
class Volume:
    format: str
    allocation: str
    capacity: int
    disk_type: str = "DATA"
    description: str = ""
    legality: str = "LEGAL"
    parent: str = ZERO
    used: int = 0
    compat: str = "1.1"
    broken: bool = False  # what lies in it is not what its metadata says
    in_use: bool = False  # a guest writes it


@dataclasses.dataclass
class Domain:
    id: str
    name: str
    type: str
    path: str
    version: int = 5
    pools: list = dataclasses.field(default_factory=list)
    role: str = "Regular"
    master_version: int = 0
    images: dict = dataclasses.field(default_factory=dict)  # image -> {volume -> Volume}


class FakeStorage:
    """What several hosts may reach: servers by their connection text, each with domains."""

    def __init__(self, total=100 * GIB):
        self.total = total
        self.paths = {}        # connection -> {domain id -> Domain}
        self.unreachable = set()
        self.spm_of = {}       # pool -> host name: who holds the lease

    def serve(self, path):
        """A directory or export that hosts can connect to."""
        self.paths.setdefault(path, {})
        return path

    def domain(self, identity):
        for domains in self.paths.values():
            if identity in domains:
                return domains[identity]
        raise VdsmError(358, f"Storage domain does not exist: {identity}")

    def volume(self, domain, image, volume):
        volumes = self.domain(domain).images.get(image)
        if not volumes or volume not in volumes:
            raise VdsmError(201, f"Volume does not exist: {volume}")
        return volumes[volume]

    def used(self, domain):
        return sum(v.used for volumes in self.domain(domain).images.values()
                   for v in volumes.values())


class StorageVerbs:
    """Mixed into FakeHost: storage, tasks, tickets and NBD servers of one host."""

    connection_message = {}  # {"message": ...}: why servers can't be reached; VDSM tells nothing

    def init_storage(self, storage):
        self.storage = storage
        self.connected = set()   # servers
        self.pool = None         # {id, host, master, version, domains: {id: status}}
        self.spm = self.contending = False
        self.tasks = {}
        self.tickets = {}
        self.nbd_servers = {}

    def forget_storage(self):
        storage = self.storage
        if self.pool and storage.spm_of.get(self.pool["id"]) == self.name:
            del storage.spm_of[self.pool["id"]]
        self.init_storage(storage)

    def domain_reports(self):
        domains = self.pool["domains"] if self.pool else {}
        return {identity: {"code": 0, "lastCheck": "0.5", "delay": "0.001", "valid": True,
                           "acquired": True, "version": 5, "actual": True}
                for identity, status in domains.items() if status == "active"}

    # ---- servers

    def StoragePool_connectStorageServer(self, p):
        answers = []
        for one in p["connectionParams"]:
            path = one["connection"]
            good = path in self.storage.paths and path not in self.storage.unreachable
            if good:
                self.connected.add(path)
            answers.append({"id": one["id"], "status": 0} if good else
                           {"id": one["id"], "status": 477, **self.connection_message})
        return answers

    def StoragePool_disconnectStorageServer(self, p):
        for one in p["connectionParams"]:
            self.connected.discard(one["connection"])
        return [{"id": one["id"], "status": 0} for one in p["connectionParams"]]

    def _domain(self, p, name="storagedomainID"):
        domain = self.storage.domain(p[name])
        if domain.path not in self.connected or domain.path in self.storage.unreachable:
            raise VdsmError(358, f"Storage domain does not exist: {p[name]}")
        return domain

    # ---- domains

    def StorageDomain_create(self, p):
        path = p["typeArgs"]
        if path not in self.connected:
            raise VdsmError(360, f"{path} is not connected")
        if p["storagedomainID"] in self.storage.paths[path]:
            raise VdsmError(365, f"Domain {p['storagedomainID']} is there already")
        if self.storage.paths[path]:
            raise VdsmError(361, f"{path} holds a domain already")
        self.storage.paths[path][p["storagedomainID"]] = Domain(
            p["storagedomainID"], p["name"], TYPES[p["domainType"]], path, p.get("version", 5))

    def StorageDomain_getInfo(self, p):
        domain = self._domain(p)
        return {"uuid": domain.id, "type": domain.type, "class": "Data", "name": domain.name,
                "role": domain.role, "pool": list(domain.pools), "version": str(domain.version),
                "master_ver": domain.master_version, "lver": -1, "spm_id": -1,
                "remotePath": domain.path, "block_size": 512, "alignment": 1048576}

    def StorageDomain_getStats(self, p):
        domain = self._domain(p)
        return {"disktotal": str(self.storage.total),
                "diskfree": str(self.storage.total - self.storage.used(domain.id)),
                "mdasize": 0, "mdathreshold": True, "mdavalid": True, "mdafree": 0}

    def StorageDomain_setDescription(self, p):
        self._domain(p).name = p["description"]

    def StorageDomain_format(self, p):
        domain = self._domain(p)
        if domain.pools:
            raise VdsmError(391, f"Domain {domain.id} is attached")
        del self.storage.paths[domain.path][domain.id]

    def Host_getStorageDomains(self, p):
        path = p.get("remotePath")
        return [identity for where, domains in self.storage.paths.items()
                if where in self.connected and (not path or where == path) for identity in domains]

    def _spm(self, p):
        if not self.pool or self.pool["id"] != p["storagepoolID"]:
            raise VdsmError(309, f"Unknown pool: {p['storagepoolID']}")
        if not self.spm:
            raise VdsmError(654, f"Not the manager of pool {p['storagepoolID']}")
        return self.pool

    def StorageDomain_attach(self, p):
        pool, domain = self._spm(p), self._domain(p)
        if domain.pools and pool["id"] not in domain.pools:
            raise VdsmError(380, f"Domain {domain.id} is in pool {domain.pools[0]}")
        domain.pools = [pool["id"]]
        pool["domains"].setdefault(domain.id, "attached")

    def StorageDomain_activate(self, p):
        pool, domain = self._spm(p), self._domain(p)
        if pool["id"] not in domain.pools:
            raise VdsmError(353, f"Domain {domain.id} is not in the pool")
        pool["domains"][domain.id] = "active"
        return {"status": "Active"}

    def StorageDomain_deactivate(self, p):
        pool = self._spm(p)
        domain, new = p["storagedomainID"], p["masterSdUUID"]
        if domain not in pool["domains"]:
            raise VdsmError(353, f"Domain {domain} is not in the pool")
        if domain == pool["master"] and new != ZERO and new != domain:
            if int(p["masterVersion"]) <= pool["version"]:
                raise VdsmError(324, "The version of the master does not grow")
            self.storage.domain(domain).role = "Regular"
            self.storage.domain(new).role = "Master"
            pool["master"], pool["version"] = new, int(p["masterVersion"])
            self.storage.domain(new).master_version = pool["version"]
        if domain != pool["master"]:
            pool["domains"][domain] = "attached"

    def StorageDomain_detach(self, p):
        domain = self._domain(p)
        if p["storagepoolID"] == ZERO and p.get("force"):
            domain.pools, domain.role = [], "Regular"
            return
        pool = self._spm(p)
        if pool["id"] not in domain.pools:
            raise VdsmError(353, f"Domain {domain.id} is not in the pool")
        if domain.id == pool["master"]:
            raise VdsmError(383, "The master can't be detached")
        if pool["domains"].get(domain.id) == "active":
            raise VdsmError(382, f"Domain {domain.id} is active")
        domain.pools = []
        pool["domains"].pop(domain.id, None)

    # ---- pools

    def StoragePool_create(self, p):
        domain = self._domain(p, "masterSdUUID")
        if domain.pools:
            raise VdsmError(380, f"Domain {domain.id} is in pool {domain.pools[0]}")
        domain.pools, domain.role = [p["storagepoolID"]], "Master"
        domain.master_version = p["masterVersion"]

    def StoragePool_connect(self, p):
        master = self._domain(p, "masterSdUUID")
        if master.role != "Master" or p["storagepoolID"] not in master.pools or \
                master.master_version != p["masterVersion"]:
            raise VdsmError(324, f"Wrong master: {master.id}")
        if self.pool and self.pool["id"] != p["storagepoolID"]:
            raise VdsmError(323, f"Connected to pool {self.pool['id']}")
        self.pool = {"id": p["storagepoolID"], "host": p["hostID"], "master": master.id,
                     "version": p["masterVersion"], "domains": dict(p["domainDict"])}

    def StoragePool_disconnect(self, p):
        if not self.pool or self.pool["id"] != p["storagepoolID"]:
            return
        if self.spm:
            raise VdsmError(656, "This host manages the pool")
        self.pool = None

    def StoragePool_getInfo(self, p):
        if not self.pool or self.pool["id"] != p["storagepoolID"]:
            raise VdsmError(309, f"Unknown pool: {p['storagepoolID']}")
        return {"info": {"master_uuid": self.pool["master"], "master_ver": self.pool["version"],
                         "spm_id": self.pool["host"] if self.spm else -1,
                         "pool_status": "connected"},
                "dominfo": {identity: {"status": status.capitalize(), "diskfree": "1",
                                       "disktotal": "1", "alerts": [], "version": 5}
                            for identity, status in self.pool["domains"].items()}}

    def StoragePool_getSpmStatus(self, p):
        if not self.pool or self.pool["id"] != p["storagepoolID"]:
            raise VdsmError(309, f"Unknown pool: {p['storagepoolID']}")
        status = "SPM" if self.spm else "Contend" if self.contending else "Free"
        return {"spmStatus": status, "spmLver": 1,
                "spmId": self.pool["host"] if self.spm else -1}

    def StoragePool_spmStart(self, p):
        pool = p["storagepoolID"]
        if not self.pool or self.pool["id"] != pool:
            raise VdsmError(309, f"Unknown pool: {pool}")
        if self.spm or self.contending:
            raise VdsmError(656, "This host manages the pool")
        self.contending = True

        def acquire():
            if self.storage.spm_of.setdefault(pool, self.name) != self.name:
                raise VdsmError(651, f"{self.storage.spm_of[pool]} holds the lease")
            self.spm = True
        return self.task("StoragePool.spmStart", acquire)

    def StoragePool_spmStop(self, p):
        if not self.pool or self.pool["id"] != p["storagepoolID"]:
            raise VdsmError(309, f"Unknown pool: {p['storagepoolID']}")
        if any(task["state"] == "running" for task in self.tasks.values()):
            raise VdsmError(406, "A task is running")
        self.spm = False
        self.storage.spm_of.pop(p["storagepoolID"], None)

    # ---- tasks

    def task(self, verb, work):
        """Runs `work` a little later, as a task; returns its id."""
        identity = str(uuid.uuid4())
        fault = self.faults.take("task:" + verb)
        task = self.tasks[identity] = {"state": "running", "result": "", "code": 0, "message": "",
                                       "verb": verb}

        def end():
            self.contending = self.contending and verb != "StoragePool.spmStart"
            if task["state"] != "running":
                return
            task.update(state="finished", result="success")
            try:
                if fault:
                    raise VdsmError(fault[1], fault[2])
                work()
            except VdsmError as error:
                task.update(result="cleanSuccess", code=error.code, message=error.message)
        Loop.get().call_later(self.task_seconds, end)
        return identity

    def _task(self, p):
        if p["taskID"] not in self.tasks:
            raise VdsmError(401, f"Unknown task: {p['taskID']}")
        return self.tasks[p["taskID"]]

    def Task_getStatus(self, p):
        task = self._task(p)
        return {"taskID": p["taskID"], "taskState": task["state"], "taskResult": task["result"],
                "code": task["code"], "message": task["message"]}

    def Task_clear(self, p):
        self._task(p)
        del self.tasks[p["taskID"]]

    def Task_stop(self, p):
        task = self._task(p)
        if task["state"] == "running":
            task.update(state="finished", result="cleanSuccess", code=411, message="aborted")

    def Host_getAllTasksStatuses(self, _):
        return {identity: self.Task_getStatus({"taskID": identity}) for identity in self.tasks}

    # ---- volumes

    def Volume_create(self, p):
        self._spm(p)
        domain = self._domain(p)

        def create():
            volumes = domain.images.setdefault(p["imageID"], {})
            if p["volumeID"] in volumes:
                raise VdsmError(212, f"Volume already exists: {p['volumeID']}")
            size = (int(p["size"]) + 4095) // 4096 * 4096
            sparse = p["preallocate"] == 2
            raw = p["volFormat"] == 5
            used = size if not sparse else 4096 if raw else 196616
            if used > self.storage.total - self.storage.used(domain.id):
                raise VdsmError(205, "No space left on device")
            volumes[p["volumeID"]] = Volume(
                "RAW" if raw else "COW", "SPARSE" if sparse else "PREALLOCATED", size,
                p["diskType"], p["desc"], "LEGAL" if p.get("legal", True) else "ILLEGAL", used=used)
        return self.task("Volume.create", create)

    def _volume(self, p):
        self._domain(p)
        return self.storage.volume(p["storagedomainID"], p["imageID"], p["volumeID"])

    def Volume_getInfo(self, p):
        volume = self._volume(p)
        return {"uuid": p["volumeID"], "image": p["imageID"], "domain": p["storagedomainID"],
                "format": volume.format, "type": volume.allocation, "voltype": "LEAF",
                "capacity": str(volume.capacity), "apparentsize": str(volume.used),
                "truesize": str(volume.used), "legality": volume.legality, "parent": volume.parent,
                "status": "OK" if volume.legality == "LEGAL" else "ILLEGAL",
                "description": volume.description, "disktype": volume.disk_type, "mtime": "0",
                "ctime": str(int(time.time())), "generation": 0, "children": []}

    def Volume_getQemuImageInfo(self, p):
        volume = self._volume(p)
        info = {"format": "raw" if volume.format == "RAW" else "qcow2",
                "virtualsize": volume.capacity}
        return info if volume.format == "RAW" else {**info, "compat": volume.compat}

    def Volume_setLegality(self, p):
        self._spm(p)
        self._volume(p).legality = p["legality"]

    def Volume_setDescription(self, p):
        self._spm(p)
        self._volume(p).description = p["description"]

    def Volume_extendSize(self, p):
        self._spm(p)
        volume = self._volume(p)

        def extend():
            if not volume.in_use:
                volume.capacity = max(volume.capacity, int(p["newSize"]))
                if volume.allocation == "PREALLOCATED":
                    volume.used = volume.capacity
        return self.task("Volume.extendSize", extend)

    def Volume_verify_untrusted(self, p):
        if self._volume(p).broken:
            raise VdsmError(225, "The image is not what it should be")

    def Image_delete(self, p):
        self._spm(p)
        domain = self._domain(p)
        if p["imageID"] not in domain.images:
            raise VdsmError(268, f"Image does not exist in domain: {p['imageID']}")

        def delete():
            domain.images.pop(p["imageID"], None)
        return self.task("Image.delete", delete)

    def Image_prepare(self, p):
        self._volume(p)
        return {"path": f"/fake/{p['storagedomainID']}/{p['imageID']}/{p['volumeID']}"}

    def Image_teardown(self, p):
        return None

    # ---- NBD servers and tickets

    def NBD_start_server(self, p):
        config = p["config"]
        self.storage.volume(config["sd_id"], config["img_id"], config["vol_id"])
        known = self.nbd_servers.setdefault(p["server_id"], config)
        if known != config:
            raise VdsmError(915, "Another server with this id runs")
        return f"nbd:unix:/run/fake/{p['server_id']}.sock"

    def NBD_stop_server(self, p):
        self.nbd_servers.pop(p["server_id"], None)

    def Host_add_image_ticket(self, p):
        ticket = p["ticket"]
        self.tickets[ticket["uuid"]] = {**ticket, "expires": time.monotonic() + ticket["timeout"],
                                        "transferred": 0, "active": False, "idle_time": 0}

    def _ticket(self, p):
        ticket = self.tickets.get(p["uuid"])
        if not ticket or ticket["expires"] < time.monotonic():
            raise VdsmError(482, f"No such ticket: {p['uuid']}")
        return ticket

    def Host_extend_image_ticket(self, p):
        self._ticket(p)["expires"] = time.monotonic() + p["timeout"]

    def Host_get_image_ticket(self, p):
        ticket = self._ticket(p)
        return {"uuid": p["uuid"], "size": ticket["size"], "url": ticket["url"],
                "ops": ticket["ops"], "active": ticket["active"], "canceled": False,
                "transferred": ticket["transferred"], "idle_time": ticket["idle_time"],
                "expires": int(ticket["expires"]), "timeout": ticket["timeout"]}

    def Host_remove_image_ticket(self, p):
        self.tickets.pop(p["uuid"], None)
