#!/usr/bin/env python3
"""What hosts tell of running VMs: a QEMU that is silent, storage that fails, how large disks are."""

import unittest

from storage_lab import ApiError, StorageTest, wait_until

MIB = 1 << 20
SILENT, ANSWERS, RECOVERED = 126, 163, 196


class ReportTest(StorageTest):
    def setUp(self):
        super().setUp()
        self.domain = self.add_local_domain()
        self.id = self.manager.post("/vms", {
            "name": "web", "cluster": {"name": "Default"}, "template": {"name": "Blank"}})["id"]
        self.disk_id = self.manager.post(f"/vms/{self.id}/diskattachments", {
            "active": "true", "interface": "virtio", "bootable": "true",
            "disk": self.disk_body(self.domain)})["id"]
        self.wait_ended()
        self.manager.post(f"/vms/{self.id}/start")
        self.wait_vm("up")
        self.wait_ended()

    def wait_vm(self, status):
        wait_until(lambda: self.vm()["status"] == status, what=f"VM {status}")

    def vm(self):
        return self.manager.get(f"/vms/{self.id}")

    def texts(self, code):
        return [event["description"] for event in self.manager.get("/events", max=100)["event"]
                if event["code"] == str(code)]

    def polled(self):
        """The host has been asked twice since: what was true is known."""
        before = len(self.host.called("Host.getAllVmStats"))
        wait_until(lambda: len(self.host.called("Host.getAllVmStats")) >= before + 2, what="polls")

    def test_silent_monitor(self):
        self.host.set_vm_status(self.id, "Up", monitorResponse="-1")
        self.wait_vm("not_responding")
        self.polled()
        self.assertEqual(len(self.texts(SILENT)), 1)
        self.host.set_vm_status(self.id, "Up", monitorResponse="0")
        self.wait_vm("up")
        wait_until(lambda: self.texts(ANSWERS) == ["VM web responds again: it is up."], what="event")

    def pause(self, code, alias=None):
        more = {"ioerror": {"alias": alias, "name": "vda", "path": "/x"}} if alias else {}
        self.host.set_vm_status(self.id, "Paused", pauseCode=code, **more)
        self.wait_vm("paused")
        self.polled()

    def test_paused_by_storage(self):
        where = " It is disk disk1 on storage domain local1."
        for code, number, text in (
                ("ENOSPC", 138, "VM web has been paused: no space is left on its storage."),
                ("EOTHER", 139, "VM web has been paused after a storage error."),
                ("EIO", 145, "VM web has been paused after an I/O error of its storage."),
                ("EPERM", 146, "VM web has been paused: its storage refuses access.")):
            with self.subTest(code=code):
                self.pause(code, f"ua-{self.disk_id}")
                self.assertEqual(self.texts(number), [text + where])
                event = next(event for event in self.manager.get("/events")["event"]
                             if event["code"] == str(number))
                self.assertEqual(event["storage_domain"]["id"], self.domain)
                self.assertEqual(self.vm()["status_detail"], code.lower())
                self.host.set_vm_status(self.id, "Up")
                self.wait_vm("up")
        wait_until(lambda: len(self.texts(RECOVERED)) == 4, what="events")

    def test_disk_that_nobody_names(self):
        self.pause("ENOSPC", "virtio-disk0")
        self.assertEqual(self.texts(138),
                         ["VM web has been paused: no space is left on its storage."])

    def test_paused_by_a_user(self):
        self.pause("NOERR")
        self.host.set_vm_status(self.id, "Up")
        self.wait_vm("up")
        self.assertEqual(self.texts(RECOVERED), [])

    def test_resume(self):
        self.pause("ENOSPC", f"ua-{self.disk_id}")
        self.host.verbs["VM.cont"] = lambda parameters: {}
        self.host.faults.fail("VM.cont", 16, "paused again at once: no space is left for vda")
        with self.assertRaises(ApiError) as refused:
            self.manager.post(f"/vms/{self.id}/start")
        self.assertIn("no space is left", refused.exception.detail)
        self.assertEqual(self.vm()["status"], "paused")
        # The answer to a request that worked never says paused.
        self.host.faults.delay("Host.getAllVmStats", 5)
        self.manager.post(f"/vms/{self.id}/start")
        self.assertNotEqual(self.vm()["status"], "paused")

    def size(self):
        return int(self.disk(self.disk_id)["actual_size"])

    def test_used_size(self):
        volume, = self.images(self.domain)[self.disk_id].values()
        for size in (5 * MIB, 9 * MIB):
            volume.used = size
            self.host.set_vm_status(self.id, "Up", cpuUser="0", disks={
                "vda": {"imageID": self.disk_id, "truesize": str(size)}})
            wait_until(lambda size=size: self.size() == size, what=f"{size} bytes")
        # What the guest wrote last is asked for when it has ended, and kept.
        volume.used = 11 * MIB
        self.manager.post(f"/vms/{self.id}/stop")
        self.wait_vm("down")
        wait_until(lambda: self.size() == 11 * MIB, what="the last size")
        self.manager.stop()
        self.manager.start()
        self.assertEqual(self.size(), 11 * MIB)


if __name__ == "__main__":
    unittest.main(verbosity=2)
