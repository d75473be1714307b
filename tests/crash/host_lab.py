"""A data centre with a real host, and the question whether inventory, storage and host agree."""

import pathlib
import re
import shutil
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tools.datacentre.datacentre import DataCentre  # noqa: E402
from tools.datacentre.failure import DataCentreFailure  # noqa: E402
from tools.datacentre.process import wait_until  # noqa: E402
from tools.datacentre.rest import RestFault, RestUnreachable  # noqa: E402

GIB = 1 << 30
GUEST = REPOSITORY / "build/guest"
KERNEL = "/var/lib/vireo/boot"


class HostTest(unittest.TestCase):
    """All tests of a class share a data centre. `rest` always speaks to the manager that lives."""

    local = False

    @classmethod
    def setUpClass(cls):
        cls.state = pathlib.Path(tempfile.mkdtemp(prefix="vireo-crash-"))
        cls.addClassCleanup(shutil.rmtree, cls.state, ignore_errors=True)
        cls.centre = DataCentre(cls.state, local=cls.local,
                                manager_options={"host_poll_seconds": 1})
        cls.addClassCleanup(cls.centre.kill)
        cls.before_start()
        cls.centre.start()
        cls.host, cls.rest = cls.centre.host, cls.centre.rest
        cls.facts = {}  # what a kind's functions remember
        cls.data_center = cls.rest.list("/datacenters", search="name=Default")[0]["id"]
        cls.host_id = cls.rest.list("/hosts")[0]["id"]
        cls.first = cls.rest.list("/storagedomains")[0]["id"]

    @classmethod
    def before_start(cls):
        pass

    @classmethod
    def name(cls, noun):
        HostTest.count = getattr(HostTest, "count", 0) + 1
        return f"{noun}{HostTest.count}"

    # ---- waiting

    def wait(self, condition, what, seconds=90):
        return wait_until(condition, seconds, what)

    def wait_ended(self, seconds=120):
        self.wait(lambda: not [job for job in self.rest.list("/jobs")
                               if job["status"] == "started"], "end of all operations", seconds)

    def wait_host(self):
        self.wait(lambda: self.rest.list("/hosts")[0]["status"] == "up", "host up")
        self.wait(lambda: self.rest.list("/hosts")[0]["spm"]["status"] == "spm", "storage managed")

    def is_gone(self, path):
        try:
            self.rest.get(path)
        except RestFault as fault:
            if fault.status == 404:
                return True
            raise
        return False

    def status(self, path):
        return self.rest.get(path)["status"]

    # ---- nouns

    def attached(self, domain=""):
        return f"/datacenters/{self.data_center}/storagedomains/{domain}".rstrip("/")

    def add_domain(self, word="domain"):
        name = self.name(word)
        return self.rest.post("/storagedomains", {
            "name": name, "type": "data", "host": {"id": self.host_id},
            "storage": self.centre.storage(name)})["id"]

    def add_disk(self, size=GIB // 64, **more):
        disk = self.rest.post("/disks", {
            "name": self.name("disk"), "provisioned_size": str(size), "format": "cow",
            "sparse": "true", "storage_domains": {"storage_domain": [{"id": self.first}]},
            **more})["id"]
        return disk

    def wait_disk(self, disk):
        self.wait(lambda: self.status(f"/disks/{disk}") == "ok", "disk ok")
        return disk

    def volumes(self, domain):
        """Image -> set of volumes, as they lie in the domain's folder."""
        root = self.host.directory / "var/lib/vireo/storage"
        found = {}
        for images in root.glob(f"*/{domain}/images/*"):
            found[images.name] = {one.name for one in images.iterdir()
                                  if "." not in one.name}
        return found

    def running(self):
        """Ids of domains that libvirt has."""
        return set(self.host.virsh("list", "--uuid").split())

    def add_vm(self, disks=()):
        vm = self.rest.post("/vms", {
            "name": self.name("vm"), "cluster": {"name": "Default"}, "template": {"name": "Blank"},
            "memory": str(256 << 20), "memory_policy": {"guaranteed": str(128 << 20)},
            "display": {"type": "vnc"},
            "os": {"kernel": f"{KERNEL}/vmlinuz", "initrd": f"{KERNEL}/initrd.img",
                   "cmdline": "console=ttyS0"}})["id"]
        for disk in disks:
            self.attach(vm, disk)
        return vm

    def attach(self, vm, disk):
        self.rest.post(f"/vms/{vm}/diskattachments", {
            "active": "true", "interface": "virtio", "bootable": "false", "disk": {"id": disk}})

    def add_nic(self, vm):
        profile = self.rest.list("/vnicprofiles", search="name=ovirtmgmt")[0]["id"]
        return self.rest.post(f"/vms/{vm}/nics", {"name": "nic1",
                                                  "vnic_profile": {"id": profile}})["id"]

    def iso(self):
        """A disk that CD drives take, always the same."""
        if "iso" not in self.facts:
            self.facts["iso"] = self.wait_disk(self.add_disk(
                format="raw", sparse="true", content_type="iso"))
        return self.facts["iso"]

    def put_cd(self, vm, disk):
        """In the drive at the next start."""
        drive = self.rest.list(f"/vms/{vm}/cdroms")[0]["id"]
        self.rest.put(f"/vms/{vm}/cdroms/{drive}", {"file": {"id": disk}})

    def give_kernel(self):
        folder = self.host.directory / KERNEL[1:]
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("vmlinuz", "initrd.img"):
            shutil.copy(GUEST / name, folder / name)

    def start_vm(self, vm, states=("up",)):
        self.rest.post(f"/vms/{vm}/start")
        self.wait(lambda: self.status(f"/vms/{vm}") in states, "VM up", 180)
        self.wait_ended()  # else the VM may still be locked

    # ---- agreeing

    def disagreements(self):
        """What inventory, storage and host do not agree about, in words."""
        yield from self._about_disks()
        vms = {vm["id"]: vm for vm in self.rest.list("/vms")}
        up = {vm for vm, row in vms.items() if row["status"] != "down"}
        if up != self.running():
            yield f"VMs {up}, domains {self.running()}"
            return
        used = {"iso"}
        for vm in up:
            yield from self._about_vm(vms[vm], used)
        yield from self._about_leftovers(up, used)

    def _about_disks(self):
        known = {}
        for identity, disk in ((disk["id"], disk) for disk in self.rest.list("/disks")):
            known.setdefault(disk["storage_domains"]["storage_domain"][0]["id"], {})[identity] = \
                {disk["image_id"]}
            if disk["status"] != "ok":
                yield f"disk {disk['name']} is {disk['status']}"
        for domain in self.rest.list("/storagedomains"):
            real = self.volumes(domain["id"])
            if real != known.get(domain["id"], {}):
                yield f"disks {known.get(domain['id'], {})}, volumes {real}"

    def _about_vm(self, vm, used):
        path = f"/vms/{vm['id']}"
        domain = self.definition(vm["id"])
        active = {row["id"] for row in self.rest.list(f"{path}/diskattachments")
                  if row["active"] == "true"}
        if active != set(domain["disks"]):
            yield f"VM {vm['name']} has the disks {active}, really {domain['disks']}"
        nics = {row["mac"]["address"]: row["linked"] == "true"
                for row in self.rest.list(f"{path}/nics") if row["plugged"] == "true"}
        if nics != domain["nics"]:
            yield f"VM {vm['name']} has the interfaces {nics}, really {domain['nics']}"
        drives = [row.get("file", {}).get("id") for row in
                  self.rest.list(f"{path}/cdroms", current="true")]
        if drives != domain["cds"][:1]:
            yield f"VM {vm['name']} has the CD {drives}, really {domain['cds']}"
        if (vm["status"] == "paused") != domain["paused"]:
            yield f"VM {vm['name']} is {vm['status']}, really paused: {domain['paused']}"
        used.update(domain["disks"], domain["cds"])

    def _about_leftovers(self, up, used):
        """What the agent keeps on its host for VMs that run, and for nothing else."""
        records = self.names("/var/lib/vireo/agent/vms")
        if records != {f"{vm}.json" for vm in up}:
            yield f"VMs {up}, the agent's records {records}"
        payloads = self.names("/run/vireo/agent/payload")
        if not payloads <= {f"{vm}.iso" for vm in up}:
            yield f"VMs {up}, made CDs {payloads}"
        links = {link.name for link in self.host.path("/run/vdsm/storage").glob("*/*")}
        if not links <= used:
            yield f"images used {used}, prepared {links}"
        yield from self._about_unfinished()
        emulators = len(self.host.processes("qemu-system-x86_64"))
        if emulators != len(up):
            yield f"{len(up)} VMs, {emulators} QEMU processes"

    def _about_unfinished(self):
        """What was being written when somebody died, and what was half made or removed."""
        agent = self.host.path("/run/vireo/agent"), self.host.path("/var/lib/vireo/agent")
        found = [file for folder in agent for file in folder.rglob("*.new")]
        # A probe's file has one name for each host: its next probe removes it.
        found += [file for file in (self.host.directory / "var/lib/vireo/storage").rglob("*")
                  if file.name.startswith((".", "_")) and not file.name.startswith(".probe-") or
                  file.name.endswith(".new")]
        if found:
            yield f"unfinished: {[str(file) for file in found]}"
        tickets = self.names("/run/vireo/agent/tickets")
        if tickets:
            yield f"image tickets {tickets}"
        servers = self.names("/run/vireo/agent/nbd"), self.host.processes("qemu-nbd")
        if any(servers):
            yield f"files of image servers {servers[0]}, their processes {servers[1]}"
        tasks = self.names("/var/lib/vireo/agent/storage/tasks")
        if tasks:
            yield f"tasks {tasks}"

    def names(self, folder):
        path = self.host.path(folder)
        return {one.name for one in path.iterdir()} if path.exists() else set()

    def definition(self, vm):
        """What libvirt says of a running VM: images of disks and CDs, interfaces, pause."""
        root = xml.etree.ElementTree.fromstring(self.host.virsh("dumpxml", vm))
        found = {"disks": [], "cds": [], "nics": {}}
        for disk in root.findall("devices/disk"):
            source = disk.find("source")
            file = source.get("file", "") if source is not None else ""
            if disk.get("device") == "cdrom":
                image = re.search("/images/([0-9a-f-]{36})/", file)
                found["cds"].append(image[1] if image else None)
            else:
                found["disks"].append(disk.findtext("serial"))
        for nic in root.findall("devices/interface"):
            link = nic.find("link")
            found["nics"][nic.find("mac").get("address")] = \
                link is None or link.get("state") != "down"
        found["paused"] = self.host.virsh("domstate", vm).strip() == "paused"
        return found

    def check_agreement(self, seconds=30):
        self.wait_ended()
        end = time.monotonic() + seconds
        problems = self._problems()
        while problems and time.monotonic() < end:
            time.sleep(0.3)
            problems = self._problems()
        self.assertEqual(problems, [])

    def _problems(self):
        try:
            return list(self.disagreements())
        except DataCentreFailure as failure:  # what was looked at has just ended
            return [str(failure)]


__all__ = ["GIB", "GUEST", "REPOSITORY", "HostTest", "RestFault",
           "RestUnreachable"]
