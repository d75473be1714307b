#!/usr/bin/env python3
"""Disks: adding, reading, changing, growing, removing."""

import unittest
import uuid

from storage_lab import GIB, ApiError, StorageTest, wait_until


class DiskTest(StorageTest):
    def setUp(self):
        super().setUp()
        self.domain = self.add_local_domain()

    def refused(self, code, words, method, path, body=None, **query):
        with self.assertRaises(ApiError) as raised:
            self.manager.call(method, path, body, **query)
        self.assertEqual(raised.exception.code, code, raised.exception)
        self.assertIn(words, raised.exception.detail)

    def test_life(self):
        disk = self.manager.post("/disks", self.disk_body(self.domain, description="d"))
        self.assertEqual(disk["status"], "locked")
        self.wait_disk(disk["id"])
        shown = self.disk(disk["id"])
        self.assertEqual(shown["alias"], "disk1")
        self.assertEqual(shown["name"], "disk1")
        self.assertEqual(shown["provisioned_size"], str(GIB))
        self.assertEqual(shown["format"], "cow")
        self.assertEqual(shown["sparse"], "true")
        self.assertEqual(shown["qcow_version"], "qcow2_v3")
        self.assertEqual(shown["backup"], "none")
        self.assertEqual(shown["content_type"], "data")
        self.assertEqual(shown["storage_type"], "image")
        self.assertGreater(int(shown["total_size"]), 0)
        self.assertEqual(shown["storage_domains"]["storage_domain"][0]["id"], self.domain)
        volume = self.storage.volume(self.domain, disk["id"], shown["image_id"])
        self.assertEqual((volume.format, volume.allocation, volume.capacity),
                         ("COW", "SPARSE", GIB))
        self.assertEqual(volume.description, '{"DiskAlias":"disk1","DiskDescription":"d"}')

        self.assertEqual(self.manager.get("/disks")["disk"][0]["id"], disk["id"])
        inside = self.manager.get(f"/storagedomains/{self.domain}/disks")["disk"]
        self.assertEqual([one["id"] for one in inside], [disk["id"]])
        self.manager.get(f"/storagedomains/{self.domain}/disks/{disk['id']}")
        self.manager.get(f"/disks/{disk['id']}/statistics")
        profile = self.manager.get(f"/diskprofiles/{shown['disk_profile']['id']}")
        self.assertEqual(profile["storage_domain"]["id"], self.domain)
        self.assertEqual(self.manager.get(f"/storagedomains/{self.domain}")["committed"], str(GIB))

        self.manager.put(f"/disks/{disk['id']}", {"alias": "other", "wipe_after_delete": "true"})
        self.assertEqual(self.disk(disk["id"])["name"], "other")
        wait_until(lambda: "other" in volume.description)

        grown = self.manager.put(f"/disks/{disk['id']}", {"provisioned_size": str(2 * GIB)})
        self.assertEqual(grown["status"], "locked")
        self.wait_disk(disk["id"])
        self.assertEqual(self.disk(disk["id"])["provisioned_size"], str(2 * GIB))
        self.assertEqual(volume.capacity, 2 * GIB)

        self.manager.delete(f"/disks/{disk['id']}")
        self.wait_gone(f"/disks/{disk['id']}")
        self.assertEqual(self.images(self.domain), {})
        self.assertTrue(self.host.called("Image.delete")[0]["postZero"])
        # An event is told when it is durable, a little after the change itself can be seen.
        for code in (2020, 2021, 371, 2038, 2014):
            wait_until(lambda code=code: code in self.event_codes(), what=f"event {code}")
        self.assertEqual(self.host.tasks, {})

    def test_kinds(self):
        raw = self.add_disk(self.domain, format="raw", sparse="false")
        iso = self.add_disk(self.domain, format="raw", content_type="iso", name="cd.iso",
                            shareable="true")
        backup = self.add_disk(self.domain, backup="incremental")
        own, image = str(uuid.uuid4()), str(uuid.uuid4())
        self.assertEqual(self.add_disk(self.domain, id=own, image_id=image), own)
        self.assertEqual(self.disk(own)["image_id"], image)
        self.assertEqual(self.disk(raw)["actual_size"], str(GIB))
        self.assertEqual(self.disk(backup)["backup"], "incremental")
        files = self.manager.get(f"/storagedomains/{self.domain}/files")["file"]
        self.assertEqual([(one["id"], one["name"]) for one in files], [(iso, "cd.iso")])
        volume, = self.images(self.domain)[iso].values()
        self.assertEqual(volume.disk_type, "ISOF")

    def test_refusals(self):
        good = self.disk_body(self.domain)
        taken = self.add_disk(self.domain)
        for code, words, change in (
                (400, "provisionedSize", {"provisioned_size": None}),
                (400, "greater than 0", {"provisioned_size": "0"}),
                (400, "incompatible with the storage domain type",
                 {"format": "cow", "sparse": "false"}),
                (400, "incompatible with the storage domain type",
                 {"format": "raw", "backup": "incremental"}),
                (400, "Shareable disks", {"shareable": "true"}),
                (400, "Storage Domain hasn't been specified", {"storage_domains": None}),
                (404, "storage domain", {"storage_domains": {"storage_domain": [
                    {"id": str(uuid.uuid4())}]}}),
                (400, "UUID", {"id": "rubbish"}),
                (409, "already used", {"id": taken}),
                (409, "Low disk space", {"format": "raw", "sparse": "false",
                                         "provisioned_size": str(99 * GIB)}),
                (501, "LUN", {"lun_storage": {"type": "iscsi"}})):
            body = {key: value for key, value in {**good, **change}.items() if value is not None}
            with self.subTest(change=change):
                self.refused(code, words, "POST", "/disks", body)
        self.refused(400, "larger than the current", "PUT", f"/disks/{taken}",
                     {"provisioned_size": "4096"})
        for words, size in (("disk.provisioned_size is 4096", 4096),
                            ("greater than 0", -1), ("disk.provisioned_size is -1", -1),
                            ("at most 500 TiB", (500 << 40) + 1),
                            ("at most 500 TiB", (1 << 63) - 1)):
            with self.subTest(size=size):
                self.refused(400, words, "PUT", f"/disks/{taken}", {"provisioned_size": str(size)})
        self.refused(501, "disk.lun_storage", "POST", "/disks",
                     {**good, "lun_storage": {"type": "iscsi"}})
        with self.host.faults.held("Volume.create"):
            locked = self.add_disk(self.domain, wait=False)
            self.refused(409, "is locked", "DELETE", f"/disks/{locked}")
            self.refused(409, "Related operation is currently in progress", "PUT",
                         f"/disks/{locked}", {"alias": "x"})
            self.refused(409, "is locked", "POST", self.attached(self.domain) + "/deactivate")
        self.wait_disk(locked)

    def test_waiting(self):
        disk = self.manager.post("/disks", self.disk_body(self.domain), **{"async": "false"})
        self.assertEqual(disk["status"], "ok")
        self.host.faults.fail_task("Volume.create", 205, "no luck")
        self.refused(409, "no luck", "POST", "/disks", self.disk_body(self.domain),
                     **{"async": "false"})


if __name__ == "__main__":
    unittest.main()
