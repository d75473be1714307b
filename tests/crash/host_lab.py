"""A data centre with a real host, and the question whether inventory, storage and host agree."""

import pathlib
import re
import shutil
import sys
import tempfile
import time
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tools.datacentre.datacentre import DataCentre  # noqa: E402
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
        cls.centre.start()
        cls.host, cls.rest = cls.centre.host, cls.centre.rest
        cls.count = 0
        cls.data_center = cls.rest.list("/datacenters", search="name=Default")[0]["id"]
        cls.host_id = cls.rest.list("/hosts")[0]["id"]
        cls.first = cls.rest.list("/storagedomains")[0]["id"]

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

    def targets(self, vm):
        """Serial numbers of the disks of a running VM."""
        return set(re.findall(r"<serial>([0-9a-f-]{36})</serial>", self.host.virsh("dumpxml", vm)))

    def add_vm(self, disks=()):
        vm = self.rest.post("/vms", {
            "name": self.name("vm"), "cluster": {"name": "Default"}, "template": {"name": "Blank"},
            "memory": str(256 << 20), "memory_policy": {"guaranteed": str(128 << 20)},
            "os": {"kernel": f"{KERNEL}/vmlinuz", "initrd": f"{KERNEL}/initrd.img",
                   "cmdline": "console=ttyS0"}})["id"]
        for disk in disks:
            self.attach(vm, disk)
        return vm

    def attach(self, vm, disk):
        self.rest.post(f"/vms/{vm}/diskattachments", {
            "active": "true", "interface": "virtio", "bootable": "false", "disk": {"id": disk}})

    def give_kernel(self):
        folder = self.host.directory / KERNEL[1:]
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("vmlinuz", "initrd.img"):
            shutil.copy(GUEST / name, folder / name)

    def start_vm(self, vm, states=("up",)):
        self.rest.post(f"/vms/{vm}/start")
        self.wait(lambda: self.status(f"/vms/{vm}") in states, "VM up", 180)

    # ---- agreeing

    def disagreements(self):
        """What inventory, storage and host do not agree about, in words."""
        disks = {disk["id"]: disk for disk in self.rest.list("/disks")}
        known = {}
        for identity, disk in disks.items():
            known.setdefault(disk["storage_domains"]["storage_domain"][0]["id"], {})[identity] = \
                {disk["image_id"]}
            if disk["status"] != "ok":
                yield f"disk {disk['name']} is {disk['status']}"
        for domain in self.rest.list("/storagedomains"):
            real = self.volumes(domain["id"])
            if real != known.get(domain["id"], {}):
                yield f"disks {known.get(domain['id'], {})}, volumes {real}"
        up = {vm["id"] for vm in self.rest.list("/vms") if vm["status"] != "down"}
        if up != self.running():
            yield f"VMs {up}, domains {self.running()}"
        for vm in up & self.running():
            active = {row["id"] for row in self.rest.list(f"/vms/{vm}/diskattachments")
                      if row["active"] == "true"}
            if active != self.targets(vm):
                yield f"VM {vm} has {active}, really {self.targets(vm)}"

    def check_agreement(self, seconds=30):
        self.wait_ended()
        end = time.monotonic() + seconds
        problems = list(self.disagreements())
        while problems and time.monotonic() < end:
            time.sleep(0.3)
            problems = list(self.disagreements())
        self.assertEqual(problems, [])


__all__ = ["GIB", "GUEST", "HostTest", "RestFault", "RestUnreachable"]
