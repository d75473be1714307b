#!/usr/bin/env python3
# time limit: 900 s
"""What happens to a VM while it runs, with real guests: it gets more CPUs and memory, its QEMU falls
silent and comes back, its storage is full and has space again, its disk grows."""

import concurrent.futures
import json
import signal
import time
import unittest

from guest_lab import GUEST_IMAGE, GuestTest, wait_until

MIB = 1 << 20
KILL_SECONDS = 40
AUTO_RESUME_SECONDS = 40  # after its storage is good again, at most


class RunningVmTest(GuestTest):
    options = {"agent_options": {"monitor_seconds": 2, "kill_paused_seconds": KILL_SECONDS},
               "manager_options": {"host_poll_seconds": 2}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host = cls.centre.host
        cls.vireo("disk", "upload", GUEST_IMAGE, "--name", "system")
        cls.vireo("vm", "create", "web", "--memory", "256M", "--cpus", "1", "--disk", "system",
                  "--start")
        cls.vm = f"/vms/{cls.rest.list('/vms', search='name=web')[0]['id']}"

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
        def look():
            return next((text for number, text in self.events() if number == code), None)
        try:
            return wait_until(look, seconds, f"event {code}")
        except Exception as failure:
            raise AssertionError(f"{failure}; {self.events()}") from None

    def ask_guest(self, command):
        answer = self.host.exec(["virsh", "qemu-agent-command", "web",
                                 json.dumps({"execute": command})], check=False)
        return json.loads(answer)["return"] if answer.startswith("{") else None

    def guest_answers(self):
        return self.ask_guest("guest-ping") is not None

    # ---- disks

    def test_disks_plugged_at_once(self):
        """Each gets a name of its own, and none takes another for a remnant."""
        names = [f"many{number}" for number in range(6)]
        for name in names:
            self.vireo("disk", "create", name, "1M")
        disks = [self.rest.list("/disks", search=f"name={name}")[0]["id"] for name in names]

        def attach(disk):
            self.rest.post(f"{self.vm}/diskattachments", {
                "disk": {"id": disk}, "interface": "virtio", "bootable": "false", "active": "true"})

        with concurrent.futures.ThreadPoolExecutor(len(disks)) as pool:
            list(pool.map(attach, disks))
        wait_until(lambda: self.active_disks() >= set(disks), 60, f"all plugged: {self.events()}")
        text = self.host.virsh("dumpxml", "web")
        self.assertEqual([disk for disk in disks if f"<serial>{disk}</serial>" not in text], [])
        for disk in disks:
            self.rest.delete(f"{self.vm}/diskattachments/{disk}?detach_only=false")
        wait_until(lambda: not self.active_disks() & set(disks), 60, "all unplugged")

    def active_disks(self):
        return {row["id"] for row in self.rest.list(f"{self.vm}/diskattachments")
                if row["active"] == "true"}

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

    # ---- QEMU

    def test_silent_qemu(self):
        self.host.signal("qemu-system-x86_64", signal.SIGSTOP)
        self.addCleanup(self.host.signal, "qemu-system-x86_64", signal.SIGCONT)
        self.wait_status("not_responding", seconds=90)
        self.assertIn("web", self.wait_event(126))
        self.host.signal("qemu-system-x86_64", signal.SIGCONT)
        self.wait_status("up")
        self.assertIn("up", self.wait_event(163))
        # One that never answers again can be ended.
        self.host.signal("qemu-system-x86_64", signal.SIGSTOP)
        self.wait_status("not_responding", seconds=90)
        self.vireo("vm", "stop", "web")
        self.assertEqual(self.status(), "down")

    # ---- storage

    def run_in_guest(self, command):
        """Its agent starts a program and does not wait for it."""
        self.host.exec(["virsh", "qemu-agent-command", "web", json.dumps({
            "execute": "guest-exec", "arguments": {"path": "/bin/sh", "arg": ["-c", command]}})])

    def used(self, disk):
        return int(self.rest.list("/disks", search=f"name={disk}")[0]["actual_size"])

    def test_used_size(self):
        before = self.used("system")
        self.run_in_guest("dd if=/dev/urandom of=/data/noise bs=1M count=12; sync")
        wait_until(lambda: self.used("system") >= before + 10 * MIB, 60, f"growth from {before}")
        self.run_in_guest("dd if=/dev/urandom of=/data/more bs=1M count=6; sync; poweroff")
        self.wait_status("down")
        image, = self.state.glob(f"hosts/*/var/lib/vireo/storage/**/images/"
                                 f"{self.rest.list('/disks', search='name=system')[0]['id']}")
        files = [path for path in image.iterdir() if not path.suffix]
        size = sum(path.stat().st_blocks * 512 for path in files)
        self.assertGreaterEqual(size, before + 16 * MIB)
        wait_until(lambda: self.used("system") == size, 10, "the last of it")

    def small_domain(self):
        """A storage domain on a tmpfs, with a file that takes most of its space. Removes itself."""
        path = self.host.make_storage("small")
        self.host.exec(["mount", "-t", "tmpfs", "-o", "size=160m,mode=755,uid=36,gid=36", "tmpfs",
                        path])
        self.addCleanup(self.host.exec, ["umount", "-l", path])
        domain = self.rest.post("/storagedomains", {
            "name": "small", "type": "data", "host": {"name": self.host.name},
            "warning_low_space_indicator": "0", "critical_space_action_blocker": "0",
            "storage": {"type": "localfs", "path": path}})["id"]
        center = self.rest.list("/datacenters")[0]["id"]
        attached = f"/datacenters/{center}/storagedomains/{domain}"
        wait_until(lambda: self.rest.get(attached)["status"] == "active", 60, "active domain")
        return path

    def fill(self, path, leave):
        free = int(self.host.exec(["df", "--output=avail", "-B1", path]).split()[1])
        self.host.exec(["fallocate", "-l", str(free - leave), f"{path}/ballast"])

    def hold_up(self, behaviour="auto_resume"):
        """Its disk "scratch" has no space left, so the VM is paused. Returns the storage's path and
        the disk."""
        self.vireo("vm", "stop", "web")  # the QEMU that runs does not see what is mounted now
        self.rest.put(self.vm, {"storage_error_resume_behaviour": behaviour})
        path = self.small_domain()
        disk = self.rest.post(f"{self.vm}/diskattachments", {
            "interface": "virtio", "active": "true", "bootable": "false",
            "disk": {"name": "scratch", "provisioned_size": str(64 * MIB), "format": "cow",
                     "storage_domains": {"storage_domain": [{"name": "small"}]}}})["id"]
        wait_until(lambda: self.rest.get(f"/disks/{disk}")["status"] == "ok", 30, "disk")
        self.vireo("vm", "start", "web")
        wait_until(self.guest_answers, 90, "guest agent")
        self.fill(path, 16 * MIB)
        self.run_in_guest("dd if=/dev/urandom of=/dev/vda bs=1M count=48; sync; echo > /run/written")
        self.wait_status("paused")
        return path, disk

    def make_room(self, path):
        self.host.exec(["rm", f"{path}/ballast"])

    def wait_written(self):
        wait_until(lambda: self.used("scratch") >= 48 * MIB, 60, "all that the guest had to write")

    def drop_scratch(self, disk):
        if self.status() != "down":
            self.vireo("vm", "stop", "web")
        self.rest.put(self.vm, {"storage_error_resume_behaviour": "auto_resume"})
        self.rest.delete(f"{self.vm}/diskattachments/{disk}")
        wait_until(lambda: not self.rest.list("/disks", search="name=scratch"), 30, "end of disk")
        self.vireo("storage", "maintenance", "small")
        self.vireo("storage", "detach", "small")
        self.vireo("storage", "remove", "small", "--format")

    def count_events(self, *codes):
        seen = [code for code, _ in self.events()]
        return tuple(seen.count(code) for code in codes)

    def test_full_storage(self):
        before = self.count_events(138, 196)
        path, disk = self.hold_up()
        text = self.wait_event(138)
        self.assertRegex(text, "web .*no space.* disk scratch on storage domain small")
        self.assertEqual(self.rest.get(self.vm)["status_detail"], "enospc")
        # Resumed in vain: told at once, with the reason.
        refused = self.vireo("vm", "resume", "web", code=7, seconds=20)
        self.assertIn("no space is left", refused.stderr)
        self.assertEqual(self.status(), "paused")
        self.make_room(path)
        self.wait_status("up", seconds=AUTO_RESUME_SECONDS)
        self.wait_event(196)
        self.assertEqual(self.count_events(138, 196), (before[0] + 1, before[1] + 1))
        self.wait_written()
        self.drop_scratch(disk)

    def test_left_paused(self):
        """Only its user resumes it, however good the storage is."""
        path, disk = self.hold_up("leave_paused")
        self.make_room(path)
        time.sleep(AUTO_RESUME_SECONDS)
        self.assertEqual(self.status(), "paused")
        self.vireo("vm", "resume", "web")
        self.wait_status("up", "powering_up")
        self.wait_written()
        self.drop_scratch(disk)

    def test_killed_when_paused_too_long(self):
        """The time counts from the pause, whatever the agent and libvirtd went through."""
        path, disk = self.hold_up("kill")
        began = time.monotonic()
        time.sleep(KILL_SECONDS / 2)
        self.host.kill_agent()
        self.host.kill_libvirtd()
        self.host.start_libvirtd()
        self.host.start_agent()
        self.assertEqual(self.status(), "paused")
        self.wait_status("down")
        self.assertLess(time.monotonic() - began, KILL_SECONDS * 1.4)
        self.assertIn(f"its storage held it up for more than {KILL_SECONDS} s", self.wait_event(119))
        self.make_room(path)
        self.drop_scratch(disk)


if __name__ == "__main__":
    unittest.main(verbosity=2)
