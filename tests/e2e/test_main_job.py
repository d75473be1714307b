#!/usr/bin/env python3
# time limit: 900 s
"""The main job, as a program of a user does it over HTTPS: a disk image goes in, a VM runs from it
and is seen and talked to, its disk comes out again, and nothing of it stays."""

import configparser
import json
import os
import re
import select
import ssl
import subprocess
import termios
import unittest
import urllib.request
import zlib

from guest_lab import GUEST_IMAGE, GuestTest, wait_until

from tools.datacentre.rest import RestFault

DATA_OFFSET = 48 << 20  # of the guest's data partition
PIECE = 4 << 20
FINISHED = ("finished_success", "finished_failure", "finished_cleanup")

USER_DATA = """\
#cloud-config
runcmd:
- 'printf %s "written by the guest" > /data/word'
- 'sync'
"""


class ImageClient:
    """Speaks to image servers; keeps no connection, so every request stands for itself."""

    def __init__(self, url, ca_file):
        self.url = url
        self.context = ssl.create_default_context(cafile=ca_file)

    def request(self, method, body=None, path="", **headers):
        request = urllib.request.Request(self.url + path, data=body, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        with urllib.request.urlopen(request, timeout=60, context=self.context) as answer:
            return answer.read()

    def options(self):
        return json.loads(self.request("OPTIONS"))

    def upload(self, data):
        for at in range(0, len(data), PIECE):
            piece = data[at:at + PIECE]
            self.request("PUT", piece, "?flush=n",
                         Content_Range=f"bytes {at}-{at + len(piece) - 1}/*")
        self.request("PATCH", b'{"op": "flush"}', Content_Type="application/json")

    def download(self):
        return self.request("GET")


def picture_values(path):
    """How many different bytes the pixels of a PNG or PPM have: a blank screen has one."""
    data = path.read_bytes()
    if data[:2] == b"P6":
        return len(set(data[32:]))
    parts = []
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        if data[at + 4:at + 8] == b"IDAT":
            parts.append(data[at + 8:at + 8 + length])
        at += length + 12
    pixels = zlib.decompress(b"".join(parts))
    width = int.from_bytes(data[16:20], "big") * (4 if data[25] == 6 else 3)
    rows = range(0, len(pixels), width + 1)  # each begins with the kind of its filter
    return len(set(b"".join(pixels[at + 1:at + 1 + width] for at in rows)))


class MainJobTest(GuestTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = GUEST_IMAGE.read_bytes()

    # ---- waiting

    def get(self, path):
        return self.rest.get(path)

    def wait_status(self, path, status, seconds=60, member="status"):
        seen = None

        def look():
            nonlocal seen
            seen = self.get(path)
            return seen if seen.get(member) == status else None

        try:
            return wait_until(look, seconds, f"{path} {status}")
        except Exception as failure:
            raise AssertionError(f"{failure}; it is {seen}; events: {self.events()}") from None

    def events(self):
        return [row["description"] for row in self.rest.list("/events", max=12)]

    def wait_gone(self, path, seconds=60):
        def look():
            try:
                self.get(path)
            except RestFault as fault:
                return fault.status == 404
            return False

        wait_until(look, seconds, f"end of {path}")

    # ---- pieces of the job

    def transfer(self, disk, direction, **more):
        transfer = self.rest.post("/imagetransfers", {"disk": {"id": disk},
                                                      "direction": direction, **more})
        path = f"/imagetransfers/{transfer['id']}"
        return path, self.wait_status(path, "transferring", member="phase")

    def finalize(self, path):
        self.rest.post(f"{path}/finalize")
        ended = wait_until(lambda: (row := self.get(path))["phase"] in FINISHED and row, 60, path)
        self.assertEqual(ended["phase"], "finished_success", self.events())
        return ended

    def client(self, url):
        return ImageClient(url, self.centre.manager.ca_file)

    def add_disk(self, name, size, **more):
        disk = self.rest.post("/disks", {
            "name": name, "provisioned_size": str(size), "format": "cow", "sparse": "true",
            "storage_domains": {"storage_domain": [{"name": "local"}]}, **more})
        self.wait_status(f"/disks/{disk['id']}", "ok")
        return disk["id"]

    def upload_guest(self, url_member):
        disk = self.add_disk("system", 128 << 20)
        path, transfer = self.transfer(disk, "upload", format="cow")
        client = self.client(transfer[url_member])
        self.assertIn("zero", client.options()["features"])
        client.upload(self.image)
        ended = self.finalize(path)
        self.assertEqual(int(ended["transferred"]), len(self.image))
        self.wait_status(f"/disks/{disk}", "ok")
        return disk

    def download(self, disk, url_member="transfer_url", **more):
        path, transfer = self.transfer(disk, "download", **more)
        data = self.client(transfer[url_member]).download()
        self.finalize(path)
        return data

    def add_vm(self, name, disk):
        vm = self.rest.post("/vms", {
            "name": name, "memory": str(256 << 20), "cluster": {"name": "Default"},
            "template": {"name": "Blank"}, "display": {"type": "vnc"},
            "memory_policy": {"max": str(512 << 20), "guaranteed": str(128 << 20)},
            "cpu": {"topology": {"sockets": "1", "cores": "2", "threads": "1"}},
            "bios": {"type": "q35_sea_bios"}})["id"]
        profile = self.rest.list("/vnicprofiles", search="name=ovirtmgmt")[0]["id"]
        self.rest.post(f"/vms/{vm}/diskattachments", {
            "bootable": "true", "interface": "virtio_scsi", "active": "true", "disk": {"id": disk}})
        self.rest.post(f"/vms/{vm}/nics", {"name": "nic1", "vnic_profile": {"id": profile}})
        return vm

    def wait_address(self, vm):
        """An IPv4 address the guest's agent has told."""
        def look():
            return [address["address"]
                    for device in self.rest.list(f"/vms/{vm}/reporteddevices")
                    for address in device.get("ips", {}).get("ip", [])
                    if address["version"] == "v4" and not address["address"].startswith("127.")]

        return wait_until(look, 90, "address of the guest")[0]

    def console(self, vm, protocol):
        """What a viewer is given: the file's first section."""
        consoles = self.rest.list(f"/vms/{vm}/graphicsconsoles", current="true")
        console = next(row for row in consoles if row["protocol"] == protocol)
        path = f"/vms/{vm}/graphicsconsoles/{console['id']}"
        ticket = self.rest.post(f"{path}/ticket", {"ticket": {"expiry": "120"}})["ticket"]
        self.assertEqual(ticket["expiry"], "120")
        text = self.rest.post(f"{path}/remoteviewerconnectionfile")["remote_viewer_connection_file"]
        file = configparser.ConfigParser(interpolation=None, delimiters="=")
        file.read_string(text)
        self.assertEqual(file["virt-viewer"]["host"], console["address"])
        return file["virt-viewer"]

    def run_viewer(self, arguments, picture, password="", trusted="/dev/null"):
        """On a terminal of its own: that is where viewers ask for the password."""
        terminal, theirs = os.openpty()
        viewer = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs,
                                  start_new_session=True,
                                  env={**os.environ, "SSL_CERT_FILE": str(trusted)})
        os.close(theirs)
        self.addCleanup(viewer.kill)
        told = b""
        while viewer.poll() is None or select.select([terminal], [], [], 0)[0]:
            ready, _, _ = select.select([terminal], [], [], 60)
            self.assertTrue(ready, f"{arguments[0]} hangs: {told}")
            try:
                told += os.read(terminal, 4096)
            except OSError:  # it has ended
                break
            if password and told.rstrip().endswith(b"Password:"):
                # What is written before the viewer stops the echo is thrown away.
                wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, 10, "no echo")
                os.write(terminal, f"{password}\n".encode())
                password = ""
        os.close(terminal)
        self.assertEqual(viewer.wait(60), 0, told)
        self.assertGreater(picture_values(picture), 1, f"{arguments[0]} sees a blank screen")

    def see_vnc(self, vm):
        console = self.console(vm, "vnc")
        picture = self.state / "vnc.png"
        self.run_viewer(["gvnccapture", "-q", f"{console['host']}:{int(console['port']) - 5900}",
                         picture], picture, console["password"])

    def see_spice(self, vm):
        """Encrypted: the host's certificate is judged by the authority in the viewer's file."""
        console = self.console(vm, "spice")
        picture, trusted = self.state / "spice.ppm", self.state / "spice.crt"
        trusted.write_text(console["ca"].replace("\\n", "\n"))
        self.assertIn("main;", console["secure-channels"])
        self.run_viewer(["spicy-screenshot", "-h", console["host"], "-s", console["tls-port"],
                         "-w", console["password"], "-o", picture], picture, trusted=trusted)

    def read_guest_file(self, raw, name):
        image = self.state / "disk.raw"
        image.write_bytes(raw)
        done = subprocess.run(["/sbin/debugfs", "-R", f"cat {name}", f"{image}?offset={DATA_OFFSET}"],
                              check=True, capture_output=True, text=True)
        image.unlink()
        return done.stdout

    # ---- the job

    def hotplug_disk(self, vm):
        attachment = self.rest.post(f"/vms/{vm}/diskattachments", {
            "interface": "virtio_scsi", "active": "true",
            "disk": {"name": "data", "provisioned_size": str(32 << 20), "format": "cow",
                     "storage_domains": {"storage_domain": [{"name": "local"}]}}})
        path = f"/vms/{vm}/diskattachments/{attachment['id']}"
        self.wait_status(path, "true", member="active")
        self.wait_status(f"/disks/{attachment['id']}", "ok")
        self.rest.put(path, {"disk": {"provisioned_size": str(64 << 20)}})
        wait_until(lambda: int(self.get(f"/disks/{attachment['id']}")["provisioned_size"]) ==
                   64 << 20, 30, "larger disk")
        self.wait_status(f"/disks/{attachment['id']}", "ok")
        return attachment["id"]

    def check_nothing_left(self, vm, disks):
        self.wait_gone(f"/vms/{vm}")
        for disk in disks:
            self.wait_gone(f"/disks/{disk}")
        names = {path.name for path in self.state.glob("hosts/*/var/lib/vireo/storage/**/*")}
        self.assertFalse(names & {vm, *disks})
        domains = subprocess.run(self.centre.host.command(["virsh", "list", "--all", "--name"]),
                                 capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(domains, [])
        jobs = [row for row in self.rest.list("/jobs") if row["status"] == "started"]
        self.assertEqual(jobs, [])

    def test_main_job(self):
        disk = self.upload_guest("transfer_url")
        self.assertEqual(self.download(disk, format="cow"), self.image)
        vm = self.add_vm("web1", disk)
        self.rest.post(f"/vms/{vm}/start", {
            "use_cloud_init": "true",
            "vm": {"initialization": {"host_name": "web1.example.com",
                                      "custom_script": USER_DATA}}})
        self.wait_status(f"/vms/{vm}", "up", 120)
        address = self.wait_address(vm)
        self.assertRegex(address, r"^\d+\.\d+\.\d+\.\d+$")
        wait_until(lambda: self.get(f"/vms/{vm}").get("fqdn", "").startswith("web1"), 60, "FQDN")
        self.see_vnc(vm)
        data = self.hotplug_disk(vm)
        self.rest.post(f"/vms/{vm}/shutdown")
        self.wait_status(f"/vms/{vm}", "down", 60)
        raw = self.download(disk, "proxy_url", format="raw")
        self.assertEqual(len(raw), 128 << 20)
        self.assertEqual(self.read_guest_file(raw, "word"), "written by the guest")
        self.rest.delete(f"/vms/{vm}")
        self.check_nothing_left(vm, [disk, data])

    def test_spice_and_proxy(self):
        """The same through the manager's proxy, and with SPICE; paused, resumed, reset, stopped."""
        disk = self.upload_guest("proxy_url")
        vm = self.add_vm("desk1", disk)
        self.rest.put(f"/vms/{vm}", {"display": {"type": "spice"}})
        self.rest.post(f"/vms/{vm}/start")
        self.wait_status(f"/vms/{vm}", "up", 120)
        self.see_spice(vm)
        self.rest.post(f"/vms/{vm}/reset")
        self.wait_address(vm)
        self.rest.post(f"/vms/{vm}/stop")
        self.wait_status(f"/vms/{vm}", "down", 30)
        self.rest.delete(f"/vms/{vm}")
        self.check_nothing_left(vm, [disk])

    def test_cancelled_upload(self):
        disk = self.add_disk("half", 64 << 20)
        path, transfer = self.transfer(disk, "upload")
        client = self.client(transfer["transfer_url"])
        client.request("PUT", b"x" * 65536, Content_Range="bytes 0-65535/*")
        self.rest.post(f"{path}/cancel")
        self.wait_status(path, "finished_cleanup", member="phase")
        self.wait_gone(f"/disks/{disk}")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            client.request("PUT", b"x" * 512, Content_Range="bytes 0-511/*")
        self.assertIn(refused.exception.code, (403, 404))

    def test_bad_image(self):
        """A file that builds on another one would let its owner read the host's files."""
        bad = self.state / "bad.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-u", "-b",
                        "/etc/passwd", bad, "64M"], check=True)
        disk = self.add_disk("bad", 64 << 20)
        path, transfer = self.transfer(disk, "upload", format="cow")
        self.client(transfer["transfer_url"]).upload(bad.read_bytes())
        self.rest.post(f"{path}/finalize")
        self.wait_status(path, "finished_failure", member="phase")
        self.wait_gone(f"/disks/{disk}")
        self.assertTrue(any(re.search("builds on", text) for text in self.events()), self.events())

    def test_paused_upload(self):
        disk = self.add_disk("paused", 64 << 20)
        path, transfer = self.transfer(disk, "upload")
        self.rest.post(f"{path}/pause")
        self.wait_status(path, "paused_user", member="phase")
        client = self.client(transfer["transfer_url"])

        def is_cut():
            try:
                client.request("PUT", b"x" * 512, Content_Range="bytes 0-511/*")
            except urllib.error.HTTPError as refused:
                return refused.code in (403, 404)
            return False

        wait_until(is_cut, 10, "end of the ticket")
        self.rest.post(f"{path}/resume")
        self.wait_status(path, "transferring", member="phase")
        empty = self.state / "empty.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", empty, "64M"], check=True)
        client.upload(empty.read_bytes())
        self.finalize(path)
        self.rest.delete(f"/disks/{disk}")
        self.wait_gone(f"/disks/{disk}")

    def test_deaths_during_upload(self):
        """Neither the manager's nor the agent's death ends a transfer that clients go on with."""
        disk = self.add_disk("survivor", 128 << 20)
        path, transfer = self.transfer(disk, "upload", format="cow")
        client = self.client(transfer["transfer_url"])
        half = len(self.image) // 2
        client.request("PUT", self.image[:half], Content_Range=f"bytes 0-{half - 1}/*")
        self.centre.manager.kill()
        self.centre.manager.start()
        self.centre.host.kill_agent()
        self.assertEqual(self.centre.restart_dead(), ["vireo-agent"])
        self.wait_status(f"/hosts/{self.rest.list('/hosts')[0]['id']}", "up", 90)
        center = self.rest.list("/datacenters", search="name=Default")[0]["id"]
        domains = f"/datacenters/{center}/storagedomains"
        wait_until(lambda: self.rest.list(domains)[0]["status"] == "active", 60, "storage")
        wait_until(lambda: self.get(path)["active"] == "false", 60, "end of the old connection")
        self.assertEqual(self.get(path)["phase"], "transferring")
        client.request("PUT", self.image[half:],
                       Content_Range=f"bytes {half}-{len(self.image) - 1}/*")
        self.finalize(path)
        self.assertEqual(self.download(disk), self.image)
        self.rest.delete(f"/disks/{disk}")
        self.wait_gone(f"/disks/{disk}")

    def test_silent_client(self):
        disk = self.add_disk("silent", 64 << 20)
        path, _ = self.transfer(disk, "upload", inactivity_timeout="1")
        self.wait_status(path, "paused_system", member="phase")
        self.rest.post(f"{path}/resume")
        self.wait_status(path, "transferring", member="phase")
        self.finalize(path)
        path, _ = self.transfer(disk, "download", inactivity_timeout="1")
        self.wait_status(path, "finished_failure", member="phase")
        self.wait_status(f"/disks/{disk}", "ok")
        path, _ = self.transfer(disk, "download", inactivity_timeout="1", timeout_policy="pause")
        self.wait_status(path, "paused_system", member="phase")
        with self.assertRaises(RestFault) as refused:
            self.rest.delete(f"/disks/{disk}")
        self.assertEqual(refused.exception.status, 409)
        self.rest.post(f"{path}/cancel")
        self.wait_status(path, "finished_cleanup", member="phase")
        self.wait_status(f"/disks/{disk}", "ok")
        self.rest.delete(f"/disks/{disk}")
        self.wait_gone(f"/disks/{disk}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
