#!/usr/bin/env python3
"""An agent that its service manager confines to a mount namespace of its own mounts storage where
the machine's other programs see it."""

import os
import pathlib
import subprocess
import unittest

import support

POSIXFS = 6
SLAVE = ["unshare", "--mount", "--propagation", "slave", "--"]


@unittest.skipIf(os.geteuid(), "Mounting needs root.")
class MountNamespaceTest(support.StorageTest):
    def setUp(self):
        # The machine: a namespace whose mounts are shared, kept by a process that sleeps.
        self.machine = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "shared", "sh", "-c", "echo ready; read end"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_machine)
        self.assertEqual(self.machine.stdout.readline(), "ready\n")
        self.space = f"/proc/{self.machine.pid}/ns/mnt"
        super().setUp()
        confined = ["nsenter", f"--mount={self.space}", "--", *SLAVE]
        self.agent.prefix = confined
        self.agent.options = ("storage_user=", f"mount_namespace={self.space}")
        self.agent.start()

    def end_machine(self):
        self.machine.communicate("\n")

    def mounts(self, process):
        table = pathlib.Path(f"/proc/{process}/mountinfo").read_text().splitlines()
        return [line.split()[4] for line in table if self.directory in line.split()[4]]

    def test_mount_is_seen_by_both(self):
        parameters = {"vfs_type": "bind"}
        status = self.connect(self.local, POSIXFS, **parameters)
        self.assertEqual(status["status"], 0, self.agent.log())
        inside, outside = self.mounts(self.agent.process.pid), self.mounts(self.machine.pid)
        self.assertEqual(len(outside), 1)
        self.assertEqual(inside, outside)
        self.assertEqual(self.mounts(os.getpid()), [])
        self.agent.client.call("StoragePool.disconnectStorageServer", storagepoolID=support.ZERO,
                               domainType=POSIXFS, connectionParams=[
                                   {"id": support.ZERO, "connection": self.local, **parameters}])
        self.assertEqual(self.mounts(self.agent.process.pid), [])
        self.assertEqual(self.mounts(self.machine.pid), [])


support.main()
