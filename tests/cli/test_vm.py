#!/usr/bin/env python3
"""Virtual machines: making, starting, stopping, waiting, consoles, against a fake manager."""

import os
import signal
import time

from cli_test import ManagerTest, main, uuid_of


class LifeTest(ManagerTest):
    def test_start(self):
        self.add_vm("db")
        result = self.vireo("vm", "start", "db")
        self.assertEqual(result.out, "vm db started\n")
        self.assertEqual(self.manager.get("vms", "db")["status"], "up")
        self.assertIn("db: wait_for_launch", result.err)

    def test_options_of_start(self):
        self.vireo("vm", "stop", "web")
        self.vireo("vm", "start", "web", "--paused", "--host", "host1", "--cloud-init")
        self.assertEqual(self.manager.sent("POST", f"vms/{self.vm}/start"), [
            {"pause": True, "use_cloud_init": True, "vm":
             {"placement_policy": {"hosts": {"host": [{"id": self.host}]}}}}])

    def test_actions(self):
        for verb, action, status in (("shutdown", "shutdown", "down"), ("resume", "start", "up"),
                                     ("pause", "suspend", "suspended"), ("resume", "start", "up"),
                                     ("migrate", "migrate", "up"), ("stop", "stop", "down")):
            with self.subTest(verb):
                self.vireo("vm", verb, "web")
                self.assertIn(f"vms/{self.vm}/{action}", self.manager.paths("POST"))
                self.assertEqual(self.manager.get("vms", "web")["status"], status)
        for verb in ("reboot", "reset"):
            self.vireo("vm", verb, "web")
            self.assertIn(f"vms/{self.vm}/{verb}", self.manager.paths("POST"))

    def test_no_wait(self):
        result = self.vireo("vm", "stop", "web", "--no-wait")
        self.assertEqual(result.out, "vm web: the manager has accepted it\n")
        self.assertEqual(result.err, "")
        self.assertEqual(self.manager.get("vms", "web")["status"], "powering_down")

    def test_several_go_at_the_same_time(self):
        for name in ("a", "b", "c"):
            self.add_vm(name)
        result = self.vireo("vm", "start", "a", "b", "c")
        self.assertEqual(result.out, "vm a started\nvm b started\nvm c started\n")
        posts = [i for i, (method, *_) in enumerate(self.manager.requests) if method == "POST"]
        self.assertEqual(posts, list(range(posts[0], posts[0] + 3)))

    def test_remove(self):
        self.vireo("vm", "remove", "web", "--keep-disks")
        self.assertIn(f"vms/{self.vm}?detach_only=true", self.manager.paths("DELETE"))

    def test_update(self):
        self.vireo("vm", "update", "web", "--memory", "4G", "--cpus", "2:2:1", "--name", "www",
                   "--highly-available", "yes", "--next-start")
        self.assertEqual(self.manager.sent("PUT", f"vms/{self.vm}"), [
            {"memory": 4 << 30, "cpu": {"topology": {"sockets": 2, "cores": 2, "threads": 1}},
             "name": "www", "high_availability": {"enabled": True}}])
        self.assertIn(f"vms/{self.vm}?next_run=true", self.manager.paths("PUT"))
        self.assertIn("Nothing is to be changed", self.vireo("vm", "update", "www", code=8).err)

    def test_snapshots(self):
        self.vireo("vm", "snapshot", "create", "web", "before the upgrade", "--no-wait")
        body, = self.manager.sent("POST", f"vms/{self.vm}/snapshots")
        self.assertEqual(body, {"description": "before the upgrade", "persist_memorystate": False})
        snapshot, = self.manager.collections[f"vms/{self.vm}/snapshots"]
        self.vireo("vm", "snapshot", "restore", "web", "before the upgrade")
        self.assertIn(f"vms/{self.vm}/snapshots/{snapshot}/restore", self.manager.paths("POST"))
        self.vireo("vm", "snapshot", "remove", "web", "before the upgrade")


class WaitTest(ManagerTest):
    def test_time_out(self):
        self.manager.transitions[f"vms/{self.vm}"] = [10**6, "down"]
        self.manager.collections["vms"][self.vm]["status"] = "up"
        import fake_manager
        started = time.monotonic()
        actions = fake_manager.ACTIONS
        before = actions["vms", "shutdown"]
        actions["vms", "shutdown"] = ("powering_down", "powering_down")
        self.addCleanup(actions.__setitem__, ("vms", "shutdown"), before)
        result = self.vireo("vm", "shutdown", "web", "--timeout", "1", code=9)
        self.assertIn("vireo: vm web is still powering_down after 1s. It goes on in the manager",
                      result.err)
        self.assertLess(time.monotonic() - started, 10)

    def test_failed_operation_is_told_in_the_managers_words(self):
        self.manager.fail_jobs = "VM db can't be started: no host has 2048 MiB free."
        self.add_vm("db")
        result = self.vireo("vm", "start", "db", code=1)
        self.assertIn("vireo: VM db can't be started: no host has 2048 MiB free.", result.err)
        self.assertIn("vireo event list tells more.", result.err)

    def test_a_manager_that_is_away_for_a_moment(self):
        self.add_vm("db")
        self.manager.fault("GET", "vms/[^/]*", 503, "Service unavailable", "It starts.", times=3)
        result = self.vireo("vm", "start", "db")
        self.assertIn("db: the manager does not answer", result.err)

    def test_a_manager_without_jobs_and_events(self):
        self.add_vm("db")
        self.manager.fault("GET", "(jobs|events).*", 501, times=1000)
        self.vireo("vm", "start", "db")

    def test_object_vanishes(self):
        self.add_vm("db")
        self.manager.fault("GET", "vms/[^/]*", 404, times=1000)
        self.assertIn("vm db is gone.", self.vireo("vm", "start", "db", code=1).err)

    def stopped(self):
        """How many requests there were when the one to stop the VM came."""
        paths = [(method, where.split("?")[0]) for method, where, _ in self.manager.requests]
        wanted = ("POST", f"vms/{self.vm}/stop")
        return paths.index(wanted) if wanted in paths else len(paths)

    def test_interrupted(self):
        import fake_manager
        before = fake_manager.ACTIONS["vms", "stop"]
        fake_manager.ACTIONS["vms", "stop"] = ("powering_down", "powering_down")
        self.addCleanup(fake_manager.ACTIONS.__setitem__, ("vms", "stop"), before)
        process = self.start("vm", "stop", "web")
        try:
            # It looks only after its request was answered.
            while "GET" not in [method for method, where, _ in self.manager.requests[self.stopped():]
                                if where.split("?")[0] == f"vms/{self.vm}"]:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 130)
        self.assertIn("Interrupted; vm web goes on in the manager.", err)


class CreateTest(ManagerTest):
    def test_bare(self):
        out = self.vireo("vm", "create", "db").out
        made = self.manager.get("vms", "db")
        self.assertEqual(out, f"vm db created, id {made['id']}\n")
        self.assertEqual(self.manager.sent("POST", "vms"), [
            {"name": "db", "cluster": {"id": self.cluster}}])

    def test_everything(self):
        (self.folder / "user-data").write_text("#cloud-config\n")
        (self.folder / "key.pub").write_text("ssh-ed25519 AAAAC3Nz me@here\n")
        (self.folder / "secret").write_text("hunter2\n")
        iso = self.manager.add("disks", name="install.iso", status="ok", content_type="iso")
        old = self.manager.add("disks", name="old", status="ok")
        template = self.manager.add("templates", name="debian", status="ok")
        out = self.vireo(
            "vm", "create", "db", "--template", "debian", "--clone", "--memory", "4G", "--cpus", "4",
            "--disk", "10G", "--disk", "old", "--nic", "ovirtmgmt", "--nic", self.profile,
            "--cloud-init", "user-data", "--hostname", "db1", "--ssh-key", "key.pub", "--ssh-key",
            "ssh-rsa BBBB you@there", "--user", "ada", "--password-file", "secret", "--cd",
            "install.iso", "--boot", "cdrom", "--boot", "hd", "--start").out
        made = self.manager.get("vms", "db")
        self.assertEqual(out, f"vm db created, id {made['id']}\nvm db started\n")
        self.assertIn("vms?clone=true", self.manager.paths("POST"))
        self.assertEqual(self.manager.sent("POST", "vms"), [{
            "name": "db", "cluster": {"id": self.cluster}, "template": {"id": template},
            "memory": 4 << 30, "cpu": {"topology": {"sockets": 4, "cores": 1, "threads": 1}},
            "os": {"boot": {"devices": {"device": ["cdrom", "hd"]}}},
            "initialization": {
                "custom_script": "#cloud-config", "host_name": "db1", "user_name": "ada",
                "root_password": "hunter2",
                "authorized_ssh_keys": "ssh-ed25519 AAAAC3Nz me@here\nssh-rsa BBBB you@there"}}])
        new, existing = self.manager.sent("POST", f"vms/{made['id']}/diskattachments")
        self.assertEqual(new, {"bootable": True, "active": True, "interface": "virtio_scsi", "disk": {
            "name": "db_Disk1", "provisioned_size": 10 << 30, "format": "cow", "sparse": True,
            "storage_domains": {"storage_domain": [{"id": self.storage}]}}})
        self.assertEqual((existing["bootable"], existing["disk"]), (False, {"id": old}))
        nics = self.manager.sent("POST", f"vms/{made['id']}/nics")
        self.assertEqual([nic["name"] for nic in nics], ["nic1", "nic2"])
        self.assertEqual(self.manager.sent("POST", f"vms/{made['id']}/cdroms"), [{"file": {"id": iso}}])

    def test_wrong_names_make_nothing(self):
        self.vireo("vm", "create", "db", "--disk", "10G", "--nic", "missing", code=6)
        self.vireo("vm", "create", "db", "--disk", "missing", code=6)
        self.vireo("vm", "create", "db", "--ssh-key", "missing.pub", code=8)
        self.assertEqual(self.manager.paths("POST"), [])

    def test_private_keys_are_refused(self):
        (self.folder / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        self.assertIn("private key", self.vireo("vm", "create", "db", "--ssh-key", "key", code=8).err)

    def test_a_part_that_fails_takes_the_rest_along(self):
        old = self.manager.add("disks", name="old", status="ok")
        self.manager.fault("POST", "vms/.*/nics", 409, "Operation Failed", "[No MAC is free.]")
        before = set(self.manager.collections["disks"])
        result = self.vireo("vm", "create", "db", "--disk", "10G", "--disk", "old", "--nic",
                            "ovirtmgmt", code=7)
        self.assertIn("vireo: Operation Failed: No MAC is free.", result.err)
        self.assertEqual(set(self.manager.collections["disks"]), before)
        self.assertIn(old, before)
        self.assertEqual([vm["name"] for vm in self.manager.collections["vms"].values()], ["web"])

    def test_a_start_that_fails_keeps_it(self):
        self.manager.fault("POST", "vms/.*/start", 409, "Operation Failed", "[No host is up.]")
        result = self.vireo("vm", "create", "db", "--start", code=7)
        self.assertIn("vireo: db was created, but: Operation Failed: No host is up.", result.err)
        self.manager.get("vms", "db")

    def test_wait_ip(self):
        def devices(*addresses):
            return {"ips": {"ip": [{"address": address} for address in addresses]}}
        vm = uuid_of(50)
        self.manager.fault("POST", "vms", 201, body={"id": vm, "name": "db", "status": "down",
                                                     "href": "/ovirt-engine/api/vms/" + vm})
        self.add_vm("db", id=vm)
        path = f"vms/{vm}/reporteddevices"
        self.manager.add(path, name="lo", **devices("127.0.0.1", "::1"))
        self.manager.add(path, name="eth0", **devices("fe80::1", "2001:db8::5", "192.0.2.77"))
        result = self.vireo("vm", "create", "db", "--wait-ip")
        self.assertEqual(result.lines[-1], "192.0.2.77")

    def test_wait_ip_without_guest_agent(self):
        result = self.vireo("vm", "create", "db", "--wait-ip", "--timeout", "2", code=9)
        self.assertIn("db has told no address. Its guest agent must run", result.err)


class ConsoleTest(ManagerTest):
    def setUp(self):
        super().setUp()
        for protocol in ("spice", "vnc"):
            self.manager.add(f"vms/{self.vm}/graphicsconsoles", id=protocol.encode().hex(),
                             protocol=protocol)

    def test_file(self):
        self.vireo("vm", "console", "web", "--file", "web.vv")
        written = self.folder / "web.vv"
        self.assertEqual(written.read_text(), self.manager.console)
        self.assertEqual(written.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.vireo("vm", "console", "web", "--file", "-").out, self.manager.console)

    def test_protocol(self):
        self.vireo("vm", "console", "web", "--protocol", "vnc", "--file", "-")
        self.assertIn(f"vms/{self.vm}/graphicsconsoles/766e63/remoteviewerconnectionfile",
                      self.manager.paths("POST"))
        self.manager.collections[f"vms/{self.vm}/graphicsconsoles"].pop("766e63")
        result = self.vireo("vm", "console", "web", "--protocol", "vnc", code=6)
        self.assertEqual(result.err, "vireo: web has no vnc console.\n")

    def test_without_display(self):
        result = self.vireo("vm", "console", "web", code=8)
        self.assertIn("There is no display to show the screen of web on. Write the file with --file "
                      "OUT.vv", result.err)

    def test_viewer(self):
        folder = self.folder / "bin"
        folder.mkdir()
        seen = self.folder / "seen"
        viewer = folder / "remote-viewer"
        viewer.write_text(f"#!/bin/sh\ncp \"$1\" {seen}.part && rm \"$1\" && mv {seen}.part {seen}\n")
        viewer.chmod(0o755)
        environment = {"DISPLAY": ":9", "PATH": f"{folder}:{os.environ['PATH']}"}
        self.vireo("vm", "console", "web", environment=environment)
        deadline = time.monotonic() + 10
        while not seen.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(seen.read_text(), self.manager.console)

    def test_viewer_missing(self):
        environment = {"DISPLAY": ":9", "PATH": "/nonexistent"}
        result = self.vireo("vm", "console", "web", environment=environment, code=8)
        self.assertIn("remote-viewer can't be started", result.err)
        self.assertIn("virt-viewer", result.err)

    def test_serial(self):
        result = self.vireo("vm", "console", "web", "--serial", input="some words\n")
        self.assertEqual(result.out, "login: SOME WORDS\n")

    def test_serial_ends(self):
        result = self.vireo("vm", "console", "web", "--serial", input="bye", code=1)
        self.assertEqual(result.out, "login: BYE")
        self.assertRegex(result.err, "The serial console of web (was closed|broke off)")
        self.assertIn("vireo vm console web --serial", result.err)

    def test_serial_of_a_vm_that_ends(self):
        self.manager.get("vms", "web")["status"] = "down"
        result = self.vireo("vm", "console", "web", "--serial", input="bye")
        self.assertEqual(result.err, "vm web has ended.\n")

    def test_serial_refused(self):
        self.manager.console_fault = {"reason": "Operation Failed", "detail": "VM web is down."}
        result = self.vireo("vm", "console", "web", "--serial", code=7)
        self.assertEqual(result.err, "vireo: Operation Failed: VM web is down.\n")


if __name__ == "__main__":
    main("vireo", "vireo-manager")
