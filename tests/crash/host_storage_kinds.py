"""What is asked about disks, storage domains and the host itself; see host_kinds.py."""

import http.client
import ssl
import subprocess
import urllib.error
import urllib.request

from host_kind import Kind, agent, one_of
from host_lab import GIB

MIB = 1 << 20


# ---- disks that nobody uses

def nothing(_):
    pass


def add_disk(lab):
    lab.facts["offline"] = lab.add_disk()


def is_disk(lab):
    return not lab.is_gone(f"/disks/{lab.facts['offline']}")


def with_disk(lab):
    lab.facts["offline"] = lab.wait_disk(lab.add_disk(format="raw", sparse="false"))


def with_thin_disk(lab):
    lab.facts["offline"] = lab.wait_disk(lab.add_disk())


def grow_disk(lab):
    lab.rest.put(f"/disks/{lab.facts['offline']}", {"provisioned_size": str(GIB // 32)})


def is_grown(lab):
    size = int(lab.rest.get(f"/disks/{lab.facts['offline']}")["provisioned_size"])
    return one_of(size, (GIB // 32,), (GIB // 64,))


def remove_disk(lab):
    lab.rest.delete(f"/disks/{lab.facts['offline']}")


def has_no_such_disk(lab):
    return not is_disk(lab)


# ---- image transfers

def transfer_path(lab):
    return f"/imagetransfers/{lab.facts['transfer']}"


def phase(lab):
    return lab.rest.get(transfer_path(lab))["phase"]


def to_upload(lab):
    lab.facts["offline"] = lab.wait_disk(lab.add_disk(format="raw", sparse="true"))


def ask_data(lab, url, **request):
    """As clients do: a piece that was not answered is asked for again. None: the transfer is over."""
    context = ssl.create_default_context(cafile=str(lab.centre.manager.ca_file))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=context))
    data = None

    def is_answered():
        nonlocal data
        if phase(lab) != "transferring":
            return True
        try:
            with opener.open(urllib.request.Request(url, **request), timeout=20) as answer:
                data = answer.read()
                return True
        except urllib.error.HTTPError as failure:
            with failure:
                if failure.code not in (403, 404, 503):
                    raise
            return False
        except (OSError, http.client.HTTPException):
            return False
    lab.wait(is_answered, "data answered")
    return data


def transfer(lab, direction, **request):
    """Returns what the host's image server answered."""
    made = lab.rest.post("/imagetransfers", {"disk": {"id": lab.facts["offline"]},
                                             "direction": direction, "format": "raw"})
    lab.facts["transfer"] = made["id"]
    lab.wait(lambda: phase(lab) not in ("initializing", "unknown"), "transfer ready")
    data = ask_data(lab, lab.rest.get(transfer_path(lab))["transfer_url"], **request)
    lab.rest.post(transfer_path(lab) + "/finalize")
    lab.wait(lambda: phase(lab).startswith("finished"), "transfer ended")
    return data


def is_transferred(lab):
    return one_of(phase(lab), ("finished_success",), ("finished_failure", "finished_cleanup"))


def upload(lab):
    transfer(lab, "upload", data=b"x" * MIB, method="PUT",
             headers={"Content-Range": f"bytes 0-{MIB - 1}/*"})


def volume_file(lab):
    disk = lab.rest.get(f"/disks/{lab.facts['offline']}")
    domain = disk["storage_domains"]["storage_domain"][0]["id"]
    file, = (lab.host.directory / "var/lib/vireo/storage").glob(
        f"*/{domain}/images/{disk['id']}/{disk['image_id']}")
    return file


def is_uploaded(lab):
    done = is_transferred(lab)
    if done and volume_file(lab).read_bytes()[:MIB] != b"x" * MIB:
        raise AssertionError("the data is not there")
    return done


def to_download(lab):
    """A thin disk: what is read is not the file but what QEMU makes of it."""
    with_thin_disk(lab)
    file = str(volume_file(lab))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 0x78 0 {MIB}", file], check=True)
    lab.facts["data"] = None


def download(lab):
    lab.facts["data"] = transfer(lab, "download")


def is_downloaded(lab):
    done = is_transferred(lab)
    if done and lab.facts["data"] != b"x" * MIB + bytes(GIB // 64 - MIB):
        raise AssertionError("it is other data")
    return done


# ---- storage domains

def unattached(lab):
    lab.facts["domain"] = lab.add_domain()


def add_domain(lab):
    name = lab.facts["domain_name"] = lab.name("domain")
    lab.facts["domain_storage"] = lab.centre.storage(name)
    lab.rest.post("/storagedomains", {"name": name, "type": "data", "host": {"id": lab.host_id},
                                      "storage": lab.facts["domain_storage"]})


def is_added(lab):
    names = [row["name"] for row in lab.rest.list("/storagedomains")]
    real = list((lab.host.directory / lab.facts["domain_storage"]["path"][1:]).glob("*-*"))
    done = lab.facts["domain_name"] in names
    if done != bool(real):
        raise AssertionError(f"known: {done}, really there: {real}")
    return done


def active(lab):
    """The domain of these rounds is active; made when there is none."""
    if not lab.facts.get("domain") or lab.is_gone(f"/storagedomains/{lab.facts['domain']}"):
        unattached(lab)
    domain = lab.facts["domain"]
    if lab.is_gone(lab.attached(domain)):
        lab.rest.post(lab.attached(), {"id": domain})
    elif lab.status(lab.attached(domain)) == "maintenance":
        lab.rest.post(lab.attached(domain) + "/activate")
    lab.wait(lambda: lab.status(lab.attached(domain)) == "active", "domain active")
    lab.wait_ended()


def maintained(lab):
    active(lab)
    lab.rest.post(lab.attached(lab.facts["domain"]) + "/deactivate")
    lab.wait(lambda: lab.status(lab.attached(lab.facts["domain"])) == "maintenance", "maintenance")
    lab.wait_ended()


def detached(lab):
    if lab.facts.get("domain") and not lab.is_gone(f"/storagedomains/{lab.facts['domain']}"):
        if lab.is_gone(lab.attached(lab.facts["domain"])):
            return
        maintained(lab)
        lab.rest.delete(lab.attached(lab.facts["domain"]))
        lab.wait(lambda: lab.is_gone(lab.attached(lab.facts["domain"])), "domain detached")
        lab.wait_ended()
    else:
        unattached(lab)


def attach_domain(lab):
    lab.rest.post(lab.attached(), {"id": lab.facts["domain"]})


def domain_action(action):
    return lambda lab: lab.rest.post(f"{lab.attached(lab.facts['domain'])}/{action}")


def detach_domain(lab):
    lab.rest.delete(lab.attached(lab.facts["domain"]))


def is_domain(done, before):
    """None is a domain that is not attached."""
    def state(lab):
        path = lab.attached(lab.facts["domain"])
        status = None if lab.is_gone(path) else lab.status(path)
        return one_of(status, (done,), (before,))
    return state


def remove_domain(lab):
    lab.rest.delete(f"/storagedomains/{lab.facts['domain']}?host={lab.host_id}&format=true")


def is_removed(lab):
    return lab.is_gone(f"/storagedomains/{lab.facts['domain']}")


# ---- the host

def host_path(lab, *more):
    return "/".join((f"/hosts/{lab.host_id}", *more))


def host_up(lab):
    for vm in lab.rest.list("/vms"):
        if vm["status"] != "down":
            lab.rest.post(f"/vms/{vm['id']}/stop")
    if lab.status(host_path(lab)) == "maintenance":
        lab.rest.post(host_path(lab, "activate"))
    lab.wait_host()
    lab.wait_ended()


def host_maintained(lab):
    host_up(lab)
    lab.rest.post(host_path(lab, "deactivate"))
    lab.wait(lambda: lab.status(host_path(lab)) == "maintenance", "host in maintenance")


def host_action(action):
    return lambda lab: lab.rest.post(host_path(lab, action))


def is_maintained(lab):
    lab.wait(lambda: lab.status(host_path(lab)) == "maintenance", "host in maintenance")
    return True


def is_host_up(lab):
    lab.wait_host()
    return True


STORAGE_KINDS = (
    Kind("disk_add", nothing, add_disk, is_disk,
         points=(agent("before", "spawn"),)),
    Kind("disk_resize", with_thin_disk, grow_disk, is_grown,
         points=(agent("after", "spawn"),)),
    Kind("disk_remove", with_disk, remove_disk, has_no_such_disk,
         points=(agent("before", "rename", 2),)),
    Kind("upload", to_upload, upload, is_uploaded, undone=True,
         points=(agent("before", "fdatasync"),)),
    Kind("download", to_download, download, is_downloaded, undone=True,
         points=(agent("after", "spawn"),)),
    Kind("domain_add", nothing, add_domain, is_added,
         points=(agent("before", "rename", 2),)),
    Kind("domain_attach", detached, attach_domain, is_domain("active", None),
         points=(agent("before", "rename", again=18),)),
    Kind("domain_deactivate", active, domain_action("deactivate"),
         is_domain("maintenance", "active"),
         points=(agent("before", "spawn"),)),
    Kind("domain_activate", maintained, domain_action("activate"),
         is_domain("active", "maintenance"),
         points=(agent("after", "spawn"),)),
    Kind("domain_detach", maintained, detach_domain, is_domain(None, "maintenance"),
         points=(agent("before", "rename"),)),
    Kind("domain_remove", detached, remove_domain, is_removed,
         points=(agent("before", "rename"),)),
    Kind("deactivate_host", host_up, host_action("deactivate"), is_maintained, is_up=False,
         points=(agent("before", "rmdir"),)),
    Kind("activate_host", host_maintained, host_action("activate"), is_host_up, is_up=False,
         points=(agent("before", "rename"),)),
)
