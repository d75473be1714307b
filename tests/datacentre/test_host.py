#!/usr/bin/env python3
"""The sandboxed host: a libvirtd with guests of its own, and nothing left of it afterwards."""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tools.datacentre import cgroup, link  # noqa: E402
from tools.datacentre.host import Host  # noqa: E402
from tools.datacentre.process import wait_until  # noqa: E402

GUEST = REPOSITORY / "build/guest"

NETWORK = """\
<network><name>ovirtmgmt</name><forward mode='nat'/>
 <bridge name='ovirtmgmt' stp='off' delay='0'/>
 <ip address='192.168.66.1' netmask='255.255.255.0'>
  <dhcp><range start='192.168.66.2' end='192.168.66.254'/></dhcp></ip></network>
"""

DOMAIN = """\
<domain type='qemu'><name>guest</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
 <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
 <devices>
  <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>
   <source file='/var/lib/libvirt/images/guest.qcow2'/><target dev='vda' bus='virtio'/></disk>
  <interface type='bridge'><source bridge='ovirtmgmt'/><model type='virtio'/></interface>
  <serial type='file'><source path='/var/log/libvirt/guest.console'/></serial>
  <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  <video><model type='vga'/></video>
 </devices></domain>
"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"through the network\n")

    def log_message(self, *_):
        pass


class HostTest(unittest.TestCase):
    def setUp(self):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="vireo-host-"))
        self.addCleanup(shutil.rmtree, self.state)

    def host(self, number=1, **options):
        host = Host(self.state, number, **options)
        self.addCleanup(host.kill)
        return host.start()

    def assert_nothing_left(self, *hosts):
        mounts = pathlib.Path("/proc/mounts").read_text()
        self.assertNotIn(str(self.state), mounts)
        for host in hosts:
            self.assertNotIn(host.owner, link.links().values())
            for hierarchy in cgroup.hierarchies():
                self.assertFalse((hierarchy / host.cgroup).exists(), hierarchy)
        self.assertEqual(self.processes_of_state(), [])

    def processes_of_state(self):
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.state) in command:
                found.append(command)
        return found

    def start_guest(self, host):
        disk = host.directory / "var/lib/libvirt/images/guest.qcow2"
        shutil.copy(GUEST / "vireo-guest.qcow2", disk)
        definitions = host.directory / "var/tmp"
        (definitions / "network.xml").write_text(NETWORK)
        (definitions / "guest.xml").write_text(DOMAIN)
        host.virsh("net-create", "/var/tmp/network.xml")
        host.virsh("create", "/var/tmp/guest.xml")

    def console(self, host):
        path = host.directory / "var/log/libvirt/guest.console"
        return path.read_text(errors="replace") if path.exists() else ""

    def agent(self, host, command, **arguments):
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        answer = host.virsh("qemu-agent-command", "guest", json.dumps(request))
        return json.loads(answer)["return"]


class StopTest(HostTest):
    def test_a_stopped_program_does_not_hold_the_host(self):
        host = self.host()
        host.signal("libvirtd", signal.SIGSTOP)
        starter = pathlib.Path(f"/proc/{host.libvirtd.pid}/stat")
        wait_until(lambda: starter.read_text().rsplit(")")[1].split()[0] == "T", 10, "the stop")
        host.kill()
        self.assert_nothing_left(host)


class GuestTest(HostTest):
    @classmethod
    def setUpClass(cls):
        subprocess.run([REPOSITORY / "tests/guest/build", GUEST], check=True,
                       stdout=subprocess.DEVNULL)

    def serve(self, address):
        """A web server of the machine at an address that only the sandbox reaches."""
        server = http.server.HTTPServer((address, 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_port

    def test_guest_on_the_nat_network(self):
        host = self.host()
        self.start_guest(host)
        wait_until(lambda: "VIREO GUEST UP" in self.console(host), 120, "guest")
        wait_until(lambda: "192.168.66." in host.virsh("domifaddr", "guest", "--source", "agent"),
                   30, "address by DHCP")
        url = f"http://{host.machine_address}:{self.serve(host.machine_address)}/"
        started = self.agent(host, "guest-exec", path="wget",
                             arg=["-q", "-O", "/data/page", url])
        wait_until(lambda: self.agent(host, "guest-exec-status", **started)["exited"], 30, "wget")
        handle = self.agent(host, "guest-file-open", path="/data/page")
        self.assertEqual(self.agent(host, "guest-file-read", handle=handle)["count"], 20)
        self.check_libvirtd_restart(host)
        host.stop()
        self.assert_nothing_left(host)

    def check_libvirtd_restart(self, host):
        """A guest does not notice that libvirtd dies."""
        before = host.processes("qemu-system-x86_64")
        host.kill_libvirtd()
        host.start_libvirtd()
        self.assertEqual(host.virsh("domstate", "guest").strip(), "running")
        self.assertEqual(host.processes("qemu-system-x86_64"), before)
        started = time.monotonic()
        host.virsh("destroy", "guest")
        self.assertLess(time.monotonic() - started, 5)


class LifeTest(HostTest):
    def test_two_hosts_and_a_restart(self):
        one, two = self.host(1), self.host(2)
        self.assertNotEqual(one.address, two.address)
        self.assertEqual(one.exec(["hostname"]).strip(), "host1")
        self.assertEqual(two.exec(["cat", "/etc/hostname"]).strip(), "host2")
        self.assertIn(one.record["uuid"], one.virsh("capabilities"))
        self.assertIn(one.address, one.exec(["ip", "addr"]))
        record = one.record
        one.stop()
        self.assertEqual(two.virsh("version").count("QEMU"), 2)
        again = self.host(1)
        self.assertEqual(again.record, record)
        again.stop()
        two.stop()
        self.assert_nothing_left(one, two)

    def test_own_file_system(self):
        host = self.host()
        host.exec(["sh", "-c", "echo kept > /var/lib/vireo/mark; echo gone > /run/mark; "
                               "mkdir -p /rhev/data-center; echo own > /etc/mark"])
        self.assertEqual(host.exec(["id", "-u", "vdsm"]), "36\n")
        self.assertFalse(pathlib.Path("/etc/mark").exists())
        self.assertFalse(pathlib.Path("/run/mark").exists())
        host.stop()
        host.start()
        self.assertEqual(host.exec(["cat", "/var/lib/vireo/mark"]), "kept\n")
        self.assertEqual(host.exec(["ls", "/run/mark"], check=False), "")
        self.assertEqual(host.exec(["ls", "/rhev"]), "data-center\n")
        host.stop()

    def test_power_failure(self):
        host = self.host()
        host.start_program(["sleep", "1000"], "sleep")
        wait_until(lambda: host.processes("sleep"), 5, "program")
        host.kill()
        self.assert_nothing_left(host)

    def start_driver(self):
        script = "import sys, time\n" \
                 "from tools.datacentre.host import Host\n" \
                 "host = Host(sys.argv[1]).start()\n" \
                 "print(host.first_process, host.sandbox.pid, flush=True)\n" \
                 "time.sleep(1000)\n"
        driver = subprocess.Popen([sys.executable, "-c", script, self.state], cwd=REPOSITORY,
                                  stdout=subprocess.PIPE, text=True)
        first_process, keeper = map(int, driver.stdout.readline().split())
        driver.stdout.close()
        return driver, first_process, keeper

    def test_killed_driver(self):
        driver, _, _ = self.start_driver()
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        host = Host(self.state)
        wait_until(lambda: host.owner not in link.links().values(), 10, "end of the link")
        wait_until(lambda: not self.processes_of_state(), 10, "end of all processes")
        again = self.host()
        again.stop()
        self.assert_nothing_left(again)

    def test_everything_killed(self):
        driver, first_process, keeper = self.start_driver()
        for number in (driver.pid, keeper, first_process):
            with contextlib.suppress(ProcessLookupError):  # the one before may have taken it along
                os.kill(number, signal.SIGKILL)
        driver.wait()
        host = self.host()
        host.stop()
        self.assert_nothing_left(host)


if __name__ == "__main__":
    unittest.main(verbosity=2)
