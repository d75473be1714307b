"""What users may ask at any moment, at random: each function asks one thing of a random object.

Refusals are no failures, wrong states are the rule here. WORK says how often each is drawn."""

import random
import time

GIB, MIB = 1 << 30, 1 << 20
DISKS_MAX, VMS_MAX, NICS_MAX = 12, 5, 3


class Worker:
    def __init__(self, lab, seed):
        self.lab = lab
        self.rest = lab.rest
        self.random = random.Random(seed)

    def work(self):
        """The name of what was asked. Raises what the manager answers."""
        weights = [weight for weight, _ in WORK]
        _, function = self.random.choices(WORK, weights)[0]
        self.name = function.__name__
        function(self)

    # ---- random objects

    def pick(self, path):
        """The path of an object in this collection, or None."""
        rows = self.rest.list(path) if path else []
        return f"{path}/{self.random.choice(rows)['id']}" if rows else None

    def vm(self):
        return self.pick("/vms")

    def of_vm(self, noun):
        vm = self.vm()
        return vm and self.pick(f"{vm}/{noun}")

    def put(self, path, *bodies):
        if path:
            self.rest.put(path, self.random.choice(bodies))

    def act(self, path, verb, *bodies):
        if path:
            self.rest.post(f"{path}/{verb}", self.random.choice(bodies or ({},)))

    # ---- VMs

    def add_vm(self):
        if len(self.rest.list("/vms")) < VMS_MAX:
            self.lab.add_vm()

    def remove_vm(self):
        vm = self.vm()
        if vm:
            self.rest.delete(vm)

    def start(self):
        self.act(self.vm(), "start", {}, {"use_cloud_init": "true"}, {"pause": "true"})

    def end(self):
        self.act(self.vm(), self.random.choice(("stop", "stop", "shutdown", "reboot", "reset")))

    def resize(self):
        self.put(self.vm(), *({"memory": str(size * MIB)} for size in (256, 384, 512)))

    def change_cd(self):
        drive = self.of_vm("cdroms")
        if drive:
            self.put(drive + self.random.choice(("", "?current=true")),
                     {"file": {"id": ""}}, {"file": {"id": self.lab.iso()}})

    def open_console(self):
        self.act(self.of_vm("graphicsconsoles"), "ticket",
                 {"ticket": {"value": "secret", "expiry": "120"}})

    # ---- network interfaces

    def add_nic(self):
        vm = self.vm()
        if vm and len(self.rest.list(f"{vm}/nics")) < NICS_MAX:
            profile = self.rest.list("/vnicprofiles", search="name=ovirtmgmt")[0]["id"]
            self.rest.post(f"{vm}/nics", {"name": self.lab.name("nic"),
                                          "vnic_profile": {"id": profile}})

    def change_nic(self):
        self.put(self.of_vm("nics"), {"linked": "false"}, {"linked": "true"}, {"plugged": "false"},
                 {"plugged": "true"})

    def remove_nic(self):
        nic = self.of_vm("nics")
        if nic:
            self.rest.delete(nic)

    # ---- disks

    def add_disk(self):
        if len(self.rest.list("/disks")) < DISKS_MAX:
            self.lab.add_disk(format=self.random.choice(("cow", "raw")))

    def remove_disk(self):
        disk = self.pick("/disks")
        if disk:
            self.rest.delete(disk)

    def attach(self):
        vm, disk = self.vm(), self.pick("/disks")
        if vm and disk:
            self.rest.post(f"{vm}/diskattachments", {
                "active": self.random.choice(("true", "false")), "bootable": "false",
                "interface": self.random.choice(("virtio", "virtio_scsi")),
                "disk": {"id": disk.rpartition("/")[2]}})

    def plug(self):
        self.put(self.of_vm("diskattachments"), {"active": "true"}, {"active": "false"})

    def grow(self):
        size = (16 + self.random.randrange(1, 40)) * MIB
        self.put(self.of_vm("diskattachments"), {"disk": {"provisioned_size": str(size)}})

    def detach(self):
        attachment = self.of_vm("diskattachments")
        if attachment:
            self.rest.delete(attachment + self.random.choice(("", "?detach_only=true")))

    def transfer(self):
        disk = self.pick("/disks")
        if not disk:
            return
        transfer = self.rest.post("/imagetransfers", {
            "disk": {"id": disk.rpartition("/")[2]},
            "direction": self.random.choice(("upload", "download"))})["id"]
        time.sleep(2 * self.random.random())
        self.act(f"/imagetransfers/{transfer}", self.random.choice(("cancel", "finalize")))


WORK = ((3, Worker.add_vm), (1, Worker.remove_vm), (6, Worker.start), (5, Worker.end),
        (2, Worker.resize), (2, Worker.change_cd), (1, Worker.open_console), (2, Worker.add_nic),
        (3, Worker.change_nic), (1, Worker.remove_nic), (4, Worker.add_disk),
        (2, Worker.remove_disk), (4, Worker.attach), (4, Worker.plug), (2, Worker.grow),
        (2, Worker.detach), (2, Worker.transfer))
