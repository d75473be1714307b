"""What is asked about VMs; see host_kinds.py."""

import json
import time

from host_kind import SILENT, Kind, agent, libvirtd, one_of
from host_lab import GIB, RestFault

RUNS = ("powering_up", "up")  # it is "up" when its guest agent has spoken
MIB = 1 << 20
GUEST_ENDS_SECONDS = 15
MODULE = 256 * MIB


# ---- VMs that are started and stopped

def cold(lab):
    return f"/vms/{lab.facts['cold']}"


def cold_down(lab):
    """A VM with a disk, an interface, a CD and initialization data."""
    if "cold" not in lab.facts:
        lab.facts["cold"] = lab.add_vm([lab.wait_disk(lab.add_disk())])
        lab.add_nic(lab.facts["cold"])
        lab.put_cd(lab.facts["cold"], lab.iso())
        lab.rest.put(cold(lab), {"initialization": {"host_name": "web1", "user_name": "u",
                                                    "root_password": "secret"}})
    elif lab.status(cold(lab)) != "down":
        lab.rest.post(cold(lab) + "/stop")
    lab.wait(lambda: lab.status(cold(lab)) == "down", "VM down")


def cold_runs(lab, states=RUNS, **action):
    cold_down(lab)
    lab.rest.post(cold(lab) + "/start", action)
    lab.wait(lambda: lab.status(cold(lab)) in states, "VM started")
    lab.wait_ended()


def cold_paused(lab):
    cold_runs(lab, ("paused",), pause="true")


def cold_up(lab):
    if "cold" not in lab.facts or lab.status(cold(lab)) == "down":
        cold_runs(lab)
    lab.wait(lambda: lab.status(cold(lab)) == "up", "VM up")


def begin_start(lab):
    lab.rest.post(cold(lab) + "/start", {"use_cloud_init": "true"})


def begin_resume(lab):
    lab.rest.post(cold(lab) + "/start")


def begin(action, **body):
    return lambda lab: lab.rest.post(f"{cold(lab)}/{action}", body)


def is_cold(done, before):
    return lambda lab: one_of(lab.status(cold(lab)), done, before)


def has_shut_down(lab):
    """A guest that was asked takes its time; who has not been asked runs on."""
    end = time.monotonic() + GUEST_ENDS_SECONDS
    while lab.status(cold(lab)) != "down" and time.monotonic() < end:
        time.sleep(0.2)
    return is_cold(("down",), ("up",))(lab)


def ask_guest(lab, command, **arguments):
    """None when its agent does not answer."""
    answer = lab.host.exec(["virsh", "qemu-agent-command", "--timeout", "5", lab.facts["cold"],
                            json.dumps({"execute": command, "arguments": arguments})], check=False)
    return json.loads(answer)["return"] if answer.startswith("{") else None


def boot_of_guest(lab):
    """What tells this boot of the guest from any other; None while there is none."""
    file = ask_guest(lab, "guest-file-open", path="/proc/sys/kernel/random/boot_id")
    read = file and ask_guest(lab, "guest-file-read", handle=file)
    return read["buf-b64"] if read else None


def to_reboot(lab):
    cold_up(lab)
    lab.facts["boot"] = lab.wait(lambda: boot_of_guest(lab), "guest that has booted")


def has_rebooted(lab):
    """As above: who runs on has not been asked."""
    end = time.monotonic() + GUEST_ENDS_SECONDS
    boot = lab.facts["boot"]
    while boot == lab.facts["boot"] and time.monotonic() < end:
        time.sleep(0.2)
        boot = lab.wait(lambda: boot_of_guest(lab), "guest that has booted")
    lab.wait(lambda: lab.status(cold(lab)) in RUNS, "VM up")
    return boot != lab.facts["boot"]


# ---- devices of a VM that runs all the time

def hot(lab, *more):
    return "/".join((f"/vms/{lab.facts['hot']}", *more))


def hot_up(lab):
    if "hot" not in lab.facts:
        lab.facts["root"] = lab.wait_disk(lab.add_disk())
        lab.facts["hot"] = lab.add_vm([lab.facts["root"]])
        lab.facts["nic"] = lab.add_nic(lab.facts["hot"])
        lab.facts["cd"] = lab.rest.list(hot(lab, "cdroms"))[0]["id"]
        lab.facts["spare"] = lab.wait_disk(lab.add_disk())
    if lab.status(hot(lab)) == "down":
        lab.rest.post(hot(lab, "start"))
        lab.facts["fresh"] = True
    lab.wait(lambda: lab.status(hot(lab)) == "up", "VM up")
    lab.wait_ended()


def attachment(lab):
    return hot(lab, "diskattachments", lab.facts["spare"])


def is_active(lab):
    rows = {row["id"]: row["active"] for row in lab.rest.list(hot(lab, "diskattachments"))}
    return rows.get(lab.facts["spare"]) == "true"


def has_no_disk(lab):
    return not is_active(lab)


def plug(lab):
    if lab.facts["spare"] in [row["id"] for row in lab.rest.list(hot(lab, "diskattachments"))]:
        lab.rest.put(attachment(lab), {"active": "true"})
    else:
        lab.attach(lab.facts["hot"], lab.facts["spare"])


def unplug(lab):
    lab.rest.put(attachment(lab), {"active": "false"})


def until_released(lab, begin_release):
    """A guest that has just begun to boot does not heed an unplugging."""
    if not lab.facts.get("fresh"):
        begin_release()
        return

    def is_released():
        try:
            begin_release()
        except RestFault:
            return False
        return True
    lab.wait(is_released, "a guest that lets go of devices", 120)
    lab.facts["fresh"] = False


def unplugged(lab):
    hot_up(lab)
    if is_active(lab):
        until_released(lab, lambda: unplug(lab))
    lab.wait_ended()


def plugged(lab):
    hot_up(lab)
    if lab.facts.get("fresh"):
        plug(lab)
        unplugged(lab)
    if not is_active(lab):
        plug(lab)
    lab.wait_ended()


def add_to_running(lab):
    lab.facts["new"] = lab.name("disk")
    lab.rest.post(hot(lab, "diskattachments"), {
        "active": "true", "interface": "virtio", "bootable": "false",
        "disk": {"name": lab.facts["new"], "provisioned_size": str(GIB // 64), "format": "cow",
                 "sparse": "true", "storage_domains": {"storage_domain": [{"id": lab.first}]}}})


def new_disk(lab):
    return [disk["id"] for disk in lab.rest.list("/disks") if disk["name"] == lab.facts["new"]]


def is_added_to_running(lab):
    rows = {row["id"]: row["active"] for row in lab.rest.list(hot(lab, "diskattachments"))}
    return bool(new_disk(lab)) and rows.get(new_disk(lab)[0]) == "true"


def with_added(lab):
    """One disk to be added: the one of the last round has gone."""
    hot_up(lab)
    if lab.facts.get("new") and new_disk(lab):
        path = hot(lab, "diskattachments", new_disk(lab)[0])
        until_released(lab, lambda: lab.rest.delete(path))
        lab.wait(lambda: not new_disk(lab), "disk gone")


def to_be_deleted(lab):
    plugged(lab) if lab.facts.get("fresh") else hot_up(lab)
    if not lab.facts.get("new") or not new_disk(lab):
        add_to_running(lab)
        lab.wait(lambda: is_added_to_running(lab), "disk plugged")
        lab.wait_ended()
    lab.facts["doomed"] = new_disk(lab)[0]


def delete_from_running(lab):
    lab.rest.delete(hot(lab, "diskattachments", lab.facts["doomed"]))


def is_deleted(lab):
    gone = lab.is_gone(f"/disks/{lab.facts['doomed']}")
    rows = [row["id"] for row in lab.rest.list(hot(lab, "diskattachments"))]
    if gone != (lab.facts["doomed"] not in rows):
        raise AssertionError(f"the disk is gone: {gone}, attached are {rows}")
    return gone


def nic(lab, *more):
    return hot(lab, "nics", lab.facts["nic"], *more)


def is_nic(member, value):
    return lambda lab: one_of(lab.rest.get(nic(lab))[member], (value,), ("true", "false"))


def nic_plugged(lab):
    hot_up(lab)
    if lab.rest.get(nic(lab))["plugged"] != "true":
        lab.rest.post(nic(lab, "activate"))


def nic_unplugged(lab):
    plugged(lab) if lab.facts.get("fresh") else hot_up(lab)
    if lab.rest.get(nic(lab))["plugged"] == "true":
        lab.rest.post(nic(lab, "deactivate"))


def nic_linked(lab):
    nic_plugged(lab)
    lab.rest.put(nic(lab), {"linked": "true"})


def cd_path(lab):
    return hot(lab, "cdroms", lab.facts["cd"])


def cd_empty(lab):
    hot_up(lab)
    lab.iso()
    lab.rest.put(cd_path(lab) + "?current=true", {"file": {"id": ""}})


def insert_cd(lab):
    lab.rest.put(cd_path(lab) + "?current=true", {"file": {"id": lab.iso()}})


def is_inserted(lab):
    row = lab.rest.get(cd_path(lab) + "?current=true")
    return one_of(row.get("file", {}).get("id"), (lab.iso(),), (None,))


def cd_inserted(lab):
    hot_up(lab)
    insert_cd(lab)


def eject_cd(lab):
    lab.rest.put(cd_path(lab) + "?current=true", {"file": {"id": ""}})


def is_ejected(lab):
    return not is_inserted(lab)


def with_size(lab):
    hot_up(lab)
    lab.facts["size"] = int(lab.rest.get(f"/disks/{lab.facts['root']}")["provisioned_size"])


def grow_running(lab):
    lab.rest.put(hot(lab, "diskattachments", lab.facts["root"]),
                 {"disk": {"provisioned_size": str(lab.facts["size"] + MIB)}})


def is_grown_running(lab):
    size = int(lab.rest.get(f"/disks/{lab.facts['root']}")["provisioned_size"])
    real = int(lab.host.virsh("domblkinfo", lab.facts["hot"], "vda").split("Capacity:")[1]
               .split()[0])
    if size != real:
        raise AssertionError(f"the disk has {size} bytes, for the guest {real}")
    return one_of(size, (lab.facts["size"] + MIB,), (lab.facts["size"],))


def size_of_memory(lab):
    """What is shown, what libvirt knows, and what the guest has."""
    domain = lab.facts["hot"]
    shown = int(lab.rest.get(hot(lab))["memory"])
    known = int(lab.host.virsh("dominfo", domain).split("Max memory:")[1].split()[0]) << 10
    real = json.loads(lab.host.virsh("qemu-monitor-command", domain,
                                     '{"execute": "query-memory-size-summary"}'))["return"]
    sizes = shown, known, real["base-memory"] + real["plugged-memory"]
    if len(set(sizes)) != 1:
        raise AssertionError(f"bytes of memory that are shown, libvirt's, the guest's: {sizes}")
    return shown


def with_room(lab):
    """Memory that was plugged leaves only with the end of its QEMU."""
    hot_up(lab)
    row = lab.rest.get(hot(lab))
    if int(row["memory"]) + MODULE > int(row["memory_policy"]["max"]):
        lab.rest.post(hot(lab, "stop"))
        lab.wait(lambda: lab.status(hot(lab)) == "down", "VM down")
        lab.rest.put(hot(lab), {"memory": str(MODULE), "memory_policy": {"max": str(8 * MODULE)}})
        hot_up(lab)
    lab.facts["memory"] = size_of_memory(lab)


def plug_memory(lab):
    lab.rest.put(hot(lab), {"memory": str(lab.facts["memory"] + MODULE)})


def has_more_memory(lab):
    done = one_of(size_of_memory(lab), (lab.facts["memory"] + MODULE,), (lab.facts["memory"],))
    waits = lab.rest.get(hot(lab))["next_run_configuration_exists"] == "true"
    if done == waits:
        raise AssertionError(f"more memory is there: {done}, waits for the next start: {waits}")
    return done


def set_ticket(lab):
    consoles = lab.rest.list(hot(lab, "graphicsconsoles"))
    lab.rest.post(hot(lab, "graphicsconsoles", consoles[0]["id"], "ticket"),
                  {"ticket": {"value": "password", "expiry": "120"}})


def has_ticket(lab):
    del lab  # nobody can read it back
    return True


VM_KINDS = (
    Kind("vm_start", cold_down, begin_start, is_cold(RUNS, ("down",)), undone=True,
         points=(agent("before", "spawn"), agent("after", "virDomainCreateXML", again=17),
                 libvirtd("before", "virDomainCreateXML"),
                 libvirtd("during", "virDomainCreateXML"))),
    Kind("vm_stop", cold_runs, begin("stop"), is_cold(("down",), ()),
         points=(agent("after", "virDomainDestroyFlags"),
                 libvirtd("during", "virDomainDestroyFlags", 5))),
    Kind("vm_resume", cold_paused, begin_resume, is_cold(RUNS, ("paused",)), refusals=SILENT,
         points=(agent("before", "virDomainResume"), libvirtd("before", "virDomainResume"))),
    Kind("vm_reset", to_reboot, begin("reset"), has_rebooted, refusals=SILENT,
         points=(agent("after", "virDomainReset"),)),
    Kind("vm_reboot", to_reboot, begin("reboot"), has_rebooted, refusals=SILENT),
    Kind("vm_shutdown", cold_up, begin("shutdown"), has_shut_down, refusals=SILENT,
         points=(agent("after", "virDomainShutdownFlags"),)),
    Kind("disk_plug", unplugged, plug, is_active,
         points=(agent("after", "virDomainAttachDeviceFlags"),
                 libvirtd("during", "virDomainAttachDeviceFlags", 5))),
    Kind("disk_unplug", plugged, unplug, has_no_disk,
         points=(agent("after", "virDomainDetachDeviceFlags"),
                 libvirtd("after", "virDomainDetachDeviceFlags"))),
    Kind("disk_add_running", with_added, add_to_running, is_added_to_running,
         points=(agent("before", "virDomainAttachDeviceFlags"),)),
    Kind("disk_delete_running", to_be_deleted, delete_from_running, is_deleted,
         points=(agent("after", "virDomainDetachDeviceFlags"),)),
    Kind("disk_resize_running", with_size, grow_running, is_grown_running,
         points=(agent("after", "virDomainBlockResize"),
                 libvirtd("before", "virDomainBlockResize"))),
    Kind("nic_plug", nic_unplugged, lambda lab: lab.rest.post(nic(lab, "activate")),
         is_nic("plugged", "true"),
         points=(agent("after", "virDomainAttachDeviceFlags"),
                 libvirtd("during", "virDomainAttachDeviceFlags", 5))),
    Kind("nic_unplug", nic_plugged, lambda lab: lab.rest.post(nic(lab, "deactivate")),
         is_nic("plugged", "false"),
         points=(agent("after", "virDomainDetachDeviceFlags"),
                 libvirtd("after", "virDomainDetachDeviceFlags"))),
    Kind("nic_update", nic_linked, lambda lab: lab.rest.put(nic(lab), {"linked": "false"}),
         is_nic("linked", "false"),
         points=(agent("after", "virDomainUpdateDeviceFlags"),
                 libvirtd("before", "virDomainUpdateDeviceFlags"))),
    Kind("cd_insert", cd_empty, insert_cd, is_inserted, refusals=SILENT,
         points=(agent("before", "virDomainUpdateDeviceFlags"),)),
    Kind("cd_eject", cd_inserted, eject_cd, is_ejected, refusals=SILENT,
         points=(libvirtd("before", "virDomainUpdateDeviceFlags"),)),
    Kind("memory_plug", with_room, plug_memory, has_more_memory,
         points=(agent("after", "virDomainAttachDeviceFlags"),
                 libvirtd("during", "virDomainAttachDeviceFlags", 5))),
    Kind("console_ticket", hot_up, set_ticket, has_ticket, refusals=SILENT,
         points=(agent("before", "virDomainUpdateDeviceFlags"),)),
)
