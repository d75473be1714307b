#!/usr/bin/env python3
"""Storage domains: adding, attaching, activating, maintenance, detaching, removing."""

import unittest

from storage_lab import ApiError, StorageTest, wait_until


class LocalDomainTest(StorageTest):
    def test_life(self):
        domain = self.add_local_domain(description="d", comment="c")
        top = self.manager.get(f"/storagedomains/{domain}")
        self.assertNotIn("status", top)
        self.assertEqual(top["external_status"], "ok")
        self.assertEqual(top["master"], "true")
        self.assertEqual(top["storage"], {"type": "localfs", "path": "/storage/local1"})
        self.assertEqual(top["storage_format"], "v5")
        self.assertEqual(top["warning_low_space_indicator"], "10")
        self.assertEqual(top["critical_space_action_blocker"], "5")
        self.assertEqual(top["data_centers"]["data_center"][0]["id"], self.data_center)
        wait_until(lambda: self.manager.get(f"/storagedomains/{domain}").get("available"))

        inside = self.manager.get(self.attached(domain))
        self.assertEqual(inside["data_center"]["id"], self.data_center)
        self.assertEqual(inside["status"], "active")
        listed = self.manager.get(self.attached())["storage_domain"]
        self.assertEqual([one["id"] for one in listed], [domain])

        self.manager.post(self.attached(domain) + "/deactivate")
        self.wait_domain(domain, "maintenance")
        self.assertFalse(self.host.spm)
        self.assertIsNone(self.host.pool)
        self.manager.post(self.attached(domain) + "/activate")
        self.wait_domain(domain, "active")
        self.assertTrue(self.host.spm)

        self.manager.post(self.attached(domain) + "/deactivate")
        self.wait_domain(domain, "maintenance")
        self.manager.delete(self.attached(domain))
        self.wait_gone(self.attached(domain))
        self.assertEqual(self.manager.get(f"/storagedomains/{domain}")["status"], "unattached")
        self.assertEqual(self.storage.domain(domain).pools, [])
        self.manager.delete(f"/storagedomains/{domain}", host=self.host.name, format="true")
        self.assertTrue(self.manager.gone(f"/storagedomains/{domain}"))
        self.assertEqual(self.storage.paths["/storage/local1"], {})
        self.assertEqual(self.host.connected, set())
        self.assertEqual(self.manager.get("/storageconnections"), {})

    def test_host_says_what_it_found(self):
        body = {"name": "a", "type": "data", "host": {"name": self.host.name},
                "storage": {"type": "localfs", "path": "/storage/none"}}
        with self.assertRaises(ApiError) as refused:
            self.manager.post("/storagedomains", body)
            self.wait_ended()
        self.assertIn("owned by 36:36", refused.exception.detail)
        self.host.connection_message = {"message": "Nothing is mounted at /storage/none."}
        with self.assertRaises(ApiError) as refused:
            self.manager.post("/storagedomains", body)
        self.assertIn("Host host1 can't connect to the storage of a. Cause: Error 477: Nothing is "
                      "mounted at /storage/none.", refused.exception.detail)
        self.assertNotIn("36:36", refused.exception.detail)


if __name__ == "__main__":
    unittest.main()
