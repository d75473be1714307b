#!/usr/bin/env python3
# time limit: 240 s
"""Devices of a VM that runs: what stays when its host refuses them, falls silent, or can't undo."""

import unittest

from storage_lab import ApiError, StorageTest, wait_until

PLUG_FAILED = 2001


class PlugTest(StorageTest):
    def setUp(self):
        super().setUp()
        self.domain = self.add_local_domain()
        self.id = self.manager.post("/vms", {
            "name": "web", "cluster": {"name": "Default"}, "template": {"name": "Blank"},
            "memory": str(256 << 20)})["id"]
        self.profile = self.manager.get("/vnicprofiles")["vnic_profile"][0]["id"]
        self.disk1 = self.add_disk(self.domain, name="boot")
        self.attach_disk(self.disk1, bootable="true")
        self.spare = self.add_disk(self.domain, name="spare")
        self.manager.post(f"/vms/{self.id}/start")
        wait_until(lambda: self.manager.get(f"/vms/{self.id}")["status"] == "up", what="VM up")
        self.wait_ended()

    def attach_disk(self, disk, **more):
        return self.manager.post(f"/vms/{self.id}/diskattachments", {
            "active": "true", "interface": "virtio", "bootable": "false", "disk": {"id": disk},
            **more})

    def add_nic(self):
        return self.manager.post(f"/vms/{self.id}/nics", {
            "name": "nic1", "vnic_profile": {"id": self.profile}})

    def attachments(self):
        rows = self.manager.get(f"/vms/{self.id}/diskattachments")["disk_attachment"]
        return {row["id"]: row["active"] for row in rows}

    def nics(self):
        return self.manager.get(f"/vms/{self.id}/nics").get("nic", [])

    def refused(self, code, call, *arguments):
        with self.assertRaises(ApiError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.code, code, caught.exception.detail)
        return caught.exception.detail

    def test_refused_disk_is_not_attached(self):
        self.host.faults.fail("VM.hotplugDisk", 45, "no slot is left")
        text = self.refused(409, self.attach_disk, self.spare)
        for part in ("Plugging spare into VM web failed", "host1", "no slot is left"):
            self.assertIn(part, text)
        self.assertEqual(self.attachments(), {self.disk1: "true"})
        self.attach_disk(self.spare)
        self.assertEqual(self.attachments(), {self.disk1: "true", self.spare: "true"})

    def test_refused_nic_is_not_added(self):
        self.host.faults.fail("VM.hotplugNic", 49, "no slot is left")
        text = self.refused(409, self.add_nic)
        self.assertIn("Plugging nic1 into VM web failed", text)
        self.assertEqual(self.nics(), [])
        self.assertEqual(self.add_nic()["plugged"], "true")

    def test_refused_activation_leaves_it_off(self):
        self.attach_disk(self.spare)
        path = f"/vms/{self.id}/diskattachments/{self.spare}"
        self.manager.put(path, {"active": "false"})
        self.host.faults.fail("VM.hotplugDisk", 45, "no slot is left")
        self.refused(409, self.manager.put, path, {"active": "true"})
        self.assertEqual(self.attachments(), {self.disk1: "true", self.spare: "false"})

    def test_undo_without_host(self):
        """Who waits is told of the failure; the undo goes on when the host is back."""
        self.host.faults.fail("VM.hotplugDisk", 45, "no slot is left")
        self.host.faults.kill("VM.hotunplugDisk", done=False)
        text = self.refused(409, self.attach_disk, self.spare)
        self.assertIn("no slot is left", text)
        self.assertIn("undone as soon as", text)
        self.assertEqual(len(self.running_jobs()), 1)
        self.host.start()
        self.wait_ended()
        self.assertEqual(self.attachments(), {self.disk1: "true"})

    def test_guest_that_never_lets_go(self):
        """It keeps the disk, and the VM does not stay locked."""
        self.host.faults.fail("VM.hotplugDisk", 45, "an answer that is wrong")
        self.host.faults.fail("VM.hotunplugDisk", 46, "the guest did not release it", times=99)
        self.refused(409, self.attach_disk, self.spare)
        self.refused(409, self.manager.post, f"/vms/{self.id}/stop")
        self.wait_ended(seconds=60)
        self.assertEqual(self.attachments(), {self.disk1: "true", self.spare: "true"})
        self.manager.post(f"/vms/{self.id}/stop")
        wait_until(lambda: self.manager.get(f"/vms/{self.id}")["status"] == "down", what="down")

    def test_definition_is_asked_for_again(self):
        """Free names for devices come out of it."""
        self.host.faults.fail("Host.dumpxmls", 100, "not now")
        before = len(self.host.called("Host.dumpxmls"))
        self.attach_disk(self.spare)
        wait_until(lambda: len(self.host.called("Host.dumpxmls")) > before, what="the call")
        wait_until(lambda: len(self.host.called("Host.dumpxmls")) > before + 1, 5,
                   "the repeated call")

    def test_nic_whose_undo_is_refused(self):
        nic = self.add_nic()["id"]
        path = f"/vms/{self.id}/nics/{nic}"
        self.host.faults.fail("VM.updateDevice", 56, "there is no such bridge", times=99)
        text = self.refused(409, self.manager.put, path, {"linked": "false"})
        self.assertIn("Changing network interface nic1 of VM web failed", text)
        self.assertIn("no such bridge", text)
        self.assertEqual(self.manager.get(path)["linked"], "true")
        self.manager.post(f"/vms/{self.id}/stop")


if __name__ == "__main__":
    unittest.main(verbosity=2)
