"""A manager with fake hosts, and the question whether inventory, storage and hosts agree."""

import http.client
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

from storage_lab import ApiError, StorageTest, wait_until  # noqa: E402

BROKEN = (http.client.HTTPException, OSError)
POLL_SECONDS = 0.05


class CrashLab(StorageTest):
    """One for many cases. `local` is about the data center; it begins without storage."""

    def __init__(self, local=False, host_count=1):
        super().__init__()
        self.local, self.host_count = local, host_count
        self.count = 0  # makes names unique
        self.facts = {}  # what a scenario remembers of the current case
        self.setUp()
        self.operation_kinds = self.manager.control(command="operation-kinds")["kinds"]

    def runTest(self):
        pass

    def close(self):
        self.doCleanups()

    def name(self, noun):
        self.count += 1
        return f"{noun}{self.count}"

    # ---- dying and living

    def wait_death(self, drive, seconds=20):
        end = time.monotonic() + seconds
        while self.manager.process.poll() is None:
            if time.monotonic() > end:
                return False
            try:
                drive(self)
            except (*BROKEN, ApiError):
                pass
            time.sleep(POLL_SECONDS)
        return True

    def revive(self):
        self.manager.crash_at("")
        self.manager.start()
        for host in self.hosts:
            self.wait_host(host)

    def settle(self, drive, seconds=40):
        """Every operation ends by itself; then everything must agree."""
        def ended():
            drive(self)
            return not self.running_jobs()
        wait_until(ended, seconds, "the end of all operations")
        problems = ["not looked yet"]
        end = time.monotonic() + 8
        while problems and time.monotonic() < end:
            problems = self.disagreements()
            time.sleep(POLL_SECONDS)
        if problems:
            raise AssertionError("; ".join(problems))

    # ---- agreeing

    def rows(self, path, noun):
        return self.manager.get(path).get(noun, [])

    def disagreements(self):
        """What the manager and the world do not agree about, in words."""
        domains = {row["id"]: row for row in self.rows("/storagedomains", "storage_domain")}
        status = {row["id"]: row["status"] for row in self.rows(self.attached(), "storage_domain")}
        return [*self._about_domains(domains, status), *self._about_hosts(domains, status),
                *self._about_disks(domains), *self._about_vms()]

    def _about_domains(self, domains, status):
        real = {one.id: one for path in self.storage.paths.values() for one in path.values()}
        if set(domains) != set(real):
            yield f"domains: {set(domains)} known, {set(real)} on storage"
        for identity in set(domains) & set(real):
            pools = [self.data_center] if identity in status else []
            if real[identity].pools != pools:
                yield f"domain {identity} is in {real[identity].pools}, not {pools}"
            master = domains[identity].get("master") == "true"
            if master != (real[identity].role == "Master"):
                yield f"domain {identity}: master {master}, really {real[identity].role}"
        connections = self.rows("/storageconnections", "storage_connection")
        if len(connections) != len(domains):
            yield f"{len(connections)} connections for {len(domains)} domains"
        if set(status.values()) - {"active", "maintenance"}:
            yield f"domains are {status}"

    def _about_hosts(self, domains, status):
        active = {identity for identity, value in status.items() if value == "active"}
        paths = {domains[identity]["storage"]["path"] for identity in active}
        if sum(host.spm for host in self.hosts) != (1 if active else 0):
            yield f"storage is managed by {[host.name for host in self.hosts if host.spm]}"
        shown = {row["name"]: row.get("spm", {}).get("status") for row in self.rows("/hosts", "host")}
        for host in self.hosts:
            if (shown[host.name] == "spm") != host.spm:
                yield f"{host.name} is shown as {shown[host.name]}"
        for host in self.hosts:
            if host.connected != paths:
                yield f"{host.name} is connected to {host.connected}, not {paths}"
            known = {one for one, value in host.pool["domains"].items() if value == "active"} \
                if host.pool else set()
            if known != active:
                yield f"{host.name} uses {known}, not {active}"
            if host.tickets or host.nbd_servers:
                yield f"{host.name} has tickets {host.tickets}, servers {host.nbd_servers}"
            running = [task for task in host.tasks.values() if task["state"] == "running"]
            if running:
                yield f"{host.name} runs {running}"

    def _about_disks(self, domains):
        known = {}
        for disk in self.rows("/disks", "disk"):
            domain = disk["storage_domains"]["storage_domain"][0]["id"]
            known[disk["id"]] = (domain, disk["image_id"], int(disk["provisioned_size"]))
            if disk["status"] != "ok":
                yield f"disk {disk['id']} is {disk['status']}"
        real = {}
        for domain in domains:
            for image, volumes in self.storage.domain(domain).images.items():
                for identity, volume in volumes.items():
                    real[image] = (domain, identity, volume.capacity)
                    if volume.legality != "LEGAL":
                        yield f"volume {identity} is {volume.legality}"
        if known != real:
            yield f"disks {known}, volumes {real}"

    def _about_vms(self):
        running = {identity: (host.id, vm["devices"])
                   for host in self.hosts for identity, vm in host.vms.items()}
        seen = {}
        for vm in self.rows("/vms", "vm"):
            if vm["status"] == "up":
                seen[vm["id"]] = (vm["host"]["id"], self._plugged(vm["id"]))
            elif vm["status"] != "down":
                yield f"VM {vm['name']} is {vm['status']}"
        if seen != running:
            yield f"VMs {seen}, on hosts {running}"
        for vm in self.rows("/vms", "vm"):
            host = next((host for host in self.hosts if vm["id"] in host.vms), None)
            topology = vm["cpu"]["topology"]
            size = (int(topology["sockets"]) * int(topology["cores"]), int(vm["memory"]))
            if host and host.vm_size(vm["id"]) != size:
                yield f"VM {vm['name']} is shown with {size}, has {host.vm_size(vm['id'])}"

    def _plugged(self, vm):
        disks = self.rows(f"/vms/{vm}/diskattachments", "disk_attachment")
        nics = self.rows(f"/vms/{vm}/nics", "nic")
        return {row["id"] for row in disks if row["active"] == "true"} | \
            {row["id"] for row in nics if row["plugged"] == "true"}
