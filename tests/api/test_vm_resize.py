#!/usr/bin/env python3
"""CPUs and memory of a VM that runs: what changes at once, what waits for the next start, and what
is told when the host refuses."""

import contextlib
import threading
import unittest

import vireo_test
from storage_lab import ApiError, StorageTest, wait_until

MIB = 1 << 20
CPUS_CHANGED, CPUS_FAILED, MEMORY_CHANGED, MEMORY_FAILED = 2033, 2034, 2039, 2040


class ResizeTest(StorageTest):
    host_options = {"cpus": 8}

    def setUp(self):
        super().setUp()
        domain = self.add_local_domain()
        self.id = self.manager.post("/vms", {
            "name": "web", "cluster": {"name": "Default"}, "template": {"name": "Blank"},
            "memory": str(256 * MIB), "memory_policy": {"max": str(1024 * MIB)},
            "cpu": {"topology": {"sockets": "1", "cores": "2", "threads": "1"}}})["id"]
        self.manager.post(f"/vms/{self.id}/diskattachments", {
            "active": "true", "interface": "virtio", "bootable": "true",
            "disk": self.disk_body(domain)})
        self.wait_ended()
        self.start()

    def start(self):
        self.manager.post(f"/vms/{self.id}/start")
        wait_until(lambda: self.vm()["status"] == "up", what="VM up")
        self.wait_ended()

    def stop(self):
        self.manager.post(f"/vms/{self.id}/stop")
        wait_until(lambda: self.vm()["status"] == "down", what="VM down")

    def vm(self, **query):
        return self.manager.get(f"/vms/{self.id}", **query)

    def update(self, body, **query):
        return self.manager.put(f"/vms/{self.id}", body, **query)

    def sockets(self, count, **more):
        return {"cpu": {"topology": {"sockets": str(count), **more}}}

    def assert_size(self, vm, sockets, mebibytes, pending):
        """What is shown is what the host has."""
        self.assertEqual(vm["cpu"]["topology"]["sockets"], str(sockets))
        self.assertEqual(vm["memory"], str(mebibytes * MIB))
        self.assertEqual(vm["next_run_configuration_exists"], "true" if pending else "false")
        self.assertEqual(self.host.vm_size(self.id), (sockets * 2, mebibytes * MIB))

    def test_grows_at_once(self):
        self.assert_size(self.update(self.sockets(3)), 3, 256, False)
        self.assert_size(self.update({"memory": str(768 * MIB)}), 3, 768, False)
        self.assert_size(self.update(self.sockets(2)), 2, 768, False)
        both = self.update({"memory": str(1024 * MIB), **self.sockets(4)})
        self.assert_size(both, 4, 1024, False)
        self.assertEqual(both["memory_policy"]["guaranteed"], str(1024 * MIB))
        self.assertEqual(both["memory_policy"]["max"], str(1024 * MIB))
        codes = self.event_codes()
        self.assertEqual([codes.count(CPUS_CHANGED), codes.count(MEMORY_CHANGED)], [3, 2])
        texts = [event["description"] for event in self.manager.get("/events")["event"]]
        self.assertIn("The memory of VM web was changed from 256 MiB to 768 MiB while it runs.",
                      texts)
        self.stop()
        self.start()
        self.assert_size(self.vm(), 4, 1024, False)

    def test_waits_for_the_next_start(self):
        for body in ({"memory": str(300 * MIB)},    # no whole step
                     {"memory": str(128 * MIB)},    # less
                     {"memory": str(2048 * MIB)},   # more than the maximum
                     self.sockets(17),              # more sockets than it was started with
                     self.sockets(2, cores="4")):   # another topology
            with self.subTest(body=body):
                self.assert_size(self.update(body), 1, 256, True)
                self.assert_size(self.update({"memory": str(256 * MIB),
                                              "memory_policy": {"max": str(1024 * MIB)},
                                              **self.sockets(1, cores="2")}), 1, 256, False)
        self.update({"memory": str(512 * MIB), **self.sockets(2)}, next_run="true")
        self.assert_size(self.vm(), 1, 256, True)
        self.assertEqual(self.vm(next_run="true")["memory"], str(512 * MIB))
        # What waits is no wish of later requests.
        self.assert_size(self.update({"comment": "other"}), 1, 256, True)
        self.assertFalse({CPUS_CHANGED, MEMORY_CHANGED} & set(self.event_codes()))
        self.stop()
        self.start()
        self.assert_size(self.vm(), 2, 512, False)

    def test_only_an_up_vm(self):
        self.host.set_vm_status(self.id, "Paused", pauseCode="NOERR")
        wait_until(lambda: self.vm()["status"] == "paused", what="VM paused")
        self.assert_size(self.update({"memory": str(512 * MIB)}), 1, 256, True)

    def test_other_changes_go_on_waiting(self):
        self.update(self.sockets(1, cores="3"))
        vm = self.update({"memory": str(512 * MIB)})
        self.assert_size(vm, 1, 512, True)
        self.assertEqual(vm["cpu"]["topology"]["cores"], "2")

    def test_refusal(self):
        """The request succeeds, the event tells why, and the next start has it."""
        self.host.faults.fail("VM.hotplugMemory", 70, "no slot is left")
        self.host.faults.fail("VM.setNumberOfCpus", 60, "the guest does not give it back")
        vm = self.update({"memory": str(512 * MIB), **self.sockets(2)})
        self.assert_size(vm, 1, 256, True)
        self.assertEqual(vm["memory_policy"]["guaranteed"], str(256 * MIB))
        texts = {int(event["code"]): event["description"]
                 for event in self.manager.get("/events")["event"]}
        self.assertIn("no slot is left", texts[MEMORY_FAILED])
        self.assertIn("does not give it back", texts[CPUS_FAILED])
        self.stop()
        self.start()
        self.assert_size(self.vm(), 2, 512, False)

    def test_host_too_small(self):
        self.assert_size(self.update(self.sockets(5)), 1, 256, True)
        text = next(event["description"] for event in self.manager.get("/events")["event"]
                    if event["code"] == str(CPUS_FAILED))
        self.assertIn("host1 has 8 CPUs", text)
        self.assertEqual(self.host.called("VM.setNumberOfCpus"), [])

    def test_done_although_refused(self):
        """A second request for the same, after an answer was lost."""
        self.host.faults.repeat("VM.hotplugMemory")
        self.assert_size(self.update({"memory": str(512 * MIB)}), 1, 512, False)
        self.assertNotIn(MEMORY_FAILED, self.event_codes())

    def test_lost_answer(self):
        self.host.faults.cut("VM.hotplugMemory")
        self.assert_size(self.update({"memory": str(512 * MIB)}), 1, 512, False)
        self.assertEqual(len(self.host.called("VM.hotplugMemory")), 1)

    def grow_in_background(self):
        client = vireo_test.Client(self.manager)
        client.json("PUT", f"/vms/{self.id}", {"memory": str(512 * MIB)})
        client.close()

    @contextlib.contextmanager
    def growing(self):
        """While the host plugs memory; afterwards the request has been answered."""
        request = threading.Thread(target=self.grow_in_background)
        with self.host.faults.held("VM.hotplugMemory"):
            request.start()
            wait_until(lambda: self.host.called("VM.hotplugMemory"), what="the call")
            yield
        request.join()
        self.wait_ended()

    def test_one_at_a_time(self):
        with self.growing():
            with self.assertRaises(ApiError) as refused:
                self.update({"memory": str(1024 * MIB)})
            self.assertEqual(refused.exception.code, 409)
            self.assertIn("locked", refused.exception.detail)
            self.update({"comment": "meanwhile"})
        self.assert_size(self.vm(), 1, 512, False)

    def test_it_ends_meanwhile(self):
        with self.growing():
            self.host.set_vm_status(self.id, "Down", exitCode=0, exitMessage="guest", exitReason=7)
            wait_until(lambda: self.vm()["status"] == "down", what="VM down")
        self.assertEqual(self.vm()["memory"], str(512 * MIB))


if __name__ == "__main__":
    unittest.main(verbosity=2)
