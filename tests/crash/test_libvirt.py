#!/usr/bin/env python3
# time limit: 300 s
"""libvirtd hangs, or dies at its worst moment: the host tells so, and all goes on afterwards."""

import os
import re
import signal
import subprocess
import unittest

from host_lab import GUEST, HostTest, RestFault

RUNS = ("powering_up", "up")


class LibvirtTest(HostTest):
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

    def leave_half_start(self):
        """What a libvirtd leaves that dies before it has written down the process of its QEMU."""
        self.host.kill_libvirtd()
        self.host.signal("qemu-system-x86_64", signal.SIGKILL)
        file, = self.host.path("/run/libvirt/qemu").glob("*.xml")
        text = re.sub(r"<domstatus [^>]*>", "<domstatus state='paused' reason='starting up' pid='0'>"
                      "<job type='none' async='start' flags='0x0' asyncStarted='0'/>",
                      file.read_text())
        file.write_text(text)

    def test_a_half_start(self):
        self.wait_host()
        vm = self.add_vm([self.wait_disk(self.add_disk())])
        self.start_vm(vm, RUNS)
        self.leave_half_start()
        self.host.start_libvirtd()
        self.wait_host()
        self.wait(lambda: self.status(f"/vms/{vm}") == "down", "VM down")
        self.assertEqual(self.running(), set())
        self.start_vm(vm, RUNS)
        self.rest.post(f"/vms/{vm}/stop")
        self.wait(lambda: self.status(f"/vms/{vm}") == "down", "VM down")
        self.check_agreement()


if __name__ == "__main__":
    if os.geteuid():
        raise SystemExit("needs root")
    unittest.main()
