"""What each kind of operation is tried with. A kind may have several scenarios, and must have one.

To add one: a row of SCENARIOS. `prepare` brings the lab to where the operation can begin and puts
what it made into lab.facts; `begin` asks for the operation; `drive` is called over and over while
it runs; `faults` make a step fail, so that it and those before it are undone; `check` looks whether
it is done, or as if nothing had been, which `undone` tells apart. That everything agrees is looked
at anyway."""

import dataclasses
import typing

from storage_lab import GIB, ApiError, wait_until


def nothing(_):
    pass


@dataclasses.dataclass
class Scenario:
    kind: str
    name: str
    begin: typing.Callable
    check: typing.Callable  # (lab, done)
    prepare: typing.Callable = nothing
    setup: typing.Callable = nothing  # once for all cases of a lab
    drive: typing.Callable = nothing
    faults: dict = dataclasses.field(default_factory=dict)  # step -> (lab) that makes it fail
    local: bool = False
    host_count: int = 1
    quick: bool = True  # part of the run without --full


def same(seen, wanted):
    if seen != wanted:
        raise AssertionError(f"{seen!r}, not {wanted!r}")


def refuse(verb, code=100, skip=0):
    return lambda lab: lab.host.faults.fail(verb, code, skip=skip)


def lose_task(verb):
    return lambda lab: lab.host.faults.fail_task(verb)


# ---- storage domains

def unattached(lab, word="domain"):
    lab.facts["domain"] = lab.add_posix_domain(lab.name(word), attach=False)


def active(lab):
    unattached(lab)
    lab.attach(lab.facts["domain"])


def deactivate(lab, domain=None):
    domain = domain or lab.facts["domain"]
    lab.manager.post(lab.attached(domain) + "/deactivate")
    lab.wait_domain(domain, "maintenance")


def maintained(lab):
    active(lab)
    deactivate(lab)


def first_domain(lab):
    lab.facts["first"] = lab.add_posix_domain(lab.name("first"))


def put_away(lab, row):
    if row["status"] == "active":
        deactivate(lab, row["id"])
    lab.manager.delete(lab.attached(row["id"]))
    lab.wait_gone(lab.attached(row["id"]))


def clear(lab):
    """The data center is without storage again; the master goes last."""
    rows = lab.rows(lab.attached(), "storage_domain")
    for row in sorted(rows, key=lambda row: row.get("master") == "true"):
        put_away(lab, row)
    lab.wait_ended()


def keep_first(lab):
    """As clear(), but the first domain stays active."""
    for row in lab.rows(lab.attached(), "storage_domain"):
        if row["id"] != lab.facts["first"]:
            put_away(lab, row)
    lab.wait_ended()


def first_of(prepare):
    return lambda lab: (clear(lab), prepare(lab))


def second_of(prepare):
    return lambda lab: (keep_first(lab), prepare(lab))


def begin_add(lab):
    name = lab.facts["name"] = lab.name("added")
    path = lab.facts["path"] = lab.storage.serve(f"/storage/{name}")
    kind = "localfs" if lab.local else "posixfs"
    lab.manager.post("/storagedomains", {
        "name": name, "type": "data", "host": {"id": lab.host.id},
        "storage": {"type": kind, "path": path, **({} if lab.local else {"vfs_type": "xfs"})}})


def check_add(lab, done):
    names = [row["name"] for row in lab.rows("/storagedomains", "storage_domain")]
    same(lab.facts["name"] in names, done)
    same(len(lab.storage.paths[lab.facts["path"]]), 1 if done else 0)


def prepare_import(lab):
    unattached(lab, "imported")
    lab.facts["path"] = lab.manager.get(
        f"/storagedomains/{lab.facts['domain']}")["storage"]["path"]
    lab.manager.delete(f"/storagedomains/{lab.facts['domain']}", host=lab.host.name)


def begin_import(lab):
    lab.manager.post("/storagedomains", {
        "id": lab.facts["domain"], "type": "data", "import": "true", "host": {"id": lab.host.id},
        "storage": {"type": "posixfs", "path": lab.facts["path"], "vfs_type": "xfs"}})


def check_import(lab, done):
    same(lab.manager.gone(f"/storagedomains/{lab.facts['domain']}"), not done)
    if not done:  # it stays on the storage: taken over for the sake of the next look at both
        same(list(lab.storage.paths[lab.facts["path"]]), [lab.facts["domain"]])


def begin_attach(lab):
    lab.manager.post(lab.attached(), {"id": lab.facts["domain"]})


def check_status(done_status, undone_status):
    def check(lab, done):
        wanted = done_status if done else undone_status
        rows = {row["id"]: row["status"] for row in lab.rows(lab.attached(), "storage_domain")}
        same(rows.get(lab.facts["domain"]), wanted)
    return check


def begin_activate(lab):
    lab.manager.post(lab.attached(lab.facts["domain"]) + "/activate")


def begin_deactivate(lab):
    lab.manager.post(lab.attached(lab.facts["domain"]) + "/deactivate")


def two_active(lab):
    """The master is to go, the other one takes its role."""
    active(lab)
    lab.facts["other"] = lab.add_posix_domain(lab.name("other"))


def begin_detach(lab):
    lab.manager.delete(lab.attached(lab.facts["domain"]))


def begin_format(lab):
    lab.manager.delete(f"/storagedomains/{lab.facts['domain']}", host=lab.host.name, format="true")


def check_format(lab, done):
    same(lab.manager.gone(f"/storagedomains/{lab.facts['domain']}"), done)


# ---- disks

def begin_disk_add(lab):
    lab.facts["disk_name"] = lab.name("disk")
    lab.add_disk(lab.facts["first"], wait=False, name=lab.facts["disk_name"])


def check_disk_add(lab, done):
    names = [disk["name"] for disk in lab.rows("/disks", "disk")]
    same(lab.facts["disk_name"] in names, done)


def with_disk(lab):
    lab.facts["disk"] = lab.add_disk(lab.facts["first"], name=lab.name("disk"))


def begin_resize(lab):
    lab.manager.put(f"/disks/{lab.facts['disk']}", {"provisioned_size": str(2 * GIB)})


def check_resize(lab, done):
    same(lab.disk(lab.facts["disk"])["provisioned_size"], str((2 if done else 1) * GIB))


def begin_disk_remove(lab):
    lab.manager.delete(f"/disks/{lab.facts['disk']}")


def check_disk_remove(lab, done):
    same(lab.manager.gone(f"/disks/{lab.facts['disk']}"), done)


# ---- VMs

def vm(lab, *more):
    return "/".join((f"/vms/{lab.facts['vm']}", *more))


def vm_status(lab):
    return lab.manager.get(vm(lab))["status"]


def wait_vm(lab, status):
    wait_until(lambda: vm_status(lab) == status, what=f"VM {status}")
    lab.wait_ended()


def down_vm(lab):
    """One VM for all cases, with a disk and a NIC."""
    if "vm" not in lab.facts:
        made = lab.manager.post("/vms", {"name": lab.name("vm"), "cluster": {"name": "Default"},
                                         "template": {"name": "Blank"}, "memory": str(1 << 28)})
        lab.facts["vm"] = made["id"]
        lab.facts["disk"] = lab.add_disk(lab.facts["first"], name=lab.name("disk"))
        attach(lab, lab.facts["disk"], bootable="true")
        profile = lab.rows("/vnicprofiles", "vnic_profile")[0]["id"]
        nic = lab.manager.post(vm(lab, "nics"), {"name": "nic1", "vnic_profile": {"id": profile}})
        lab.facts["nic"] = nic["id"]
    elif vm_status(lab) != "down":
        lab.manager.post(vm(lab, "stop"))
    wait_vm(lab, "down")


def attach(lab, disk, **more):
    lab.manager.post(vm(lab, "diskattachments"), {
        "active": "true", "interface": "virtio", "bootable": "false", **more, "disk": {"id": disk}})


def up_vm(lab):
    if "vm" not in lab.facts:
        down_vm(lab)
    if vm_status(lab) == "down":
        lab.manager.post(vm(lab, "start"))
    wait_vm(lab, "up")


def begin_start(lab):
    lab.manager.post(vm(lab, "start"))


def begin_stop(lab):
    lab.manager.post(vm(lab, "stop"))


def check_vm(done_status, undone_status):
    return lambda lab, done: same(vm_status(lab), done_status if done else undone_status)


def up_with_disk(lab):
    up_vm(lab)
    lab.facts["spare"] = lab.add_disk(lab.facts["first"], name=lab.name("spare"))


def begin_plug(lab):
    attach(lab, lab.facts["spare"])


def is_plugged(lab, disk):
    rows = lab.rows(vm(lab, "diskattachments"), "disk_attachment")
    return {row["id"]: row["active"] for row in rows}.get(disk)


def check_plug(lab, done):
    same(is_plugged(lab, lab.facts["spare"]), "true" if done else None)


def up_with_plugged(lab):
    up_with_disk(lab)
    attach(lab, lab.facts["spare"])
    lab.wait_ended()


def begin_unplug(lab):
    lab.manager.put(vm(lab, "diskattachments", lab.facts["spare"]), {"active": "false"})


def check_unplug(lab, done):
    same(is_plugged(lab, lab.facts["spare"]), "false" if done else "true")


def begin_unplug_delete(lab):
    lab.manager.delete(vm(lab, "diskattachments", lab.facts["spare"]))


def check_unplug_delete(lab, done):
    same(is_plugged(lab, lab.facts["spare"]), None if done else "true")
    same(lab.manager.gone(f"/disks/{lab.facts['spare']}"), done)


def begin_nic_unplug(lab):
    lab.manager.post(vm(lab, "nics", lab.facts["nic"], "deactivate"))


def nic_plugged(lab):
    up_vm(lab)
    if lab.manager.get(vm(lab, "nics", lab.facts["nic"]))["plugged"] == "false":
        lab.manager.post(vm(lab, "nics", lab.facts["nic"], "activate"))
    lab.wait_ended()


def check_nic_unplug(lab, done):
    same(lab.manager.get(vm(lab, "nics", lab.facts["nic"]))["plugged"],
         "false" if done else "true")


def nic_linked(lab):
    nic_plugged(lab)
    lab.manager.put(vm(lab, "nics", lab.facts["nic"]), {"linked": "true"})
    lab.wait_ended()


def begin_nic_update(lab):
    lab.manager.put(vm(lab, "nics", lab.facts["nic"]), {"linked": "false"})


def check_nic_update(lab, done):
    same(lab.manager.get(vm(lab, "nics", lab.facts["nic"]))["linked"],
         "false" if done else "true")


def begin_disk_add_live(lab):
    lab.facts["disk_name"] = lab.name("disk")
    lab.manager.post(vm(lab, "diskattachments"), {
        "active": "true", "interface": "virtio", "bootable": "false",
        "disk": lab.disk_body(lab.facts["first"], name=lab.facts["disk_name"])})


def up_with_resizable(lab):
    up_vm(lab)
    size = int(lab.disk(lab.facts["disk"])["provisioned_size"])
    lab.facts["size"] = size


def begin_resize_live(lab):
    lab.manager.put(f"/disks/{lab.facts['disk']}",
                    {"provisioned_size": str(lab.facts["size"] + GIB)})


def check_resize_live(lab, done):
    same(lab.disk(lab.facts["disk"])["provisioned_size"],
         str(lab.facts["size"] + (GIB if done else 0)))


def up_with_room(lab):
    up_vm(lab)
    lab.facts["before"] = lab.host.vm_size(lab.facts["vm"])


def sockets(count):
    return {"cpu": {"topology": {"sockets": str(count), "cores": "1", "threads": "1"}}}


def begin_cpus(lab):
    lab.manager.put(vm(lab), sockets(lab.facts["before"][0] + 1))


def begin_memory(lab):
    lab.manager.put(vm(lab), {"memory": str(lab.facts["before"][1] + (256 << 20))})


def small_again(lab):
    """There are only so many sockets and bytes."""
    down_vm(lab)
    lab.manager.put(vm(lab), {"memory": str(1 << 28), "memory_policy": {"max": str(1 << 30)},
                              **sockets(1)})
    up_with_room(lab)


def check_size(member, growth):
    def check(lab, done):
        wanted = list(lab.facts["before"])
        wanted[member] += growth
        shown = lab.manager.get(vm(lab))
        topology = shown["cpu"]["topology"]
        size = [int(topology["sockets"]) * int(topology["cores"]), int(shown["memory"])]
        same(size, wanted if done else list(lab.facts["before"]))
        same(shown["next_run_configuration_exists"], "false" if done else "true")
    return check


# ---- image transfers

def begin_transfer(lab, direction="upload"):
    lab.facts["transfer"] = None
    lab.manager.post("/imagetransfers", {"disk": {"id": lab.facts["disk"]},
                                         "direction": direction})


def begin_download(lab):
    begin_transfer(lab, "download")


def drive_transfer(lab):
    for row in lab.rows("/imagetransfers", "image_transfer"):
        if row["phase"] == "transferring":
            try:
                lab.manager.post(f"/imagetransfers/{row['id']}/finalize")
            except ApiError:
                pass  # it has gone on meanwhile


def check_transfer(lab, done):
    phase = "finished_success" if done else "finished_failure"
    rows = [row["phase"] for row in lab.rows("/imagetransfers", "image_transfer")
            if row.get("image", row.get("disk", {})).get("id") == lab.facts["disk"]]
    if rows and rows[-1] != phase:
        raise AssertionError(f"transfers of the disk are {rows}, the last not {phase}")


SCENARIOS = [
    Scenario("storage_domain_add", "posix", begin_add, check_add,
             faults={"create": refuse("StorageDomain.create", 351),
                     "inspect": refuse("StorageDomain.getInfo", 1, skip=1)}),
    Scenario("storage_domain_add", "local", begin_add, check_add, local=True, quick=False,
             prepare=clear),
    Scenario("storage_domain_add", "import", begin_import, check_import, prepare=prepare_import),
    Scenario("storage_domain_attach", "first", begin_attach, check_status("active", None),
             prepare=first_of(unattached),
             faults={"manage": refuse("StoragePool.spmStart", 650)}),
    Scenario("storage_domain_attach", "second", begin_attach, check_status("active", None),
             setup=first_domain, prepare=second_of(unattached),
             faults={"activate": refuse("StorageDomain.activate", 354)}),
    Scenario("storage_domain_activate", "only", begin_activate,
             check_status("active", "maintenance"), prepare=first_of(maintained),
             faults={"manage": refuse("StoragePool.spmStart", 650)}),
    Scenario("storage_domain_activate", "second", begin_activate,
             check_status("active", "maintenance"), setup=first_domain,
             prepare=second_of(maintained), quick=False,
             faults={"activate": refuse("StorageDomain.activate", 354)}),
    Scenario("storage_domain_deactivate", "only", begin_deactivate,
             check_status("maintenance", "active"), prepare=first_of(active)),
    Scenario("storage_domain_deactivate", "second", begin_deactivate,
             check_status("maintenance", "active"), setup=first_domain, prepare=second_of(active),
             faults={"deactivate": refuse("StorageDomain.deactivate", 355)}),
    Scenario("storage_domain_deactivate", "master", begin_deactivate,
             check_status("maintenance", "active"), prepare=first_of(two_active), host_count=2),
    Scenario("storage_domain_detach", "only", begin_detach, check_status(None, "maintenance"),
             prepare=first_of(maintained), faults={"detach": refuse("StorageDomain.detach", 358)}),
    Scenario("storage_domain_detach", "second", begin_detach, check_status(None, "maintenance"),
             setup=first_domain, prepare=second_of(maintained), quick=False),
    Scenario("storage_domain_remove", "format", begin_format, check_format, prepare=unattached,
             faults={"format": refuse("StorageDomain.format", 355)}),
    Scenario("disk_add", "plain", begin_disk_add, check_disk_add, setup=first_domain,
             faults={"create": lose_task("Volume.create")}),
    Scenario("disk_add", "running VM", begin_disk_add_live, check_disk_add, setup=first_domain,
             prepare=up_vm),
    Scenario("disk_resize", "plain", begin_resize, check_resize, setup=first_domain,
             prepare=with_disk, faults={"extend": lose_task("Volume.extendSize")}),
    Scenario("disk_resize", "running VM", begin_resize_live, check_resize_live, quick=False,
             setup=first_domain, prepare=up_with_resizable),
    Scenario("disk_remove", "plain", begin_disk_remove, check_disk_remove, setup=first_domain,
             prepare=with_disk, faults={"delete": lose_task("Image.delete")}),
    Scenario("vm_start", "plain", begin_start, check_vm("up", "down"), setup=first_domain,
             prepare=down_vm, faults={"create": refuse("VM.create", 9),
                                      "launch": refuse("launch")}),
    Scenario("vm_stop", "plain", begin_stop, check_vm("down", "up"), setup=first_domain,
             prepare=up_vm, faults={"destroy": refuse("VM.destroy", 100)}),
    Scenario("device_plug", "disk", begin_plug, check_plug, setup=first_domain,
             prepare=up_with_disk, faults={"plug": refuse("VM.hotplugDisk", 45)}),
    Scenario("device_unplug", "disk", begin_unplug, check_unplug, setup=first_domain,
             prepare=up_with_plugged, faults={"unplug": refuse("VM.hotunplugDisk", 46)}),
    Scenario("device_unplug", "and delete", begin_unplug_delete, check_unplug_delete, quick=False,
             setup=first_domain, prepare=up_with_plugged),
    Scenario("device_unplug", "nic", begin_nic_unplug, check_nic_unplug, quick=False,
             setup=first_domain, prepare=nic_plugged),
    Scenario("nic_update", "link", begin_nic_update, check_nic_update, setup=first_domain,
             prepare=nic_linked, faults={"update": refuse("VM.updateDevice", 56)}),
    Scenario("vm_cpus", "plain", begin_cpus, check_size(0, 1), setup=first_domain,
             prepare=small_again, faults={"set": refuse("VM.setNumberOfCpus", 60)}),
    Scenario("vm_memory", "plain", begin_memory, check_size(1, 256 << 20), setup=first_domain,
             prepare=small_again, faults={"plug": refuse("VM.hotplugMemory", 70)}),
    Scenario("image_transfer", "upload", begin_transfer, check_transfer, setup=first_domain,
             prepare=with_disk, drive=drive_transfer,
             faults={"open": refuse("Host.add_image_ticket", 482),
                     "close": refuse("Volume.verify_untrusted", 225)}),
    Scenario("image_transfer", "download", begin_download, check_transfer, setup=first_domain,
             prepare=with_disk, drive=drive_transfer, quick=False),
]
