"""A data centre with one host, and the objects the figures need in it."""

import contextlib
import tempfile

from tools.datacentre.datacentre import DataCentre
from tools.datacentre.process import wait_until


@contextlib.contextmanager
def new_centre(build):
    with tempfile.TemporaryDirectory(prefix="vireo-bench-") as state:
        with DataCentre(state, build_dir=build) as centre:
            yield centre


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
