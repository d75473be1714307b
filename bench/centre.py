"""A data centre with one host, and the objects the figures need in it."""

import contextlib
import subprocess
import tempfile

from tools.datacentre import link
from tools.datacentre.datacentre import DataCentre
from tools.datacentre.process import wait_until


@contextlib.contextmanager
def new_centre(build):
    with tempfile.TemporaryDirectory(prefix="vireo-bench-") as state:
        with DataCentre(state, build_dir=build) as centre:
            yield centre


def without_pacing(centre):
    """New connections between machine and host send as fast as they can. Under BBR, which this
    machine may have for all it sends, the kernel sets a timer for every few packets where the
    interface has no queue that knows of pacing: a fifth of what a download costs."""
    number = centre.host.record["link"]
    route = ["ip", "route", "replace", str(link.network(number)), "scope", "link",
             "congctl", "reno"]
    subprocess.run([*route, "src", link.machine_address(number),
                    "dev", link.interface_name(number)], check=True)
    centre.host.exec([*route, "src", link.sandbox_address(number), "dev", "eth0"])


def wait_for(centre, path, member, value, seconds=120):
    def look():
        row = centre.rest.get(path)
        return row if row.get(member) == value else None

    return wait_until(look, seconds, f"{path} {value}")


def add_disk(centre, name, size, form="cow"):
    disk = centre.rest.post("/disks", {
        "name": name, "provisioned_size": str(size), "format": form, "sparse": "true",
        "storage_domains": {"storage_domain": [{"name": "local"}]}})["id"]
    wait_for(centre, f"/disks/{disk}", "status", "ok")
    return disk


@contextlib.contextmanager
def transfer(centre, disk, direction, form):
    """The URL of the host's image server; the transfer is finished afterwards."""
    path = "/imagetransfers/" + centre.rest.post(
        "/imagetransfers", {"disk": {"id": disk}, "direction": direction, "format": form})["id"]
    yield wait_for(centre, path, "phase", "transferring")["transfer_url"]
    centre.rest.post(f"{path}/finalize")
    wait_for(centre, path, "phase", "finished_success")


def curl(centre, *arguments):
    """A command that trusts the data centre."""
    return ["curl", "-sf", "--noproxy", "*", "--cacert", centre.manager.ca_file, *arguments]
