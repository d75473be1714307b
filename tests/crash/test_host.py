#!/usr/bin/env python3
# time limit: 900 s
"""A real host whose agent and libvirtd die by kill -9 around the steps of operations.

VIREO_CRASH_FULL=1 kills at more moments."""

import os
import signal
import subprocess
import time
import unittest

from host_lab import GIB, GUEST, HostTest, RestFault

FULL = bool(os.environ.get("VIREO_CRASH_FULL"))
RUNS = ("powering_up", "up")  # it is "up" when its guest agent has spoken
# Seconds from the request to the death.
MOMENTS = (0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8) if FULL else (0, 0.1)


class StorageLifeTest(HostTest):
    """Without deaths: storage domains and disks of a real host."""

    def test_domains_and_disks(self):
        domain = self.add_domain()
        self.assertEqual(self.status(f"/storagedomains/{domain}"), "unattached")
        self.rest.post(self.attached(), {"id": domain})
        self.wait(lambda: self.status(self.attached(domain)) == "active", "domain active")
        disk = self.wait_disk(self.add_disk())
        self.rest.put(f"/disks/{disk}", {"provisioned_size": str(GIB // 32)})
        self.wait_disk(disk)
        self.assertEqual(self.rest.get(f"/disks/{disk}")["provisioned_size"], str(GIB // 32))
        self.check_agreement()
        self.rest.delete(f"/disks/{disk}")
        self.wait(lambda: self.is_gone(f"/disks/{disk}"), "disk gone")
        self.check_agreement()
        self.rest.post(self.attached(domain) + "/deactivate")
        self.wait(lambda: self.status(self.attached(domain)) == "maintenance", "maintenance")
        self.rest.post(self.attached(domain) + "/activate")
        self.wait(lambda: self.status(self.attached(domain)) == "active", "domain active")
        self.rest.post(self.attached(domain) + "/deactivate")
        self.wait(lambda: self.status(self.attached(domain)) == "maintenance", "maintenance")
        self.rest.delete(self.attached(domain))
        self.wait(lambda: self.is_gone(self.attached(domain)), "domain detached")
        self.check_import(domain)

    def check_import(self, domain):
        """Forgotten, taken over again, and removed for good."""
        storage = self.rest.get(f"/storagedomains/{domain}")["storage"]
        self.rest.delete(f"/storagedomains/{domain}?host={self.host_id}")
        self.assertTrue(self.is_gone(f"/storagedomains/{domain}"))
        again = self.rest.post("/storagedomains", {
            "id": domain, "type": "data", "import": "true", "host": {"id": self.host_id},
            "storage": {name: storage[name] for name in ("type", "path", "vfs_type")}})
        self.assertEqual(again["id"], domain)
        self.rest.delete(f"/storagedomains/{domain}?host={self.host_id}&format=true")
        self.assertTrue(self.is_gone(f"/storagedomains/{domain}"))
        self.assertNotIn(storage["path"], self.host.exec(["cat", "/proc/mounts"]))
        self.check_agreement()

    def test_stopped_manager_does_not_blame_hosts(self):
        manager = self.centre.manager.process
        manager.send_signal(signal.SIGSTOP)
        time.sleep(16)  # longer than a host may be silent
        manager.send_signal(signal.SIGCONT)
        time.sleep(1)
        self.assertEqual(self.status(f"/hosts/{self.host_id}"), "up")
        self.assertEqual([row["description"] for row in self.rest.list("/events")
                          if row["code"] == "9008"], [])

    def test_move_of_the_master(self):
        other = self.add_domain("other")
        self.rest.post(self.attached(), {"id": other})
        self.wait(lambda: self.status(self.attached(other)) == "active", "domain active")
        self.rest.post(self.attached(self.first) + "/deactivate")
        self.wait(lambda: self.status(self.attached(self.first)) == "maintenance", "maintenance")
        self.assertEqual(self.rest.get(f"/storagedomains/{other}")["master"], "true")
        self.rest.post(self.attached(self.first) + "/activate")
        self.wait(lambda: self.status(self.attached(self.first)) == "active", "domain active")
        self.rest.post(self.attached(other) + "/deactivate")
        self.wait(lambda: self.status(self.attached(other)) == "maintenance", "maintenance")
        self.wait_ended()
        self.assertEqual(self.rest.get(f"/storagedomains/{self.first}")["master"], "true")
        self.rest.delete(self.attached(other))
        self.wait(lambda: self.is_gone(self.attached(other)), "domain detached")
        self.rest.delete(f"/storagedomains/{other}?host={self.host_id}&format=true")
        self.check_agreement()


class LocalLifeTest(HostTest):
    local = True

    def test_last_domain(self):
        self.rest.post(self.attached(self.first) + "/deactivate")
        self.wait(lambda: self.status(self.attached(self.first)) == "maintenance", "maintenance")
        self.rest.delete(self.attached(self.first))
        self.wait(lambda: self.is_gone(self.attached(self.first)), "domain detached")
        self.rest.post(self.attached(), {"id": self.first})
        self.wait(lambda: self.status(self.attached(self.first)) == "active", "domain active")
        self.wait_host()
        self.wait_disk(self.add_disk())
        self.check_agreement()


class DeathTest(HostTest):
    @classmethod
    def setUpClass(cls):
        subprocess.run([cls_builder(), GUEST], check=True, stdout=subprocess.DEVNULL)
        super().setUpClass()
        cls.give_kernel(cls)

    def kill_agent(self):
        self.host.kill_agent()
        self.host.start_agent()

    def kill_libvirtd(self):
        self.host.kill_libvirtd()
        self.host.start_libvirtd()

    def kill_manager(self):
        self.centre.manager.kill()
        self.centre.manager.start()
        type(self).rest = self.centre.manager.login()

    def deaths(self, begin, check, killers=("agent", "libvirtd", "manager"), moments=MOMENTS):
        """Every death at every moment after the request was answered."""
        for who in killers:
            for moment in moments:
                with self.subTest(killed=who, after=moment):
                    self.wait_host()
                    what = begin()
                    time.sleep(moment)
                    getattr(self, f"kill_{who}")()
                    self.wait_host()
                    self.check_agreement()
                    check(what)

    def test_disk_add(self):
        self.deaths(self.add_disk, self.wait_disk, ("agent", "manager"))

    def test_disk_remove(self):
        def begin():
            disk = self.wait_disk(self.add_disk(format="raw", sparse="false"))
            self.rest.delete(f"/disks/{disk}")
            return disk
        self.deaths(begin, lambda disk: self.assertTrue(self.is_gone(f"/disks/{disk}")),
                    ("agent", "manager"))

    def test_disk_resize(self):
        def begin():
            disk = self.wait_disk(self.add_disk())
            self.rest.put(f"/disks/{disk}", {"provisioned_size": str(GIB)})
            return disk
        self.deaths(begin, lambda disk: self.assertEqual(
            self.rest.get(f"/disks/{disk}")["provisioned_size"], str(GIB)), ("agent", "manager"))

    def test_domain_attach(self):
        def begin():
            domain = self.add_domain()
            self.rest.post(self.attached(), {"id": domain})
            return domain

        def check(domain):
            self.wait(lambda: self.status(self.attached(domain)) == "active", "domain active")
            self.rest.post(self.attached(domain) + "/deactivate")
            self.wait(lambda: self.status(self.attached(domain)) == "maintenance", "maintenance")
            self.rest.delete(self.attached(domain))
            self.wait(lambda: self.is_gone(self.attached(domain)), "domain detached")
        self.deaths(begin, check, ("agent", "manager"))

    def test_vm_start_and_stop(self):
        """A start may fail when its host's programs die, but then nothing of it is left."""
        vm = self.add_vm([self.wait_disk(self.add_disk())])

        def start():
            if self.status(f"/vms/{vm}") != "down":
                self.rest.post(f"/vms/{vm}/stop")
                self.wait(lambda: self.status(f"/vms/{vm}") == "down", "VM down")
            self.rest.post(f"/vms/{vm}/start")

        def is_settled(_):
            self.wait(lambda: self.status(f"/vms/{vm}") in (*RUNS, "down"), "VM up or down")
            self.check_agreement()
        self.deaths(start, is_settled)

        def stop():
            if self.status(f"/vms/{vm}") == "down":
                self.start_vm(vm, RUNS)
            self.wait_ended()
            self.rest.post(f"/vms/{vm}/stop")
        self.deaths(stop, lambda _: self.wait(lambda: self.status(f"/vms/{vm}") == "down", "down"),
                    moments=MOMENTS[:-1])

    def test_hotplug(self):
        vm = self.add_vm()
        disk = self.wait_disk(self.add_disk())
        self.start_vm(vm)
        time.sleep(8)  # until the guest lets go of devices

        def attempt(begin):
            try:
                begin()
            except RestFault:
                pass

        def plug():
            rows = self.rest.list(f"/vms/{vm}/diskattachments")
            body = {"active": "true"}
            if rows:
                attempt(lambda: self.rest.put(f"/vms/{vm}/diskattachments/{disk}", body))
            else:
                attempt(lambda: self.attach(vm, disk))
        for who in ("agent", "libvirtd"):
            with self.subTest(killed=who):
                plug()
                self.check_agreement()
                attempt(lambda: self.rest.put(f"/vms/{vm}/diskattachments/{disk}",
                                              {"active": "false"}))
                getattr(self, f"kill_{who}")()
                self.wait_host()
                self.check_agreement()
        self.rest.post(f"/vms/{vm}/stop")
        self.wait(lambda: self.status(f"/vms/{vm}") == "down", "VM down")
        self.check_agreement()


def cls_builder():
    return GUEST.parents[1] / "tests/guest/build"


if __name__ == "__main__":
    if os.geteuid():
        raise SystemExit("needs root")
    unittest.main()
