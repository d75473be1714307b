#!/usr/bin/env python3
# time limit: 300 s
"""libvirtd hangs instead of dying: the host says so, its agent lives, and all goes on afterwards."""

import os
import signal
import subprocess
import unittest

from host_lab import GUEST, HostTest, RestFault

RUNS = ("powering_up", "up")


class HangTest(HostTest):
    @classmethod
    def setUpClass(cls):
        subprocess.run([GUEST.parents[1] / "tests/guest/build", GUEST], check=True,
                       stdout=subprocess.DEVNULL)
        super().setUpClass()
        cls.give_kernel(cls)

    def host_status(self):
        return self.status(f"/hosts/{self.host_id}")

    def test_a_hung_libvirtd(self):
        self.wait_host()
        vm = self.add_vm([self.wait_disk(self.add_disk())])
        self.start_vm(vm, RUNS)
        agent = self.host.processes("vireo-agent")
        self.host.signal("libvirtd", signal.SIGSTOP)
        self.addCleanup(self.host.signal, "libvirtd", signal.SIGCONT)
        with self.assertRaises(RestFault) as caught:
            self.rest.post(f"/vms/{vm}/shutdown")
        self.assertEqual(caught.exception.status, 409)
        self.assertIn("libvirt does not answer", str(caught.exception))
        self.wait(lambda: self.host_status() == "initializing", "host without libvirt", 60)
        told = [row["description"] for row in self.rest.list("/events") if row["code"] == "514"]
        self.assertEqual(len(told), 1, told)
        self.assertIn("libvirt does not answer", told[0])
        # A VM that is stopped now waits for the host instead of failing or being forgotten.
        self.rest.post(f"/vms/{vm}/stop")
        self.host.kill_libvirtd()
        self.host.start_libvirtd()
        self.wait_host()
        self.wait(lambda: self.status(f"/vms/{vm}") == "down", "VM down")
        self.assertEqual(self.host.processes("vireo-agent"), agent)
        self.check_agreement()


if __name__ == "__main__":
    if os.geteuid():
        raise SystemExit("needs root")
    unittest.main()
