#!/usr/bin/env python3
"""Listing, showing and changing objects, against a fake manager."""

import json

from cli_test import ManagerTest, main, uuid_of


class ListTest(ManagerTest):
    def test_tables(self):
        self.manager.add("templates", id=uuid_of(30), name="Blank", status="ok", memory="1073741824",
                         version={"version_number": "1"})
        self.manager.add("users", id=uuid_of(31), name="admin", user_name="admin",
                         principal="admin@internal")
        self.manager.add("jobs", id=uuid_of(32), description="Starting VM web", status="finished",
                         start_time=1795316940000, end_time=1795316944000)
        for words in ("vm list", "disk list", "host list", "storage list", "network list",
                      "vnic-profile list", "datacenter list", "cluster list", "template list",
                      "user list", "job list", "vm disk list web", "vm nic list web"):
            with self.subTest(words):
                name = "table-" + words.removesuffix(" web").replace(" ", "-")
                self.assert_golden(name, self.vireo(*words.split()).out)

    def test_empty_list_has_its_heading(self):
        result = self.vireo("template", "list")
        self.assertEqual(len(result.lines), 1)
        self.assertTrue(result.out.startswith("NAME"))

    def test_json(self):
        listed = self.vireo("vm", "list", "--json").json
        self.assertEqual([vm["name"] for vm in listed], ["web"])
        self.assertEqual(self.vireo("template", "list", "--json").json, [])

    def test_quiet(self):
        self.assertEqual(self.vireo("vm", "list", "--quiet").out, self.vm + "\n")

    def test_search_and_max_reach_the_manager(self):
        self.add_vm("db")
        self.assertEqual(self.vireo("vm", "list", "--quiet", "-q", "name=d*").lines.__len__(), 1)
        self.vireo("vm", "list", "--search", "name=w* and status=up", "--max", "3")
        self.assertIn("vms?search=name%3Dw%2A%20and%20status%3Dup&max=3", self.manager.paths("GET"))

    def test_columns(self):
        out = self.vireo("vm", "list", "--columns", "name,ID,guest os").out
        self.assertEqual(out, f"NAME  ID{' ' * 34}  GUEST OS\nweb   {self.vm}\n")
        result = self.vireo("vm", "list", "--columns", "name,colour", code=8)
        self.assertIn('"colour" is no column of vm', result.err)

    def test_a_name_with_control_characters(self):
        self.add_vm("evil\033[2J\nvm")
        self.assertIn("evil?[2J?vm", self.vireo("vm", "list").out)

    def test_no_colours_without_a_terminal(self):
        self.assertNotIn("\033", self.vireo("vm", "list").out)

    def test_statistics(self):
        self.manager.add(f"vms/{self.vm}/statistics", id=uuid_of(40), name="memory.used",
                         unit="bytes", values={"value": [{"datum": 1610612736}]},
                         description="Memory used")
        self.manager.add(f"vms/{self.vm}/statistics", id=uuid_of(41), name="cpu.current.total",
                         unit="percent", values={"value": [{"datum": 12.345}]}, description="CPU")
        self.assert_golden("table-vm-stats", self.vireo("vm", "stats", "web").out)


class ShowTest(ManagerTest):
    def test_vm(self):
        self.assert_golden("show-vm", self.vireo("vm", "show", "web").out)

    def test_host_and_storage(self):
        self.assert_golden("show-host", self.vireo("host", "show", "host1").out)
        self.assert_golden("show-storage", self.vireo("storage", "show", "data").out)

    def test_by_id(self):
        self.assertEqual(self.vireo("vm", "show", self.vm, "--json").json["name"], "web")
        self.assertNotIn("search", " ".join(self.manager.paths("GET")))

    def test_several(self):
        self.add_vm("db")
        shown = self.vireo("vm", "show", "web", "db", "--json").json
        self.assertEqual([vm["name"] for vm in shown], ["web", "db"])
        self.assertEqual(self.vireo("vm", "show", "web", "db").out.count("Name:"), 2)


class NameTest(ManagerTest):
    def test_unknown(self):
        result = self.vireo("vm", "show", "nothing", code=6)
        self.assertEqual(result.err, "vireo: There is no vm named nothing.\n")

    def test_other_case_is_another_name_but_told(self):
        result = self.vireo("vm", "show", "WEB", code=6)
        self.assertIn(f"There is web ({self.vm}).", result.err)

    def test_ambiguous(self):
        first = self.manager.add("disks", name="data", status="ok")
        second = self.manager.add("disks", name="data", status="ok")
        result = self.vireo("disk", "show", "data", code=8)
        self.assertIn("There are 2 disk objects named data", result.err)
        self.assertIn(first, result.err)
        self.assertIn(second, result.err)
        self.assertIn("Give the id.", result.err)

    def test_similar_names_are_not_taken(self):
        self.add_vm("web2")
        self.assertEqual(self.vireo("vm", "show", "web2", "--json").json["name"], "web2")
        self.assertEqual(self.vireo("vm", "show", "web", "--json").json["name"], "web")

    def test_names_that_the_search_language_would_misread(self):
        for name in ('a"b', "a*b", "a;b", "it's"):
            with self.subTest(name):
                wanted = self.add_vm(name)
                self.assertEqual(self.vireo("vm", "show", name, "--quiet").out, wanted + "\n")

    def test_unknown_id(self):
        result = self.vireo("vm", "show", uuid_of(99), code=6)
        self.assertEqual(result.err,
                         f"vireo: Not found: There is no object with the id {uuid_of(99)}.\n")

    def test_the_only_object_may_be_left_out(self):
        self.vireo("disk", "create", "new", "1G")
        body, = self.manager.sent("POST", "disks")
        self.assertEqual(body["storage_domains"], {"storage_domain": [{"id": self.storage}]})

    def test_two_objects_may_not(self):
        self.manager.add("storagedomains", name="iso", type="iso")  # does not count
        self.vireo("disk", "create", "one", "1G")
        self.manager.add("storagedomains", name="data2", type="data")
        result = self.vireo("disk", "create", "two", "1G", code=8)
        self.assertIn("--storage must be given, for there are several: data (", result.err)


class ChangeTest(ManagerTest):
    def test_disk(self):
        result = self.vireo("disk", "create", "new", "1.5G", "--format", "raw", "--sparse", "no")
        disk = self.manager.get("disks", "new")
        self.assertEqual(result.out, f"disk new created, id {disk['id']}\n")
        body, = self.manager.sent("POST", "disks")
        self.assertEqual(body, {"name": "new", "provisioned_size": 3 << 29, "format": "raw",
                                "sparse": False, "storage_domains":
                                {"storage_domain": [{"id": self.storage}]}})
        self.vireo("disk", "resize", "new", "2G")
        self.assertEqual(self.manager.sent("PUT", f"disks/{disk['id']}"),
                         [{"provisioned_size": 2 << 30}])
        self.assertEqual(self.vireo("disk", "remove", "new").out, "disk new removed\n")
        self.assertNotIn(disk["id"], self.manager.collections["disks"])

    def test_quiet_and_json(self):
        made = self.vireo("disk", "create", "a", "1G", "--quiet")
        self.assertEqual(made.out, self.manager.get("disks", "a")["id"] + "\n")
        self.assertEqual(made.err, "")
        made = self.vireo("disk", "create", "b", "1G", "--json").json
        self.assertEqual((made["name"], made["status"]), ("b", "ok"))

    def test_disk_of_a_vm(self):
        self.vireo("vm", "disk", "add", "web", "5G", "--name", "extra")
        body, = self.manager.sent("POST", f"vms/{self.vm}/diskattachments")
        self.assertEqual(body["disk"]["provisioned_size"], 5 << 30)
        self.assertEqual((body["bootable"], body["active"], body["interface"]),
                         (False, True, "virtio_scsi"))
        out = self.vireo("vm", "disk", "detach", "web", "extra").out
        self.assertEqual(out, "vm disk extra detached\n")
        disk = self.manager.get("disks", "extra")
        self.assertIn(f"vms/{self.vm}/diskattachments/{disk['id']}?detach_only=true",
                      self.manager.paths("DELETE"))
        self.vireo("vm", "disk", "attach", "web", "extra")
        self.assertEqual(self.manager.sent("POST", f"vms/{self.vm}/diskattachments")[1]["disk"],
                         {"id": disk["id"]})

    def test_nic_of_a_vm(self):
        self.vireo("vm", "nic", "add", "web", "ovirtmgmt")
        body, = self.manager.sent("POST", f"vms/{self.vm}/nics")
        self.assertEqual(body, {"interface": "virtio", "plugged": True, "linked": True,
                                "name": "nic2", "vnic_profile": {"id": self.profile}})
        self.assertEqual(self.vireo("vm", "nic", "unplug", "web", "nic1").out,
                         "vm nic nic1 unplugged\n")
        self.assertIn(f"vms/{self.vm}/nics/{self.nic}/deactivate", self.manager.paths("POST"))
        self.vireo("vm", "nic", "plug", "web", "nic1")
        self.vireo("vm", "nic", "remove", "web", "nic1")
        self.assertNotIn(self.nic, self.manager.collections[f"vms/{self.vm}/nics"])

    def test_profile_of_the_right_data_centre(self):
        other = self.manager.add("datacenters", name="Other")
        network = self.manager.add("networks", name="ovirtmgmt", data_center={"id": other})
        self.manager.add("vnicprofiles", name="ovirtmgmt", network={"id": network})
        self.vireo("vm", "nic", "add", "web", "ovirtmgmt")
        self.manager.add("vnicprofiles", name="ovirtmgmt", network={"id": self.network})
        result = self.vireo("vm", "nic", "add", "web", "ovirtmgmt", code=8)
        self.assertIn("There are 2 vnic-profile objects named ovirtmgmt: ovirtmgmt/ovirtmgmt (",
                      result.err)
        self.vireo("vm", "nic", "add", "web", "ovirtmgmt/none", code=6)

    def test_cd(self):
        iso = self.manager.add("disks", name="install.iso", status="ok", content_type="iso")
        self.assertEqual(self.vireo("vm", "cd", "insert", "web", "install.iso").out,
                         "vm web: install.iso inserted\n")
        path = f"vms/{self.vm}/cdroms/{uuid_of(0)}"
        self.assertIn(path + "?current=true", self.manager.paths("PUT"))
        self.assertEqual(self.manager.sent("PUT", path), [{"file": {"id": iso}}])
        self.vireo("vm", "cd", "eject", "web", "--next-start")
        self.assertIn(path, self.manager.paths("PUT"))
        self.assertEqual(self.manager.sent("PUT", path)[1], {"file": {"id": ""}})

    def test_small_nouns(self):
        self.vireo("datacenter", "create", "Branch", "--local", "yes")
        branch = self.manager.get("datacenters", "Branch")["id"]
        self.assertEqual(self.manager.sent("POST", "datacenters"), [{"name": "Branch", "local": True}])
        self.vireo("cluster", "create", "edge", "--datacenter", "Branch")
        self.assertEqual(self.manager.sent("POST", "clusters")[0]["data_center"], {"id": branch})
        self.vireo("network", "create", "lan", "--datacenter", "Branch", "--vlan", "7")
        self.assertEqual(self.manager.sent("POST", "networks")[0]["vlan"], {"id": 7})
        self.vireo("vnic-profile", "create", "lan", "--network", "lan")
        self.vireo("vnic-profile", "remove", "lan")
        self.vireo("network", "remove", "lan")
        self.vireo("cluster", "remove", "edge")
        self.vireo("datacenter", "remove", "Branch", "--force")
        self.assertIn(f"datacenters/{branch}?force=true", self.manager.paths("DELETE"))

    def test_host(self):
        self.assertEqual(self.vireo("host", "maintenance", "host1", "--reason", "new disks").out,
                         "host host1 in maintenance\n")
        self.assertEqual(self.manager.sent("POST", f"hosts/{self.host}/deactivate"),
                         [{"reason": "new disks"}])
        self.vireo("host", "activate", "host1")
        self.vireo("host", "remove", "host1")

    def test_host_token(self):
        out = self.vireo("host", "token", "--name", "host2").out
        self.assertIn("Token:        TOKEN\n", out)
        self.assertIn(f"vireo-agent enrol --manager {self.manager.url} --token TOKEN "
                      "--fingerprint AB:CD\n", out)
        self.assertEqual(self.manager.requests[-1][2], {"cluster": self.cluster, "name": "host2"})
        self.assertEqual(self.vireo("host", "token", "--quiet").out, "TOKEN\n")

    def test_storage_added_and_attached(self):
        out = self.vireo("storage", "add", "more", "192.0.2.9:/more", "--no-wait").out
        self.assertIn("storage more", out)
        body, = self.manager.sent("POST", "storagedomains")
        self.assertEqual(body, {"name": "more", "host": {"id": self.host}, "type": "data",
                                "storage": {"type": "nfs", "address": "192.0.2.9",
                                            "path": "/more"}})
        more = self.manager.get("storagedomains", "more")["id"]
        self.assertEqual(self.manager.sent("POST", f"datacenters/{self.center}/storagedomains"),
                         [{"id": more}])

    def test_local_storage_attaches_itself(self):
        path = f"datacenters/{self.center}/storagedomains"
        out = self.vireo("storage", "add", "here", "/srv/here").out
        self.assertIn("storage here", out)
        self.assertEqual(self.manager.sent("POST", path), [])
        here = self.manager.get("storagedomains", "here")["id"]
        self.assertEqual(self.manager.collections[path][here]["status"], "active")

    def test_other_kinds_of_storage(self):
        for words, storage in (
                (["/srv/data"], {"type": "localfs", "path": "/srv/data"}),
                (["/dev/sdb1", "--type", "posixfs", "--vfs-type", "ext4"],
                 {"type": "posixfs", "path": "/dev/sdb1", "vfs_type": "ext4"}),
                (["srv:/vol", "--type", "glusterfs"],
                 {"type": "glusterfs", "path": "srv:/vol", "vfs_type": "glusterfs"}),
                (["--type", "fcp", "--lun", "a", "--lun", "b"],
                 {"type": "fcp", "logical_units": {"logical_unit": [{"id": "a"}, {"id": "b"}]}})):
            with self.subTest(words):
                self.vireo("storage", "add", "x", *words, "--no-attach", "--no-wait")
                self.assertEqual(self.manager.sent("POST", "storagedomains")[-1]["storage"], storage)
        self.assertIn("no location", self.vireo("storage", "add", "x", "what", code=8).err)
        self.vireo("storage", "add", "x", "--type", "nfs", code=8)

    def test_storage_life(self):
        path = f"datacenters/{self.center}/storagedomains/{self.storage}"
        self.vireo("storage", "maintenance", "data")
        self.assertIn(path + "/deactivate", self.manager.paths("POST"))
        self.vireo("storage", "activate", "data")
        self.vireo("storage", "detach", "data")
        self.assertIn(path, self.manager.paths("DELETE"))
        self.vireo("storage", "remove", "data", "--format")
        self.assertIn(f"storagedomains/{self.storage}?format=true&host={self.host}",
                      self.manager.paths("DELETE"))

    def test_several_at_once(self):
        for name in "abc":
            self.manager.add("disks", name=name, status="ok")
        result = self.vireo("disk", "remove", "a", "missing", "b", code=6)
        self.assertEqual(result.out, "")  # nothing is begun when a name is wrong
        self.manager.fault("DELETE", "disks/" + self.manager.get("disks", "b")["id"], 409,
                           "Operation Failed", "[Cannot remove disk b. It is locked.]")
        result = self.vireo("disk", "remove", "a", "b", "c", code=7)
        self.assertEqual(result.out, "disk a removed\ndisk c removed\n")
        self.assertEqual(result.err, "vireo: b: Operation Failed: Cannot remove disk b. It is "
                                     "locked.\nvireo: Not everything succeeded.\n")


class FaultTest(ManagerTest):
    def test_words_and_codes(self):
        for status, code in ((400, 8), (401, 4), (403, 5), (404, 6), (409, 7), (500, 1), (501, 1),
                             (503, 3)):
            with self.subTest(status):
                self.manager.fault("GET", "vms", status, "The reason", "[The detail.]", times=2)
                result = self.vireo("vm", "list", code=code)
                self.assertEqual(result.out, "")
                self.assertIn("vireo: The reason: The detail.", result.err)
                self.manager.faults.clear()

    def test_empty_answers(self):
        self.manager.fault("GET", "vms/.*", 404)
        result = self.vireo("vm", "show", uuid_of(99), code=6)
        self.assertIn("Nothing lies at vms/", result.err)

    def test_fault_inside_of_an_action(self):
        self.manager.fault("POST", "vms/.*/stop", 409, body={
            "status": "failed", "fault": {"reason": "Operation Failed", "detail": "[It is down.]"}})
        self.assertEqual(self.vireo("vm", "stop", "web", code=7).err,
                         "vireo: Operation Failed: It is down.\n")
        self.manager.fault("POST", "vms/.*/stop", 200, body={
            "status": "failed", "fault": {"reason": "Operation Failed", "detail": "[It is down.]"}})
        self.vireo("vm", "stop", "web", code=7)

    def test_answers_that_are_no_json(self):
        self.manager.fault("GET", "vms", 200, body="<html>")
        self.manager.faults[-1][3] = b"<html>"
        self.assertIn("does not answer like a Vireo manager", self.vireo("vm", "list", code=1).err)


class RawTest(ManagerTest):
    def test_get(self):
        self.assertEqual(self.vireo("api", "GET", "vms").json["vm"][0]["name"], "web")
        self.assertEqual(self.vireo("api", "GET", "/ovirt-engine/api/vms").json["vm"][0]["name"],
                         "web")

    def test_bodies(self):
        self.vireo("api", "POST", "disks", '{"name": "a"}')
        (self.folder / "body").write_text('{"name": "b"}')
        self.vireo("api", "POST", "disks", "@body")
        self.vireo("api", "POST", "disks", "-", input='{"name": "c"}')
        self.vireo("api", "POST", f"vms/{self.vm}/start")
        self.assertEqual([body["name"] for body in self.manager.sent("POST", "disks")], list("abc"))
        self.assertEqual(self.manager.sent("POST", f"vms/{self.vm}/start"), [{}])

    def test_fault(self):
        result = self.vireo("api", "GET", f"vms/{uuid_of(99)}", code=6)
        self.assertEqual(json.loads(result.out)["reason"], "Not found")
        self.assertIn("vireo: Not found:", result.err)


class EventTest(ManagerTest):
    def setUp(self):
        super().setUp()
        for number, severity in ((1, "normal"), (2, "warning"), (3, "error")):
            self.event(number, severity)

    def event(self, number, severity):
        # Newest first, as the API has it.
        events = self.manager.collections.setdefault("events", {})
        rest = dict(events)
        events.clear()
        self.manager.add("events", id=str(number), severity=severity, code="30",
                         time=1795316940000 + number * 1000, description=f"Event {number}")
        events.update(rest)

    def test_list(self):
        self.assert_golden("table-event-list", self.vireo("event", "list").out)
        self.assertIn("events?max=50", self.manager.paths("GET"))

    def test_severity(self):
        self.assertEqual(self.vireo("event", "list", "--severity", "warning", "--quiet").out,
                         "2\n3\n")

    def test_follow(self):
        process = self.start("event", "list", "--follow", "--quiet")
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.assertEqual([process.stdout.readline() for _ in range(3)], ["1\n", "2\n", "3\n"])
        with self.manager.lock:
            self.event(4, "normal")
            self.event(5, "normal")
        self.assertEqual([process.stdout.readline() for _ in range(2)], ["4\n", "5\n"])
        process.terminate()
        self.assertEqual(process.wait(10), 130)


class StatusTest(ManagerTest):
    def test_one_screen(self):
        self.add_vm("db")
        out = self.vireo("status").out
        self.assert_golden("status", out.replace(self.manager.url, "https://manager.example.com"))

    def test_json(self):
        self.assertEqual(self.vireo("status", "--json").json["product_info"]["name"], "Vireo")


class CompletionTest(ManagerTest):
    def complete(self, *words):
        return [line.split("\t")[0] for line in self.vireo("complete", "--", *words).lines]

    def test_names(self):
        self.add_vm("web2")
        self.add_vm("db")
        self.assertEqual(self.complete("vm", "start", "we"), ["web", "web2"])
        self.assertEqual(self.complete("vm", "create", "x", "--cluster", ""), ["Default"])
        self.assertEqual(self.complete("vm", "nic", "plug", "web", ""), ["nic1"])
        self.assertEqual(self.complete("vm", "disk", "detach", "web", ""), ["web_Disk1"])

    def test_a_manager_that_hangs_is_not_waited_for(self):
        self.manager.lock.acquire()
        self.addCleanup(self.manager.lock.release)
        result = self.run_program("complete", "--", "vm", "start", "we", code=-14)
        self.assertEqual(result.out, "")


if __name__ == "__main__":
    main("vireo", "vireo-manager")
