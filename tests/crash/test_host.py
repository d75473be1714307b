#!/usr/bin/env python3
# time limit: 900 s
"""A real host whose agent and libvirtd die by kill -9 around the steps of what they are asked.

VIREO_CRASH_FULL=1 kills both around every act of every kind; see host_kinds.py."""

import collections
import os
import signal
import time
import unittest

from crash_control import VICTIMS, Point
from death_lab import DeathLab
from host_kinds import KINDS
from host_lab import GIB, HostTest

FULL = bool(os.environ.get("VIREO_CRASH_FULL"))
OTHERS_ACT = ("vir", "spawn")
DELAYS = (5, 30, 100)
AGAIN = (1, 15, 18, 21)  # acts of the next agent; 14 put up its socket and certificates


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


class DeathTest(DeathLab):
    """One test for each kind; see host_kinds.py."""

    def every_point(self, kind):
        """Both die at every act; where others act for the agent, also while and after they do, and
        the next agent at its first acts."""
        acts = self.count_acts(kind)
        self.assertTrue(acts)
        for victim in VICTIMS:
            seen = collections.Counter()
            for number, (name, _) in enumerate(acts, 1):
                yield Point(victim, "before", number)
                seen[name] += 1
                if name.startswith(OTHERS_ACT):  # by name: other acts may come between or not
                    yield from (Point(victim, "during", seen[name], name, delay)
                                for delay in DELAYS)
                    yield Point(victim, "after", seen[name], name)
                    if victim == "agent":
                        yield from (Point(victim, "after", seen[name], name, again=again)
                                    for again in AGAIN)

    def check_kind(self, kind):
        self.rounds(kind, list(self.every_point(kind)) if FULL else kind.points)


def add_tests():
    for kind in KINDS:
        setattr(DeathTest, f"test_{kind.name}",
                lambda self, kind=kind: self.check_kind(kind))


add_tests()

if __name__ == "__main__":
    if os.geteuid():
        raise SystemExit("needs root")
    unittest.main()
