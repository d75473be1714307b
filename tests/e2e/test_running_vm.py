#!/usr/bin/env python3
# time limit: 900 s
"""What happens to a VM while it runs, with real guests: it gets more CPUs and memory, its QEMU falls
silent and comes back, its storage is full and has space again, its disk grows."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tools.datacentre.datacentre import DataCentre  # noqa: E402
from tools.datacentre.process import wait_until  # noqa: E402

GUEST = REPOSITORY / "build/guest"
BUILD = pathlib.Path(os.environ.get("VIREO_BUILD", REPOSITORY / "build"))
MIB = 1 << 20


class RunningVmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run([REPOSITORY / "tests/guest/build", GUEST], check=True,
                       stdout=subprocess.DEVNULL)
        cls.state = pathlib.Path(tempfile.mkdtemp(prefix="vireo-running-"))
        cls.addClassCleanup(shutil.rmtree, cls.state)
        cls.centre = DataCentre(cls.state, build_dir=BUILD)
        cls.addClassCleanup(cls.centre.kill)
        cls.centre.start()
        cls.addClassCleanup(cls.centre.stop)
        cls.rest = cls.centre.rest
        cls.host = cls.centre.host
        cls.environment = {**os.environ, "HOME": str(cls.state),
                           "XDG_CONFIG_HOME": str(cls.state / "config"),
                           "XDG_CACHE_HOME": str(cls.state / "cache"),
                           "VIREO_CONNECTION": str(cls.centre.connection_file)}
        cls.vireo("disk", "upload", GUEST / "vireo-guest.qcow2", "--name", "system")
        cls.vireo("vm", "create", "web", "--memory", "256M", "--cpus", "1", "--disk", "system",
                  "--start")
        cls.vm = f"/vms/{cls.rest.list('/vms', search='name=web')[0]['id']}"

    @classmethod
    def vireo(cls, *words, code=0, seconds=180):
        done = subprocess.run([BUILD / "cli/vireo", *map(str, words)], env=cls.environment,
                              stdin=subprocess.DEVNULL, text=True, capture_output=True,
                              timeout=seconds)
        if done.returncode != code:
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def setUp(self):
        if self.status() == "down":
            self.vireo("vm", "start", "web")
        self.wait_status("up")
        wait_until(self.guest_answers, 90, "guest agent")

    # ---- asking

    def status(self):
        return self.rest.get(self.vm)["status"]

    def wait_status(self, *statuses, seconds=60):
        try:
            wait_until(lambda: self.status() in statuses, seconds, f"VM {statuses}")
        except Exception as failure:
            raise AssertionError(f"{failure}; it is {self.status()}; {self.events()}") from None

    def events(self):
        """The newest first."""
        return [(int(row["code"]), row["description"])
                for row in self.rest.list("/events", max=30)]

    def wait_event(self, code, seconds=30):
        return wait_until(lambda: next((text for number, text in self.events() if number == code),
                                       None), seconds, f"event {code} in {self.events()}")

    def ask_guest(self, command):
        answer = self.host.exec(["virsh", "qemu-agent-command", "web",
                                 json.dumps({"execute": command})], check=False)
        return json.loads(answer)["return"] if answer.startswith("{") else None

    def guest_answers(self):
        return self.ask_guest("guest-ping") is not None

    # ---- CPUs and memory

    def guest_cpus(self):
        return len(self.ask_guest("guest-get-vcpus") or ())

    def guest_memory_blocks(self):
        return len(self.ask_guest("guest-get-memory-blocks") or ())

    def test_cpus(self):
        """With KVM at once. Without it QEMU might abort: not before the next start."""
        self.assertEqual(self.guest_cpus(), 1)
        vm = self.rest.put(self.vm, {"cpu": {"topology": {"sockets": "2"}}})
        at_once = self.host.kvm
        self.assertEqual((vm["cpu"]["topology"]["sockets"], vm["next_run_configuration_exists"]),
                         ("2", "false") if at_once else ("1", "true"), self.events())
        if at_once:
            self.wait_event(2033)
        else:
            self.vireo("vm", "stop", "web")
            self.vireo("vm", "start", "web")
        wait_until(lambda: self.guest_cpus() == 2, 90, "second CPU in the guest")
        self.vireo("vm", "update", "web", "--cpus", "1")
        if not at_once:
            self.vireo("vm", "stop", "web")
            self.vireo("vm", "start", "web")
        wait_until(lambda: self.guest_cpus() == 1, 90, "one CPU in the guest")

    def test_memory(self):
        blocks = self.guest_memory_blocks()
        block = self.ask_guest("guest-get-memory-block-info")["size"]
        vm = self.rest.put(self.vm, {"memory": str(512 * MIB)})
        self.assertEqual(vm["memory"], str(512 * MIB), self.events())
        self.assertEqual(vm["next_run_configuration_exists"], "false")
        wait_until(lambda: self.guest_memory_blocks() == blocks + 256 * MIB // block, 20,
                   "memory in the guest")
        self.wait_event(2039)
        waiting = self.rest.put(self.vm, {"memory": str(256 * MIB)})
        self.assertEqual(waiting["memory"], str(512 * MIB))
        self.assertEqual(waiting["next_run_configuration_exists"], "true")
        self.vireo("vm", "stop", "web")
        self.vireo("vm", "start", "web")
        self.assertEqual(self.rest.get(self.vm)["memory"], str(256 * MIB))
        wait_until(lambda: self.guest_memory_blocks() == blocks, 90, "the guest's memory")


if __name__ == "__main__":
    unittest.main(verbosity=2)
