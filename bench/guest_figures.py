"""How long a VM takes to start through API, manager and agent, over the same through virsh."""

import re
import shutil
import statistics
import subprocess
import time
import uuid
from datetime import datetime

from tools.datacentre.places import REPOSITORY
from tools.datacentre.process import wait_until

from .centre import add_disk, curl, new_centre, transfer, wait_for
from .figure import Figure
from .measure import private_mb, resident_mb

GUEST = REPOSITORY / "build/guest"
# What libvirt says of a VM: its processors run; its guest's agent is there.
STARTED = r"^(\S+ \S+): event 'lifecycle' for domain '?{name}'?: Started Booted"
BOOTED = r"^(\S+ \S+): event 'agent-lifecycle' for domain '?{name}'?: state: 'connected'"
# A start takes half a second and one in three twice as long when something else runs: many are
# needed. A boot takes 20 seconds.
FIGURES = (("vm_start_ratio", STARTED, "its processors run", 11),
           ("vm_boot_ratio", BOOTED, "its guest's agent is there", 3))


class Events:
    """libvirt's events with its own time stamps, so both ways are judged by the same clock."""

    def __init__(self, centre):
        self.log = centre.host.log("events")
        centre.host.start_program(["stdbuf", "-oL", "virsh", "-c", "qemu:///system", "event",
                                   "--all", "--loop", "--timestamp"], "events")

    def wait_for(self, pattern, name, since, seconds=120):
        """Seconds from `since` to the first such event after it."""
        compiled = re.compile(pattern.format(name=re.escape(name)), re.MULTILINE)

        def look():
            for found in compiled.finditer(self.log.read_text()):
                moment = datetime.strptime(found.group(1), "%Y-%m-%d %H:%M:%S.%f%z")
                if moment.timestamp() >= since:
                    return moment.timestamp() - since
            return None

        return wait_until(look, seconds, pattern)


def add_vm(centre):
    """A VM with the test guest's system on its disk."""
    image = GUEST / "vireo-guest.qcow2"
    disk = add_disk(centre, "system", 128 << 20)
    with transfer(centre, disk, "upload", "cow") as url:
        subprocess.run(list(map(str, curl(centre, "-T", image, url))), check=True)
    vm = centre.rest.post("/vms", {
        "name": "bench", "memory": str(256 << 20), "cluster": {"name": "Default"},
        "template": {"name": "Blank"}, "display": {"type": "vnc"},
        "memory_policy": {"max": str(512 << 20), "guaranteed": str(128 << 20)},
        "bios": {"type": "q35_sea_bios"}})["id"]
    centre.rest.post(f"/vms/{vm}/diskattachments", {
        "bootable": "true", "interface": "virtio_scsi", "active": "true", "disk": {"id": disk}})
    return vm


def start_by_api(centre, events, vm, pattern):
    begun = time.time()
    centre.rest.post(f"/vms/{vm}/start")
    return events.wait_for(pattern, "bench", begun)


def stop_by_api(centre, vm):
    wait_until(lambda: centre.rest.get(f"/vms/{vm}")["status"] in ("powering_up", "up"), 60,
               "the end of the start")
    centre.rest.post(f"/vms/{vm}/stop")
    wait_for(centre, f"/vms/{vm}", "status", "down")


def plain_twin(centre):
    """A file in the host with the running VM's definition under another name, on a copy of its disk
    that stays where it is when the VM ends."""
    text = centre.host.virsh("dumpxml", "--inactive", "bench")
    folder = centre.host.directory / "var/lib/libvirt/images"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(GUEST / "vireo-guest.qcow2", folder / "twin.qcow2")
    text = re.sub(r"<name>.*?</name>", "<name>twin</name>", text)
    text = text.replace(re.search(r"<uuid>(.*?)</uuid>", text).group(1), str(uuid.uuid4()))
    text = re.sub(r"<source file='/[^']*'", "<source file='/var/lib/libvirt/images/twin.qcow2'",
                  text)
    (folder / "twin.xml").write_text(text)
    return "/var/lib/libvirt/images/twin.xml"


class Virsh:
    """One that is connected already and waits for commands: its own start is not measured."""

    def __init__(self, centre):
        self.process = subprocess.Popen(
            centre.host.command(["virsh", "-q", "-c", "qemu:///system"]), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.tell("uri")
        time.sleep(2)

    def tell(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def start_by_virsh(centre, virsh, events, twin, pattern):
    begun = time.time()
    virsh.tell(f"create {twin}")
    took = events.wait_for(pattern, "twin", begun)
    centre.host.virsh("destroy", "twin")
    return took


def start_ratios(build):
    subprocess.run([REPOSITORY / "tests/guest/build", GUEST], check=True,
                   stdout=subprocess.DEVNULL)
    with new_centre(build) as centre:
        events = Events(centre)
        vm = add_vm(centre)
        start_by_api(centre, events, vm, BOOTED)
        twin = plain_twin(centre)
        stop_by_api(centre, vm)
        with Virsh(centre) as virsh:
            for name, pattern, what, rounds in FIGURES:
                by_virsh, by_api = [], []
                for _ in range(rounds):
                    by_virsh.append(start_by_virsh(centre, virsh, events, twin, pattern))
                    by_api.append(start_by_api(centre, events, vm, pattern))
                    stop_by_api(centre, vm)
                ours, plain = map(statistics.median, (by_api, by_virsh))
                yield Figure(name, ours / plain,
                             f"from POST /start until {what}, {ours:.2f} s, over that from virsh "
                             f"create, {plain:.2f} s: medians of {rounds}")


def agent_memory(build):
    with new_centre(build) as centre:
        agent = centre.host.processes("vireo-agent")[0]
        yield Figure("agent_rss", resident_mb(agent),
                     f"one host up, no VM; {private_mb(agent):.1f} MB are private to it")
        vm = add_vm(centre)
        centre.rest.post(f"/vms/{vm}/start")
        wait_for(centre, f"/vms/{vm}", "status", "up")
        time.sleep(20)  # until it has reported some statistics
        yield Figure("agent_rss_one_vm", resident_mb(agent),
                     f"an image uploaded, one VM up; {private_mb(agent):.1f} MB private")
