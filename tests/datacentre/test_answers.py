#!/usr/bin/env python3
"""What the agent tells of a host and a running guest: every member VDSM's clients rely on."""

import base64
import concurrent.futures
import contextlib
import hashlib
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
import uuid

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))
sys.path.insert(0, str(REPOSITORY / "tests/storage_agent"))

from support import CallError, Client  # noqa: E402
from tools.datacentre.datacentre import DataCentre  # noqa: E402
from tools.datacentre.process import wait_until  # noqa: E402

MIB = 1 << 20


class Digits(str):
    """Kind of a text that is a number."""


KINDS = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, float),
    Digits: lambda value: isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit(),
    dict: lambda value: isinstance(value, dict),
    list: lambda value: isinstance(value, list),
}

STATS = {
    "cpuUser": Digits, "cpuSys": Digits, "cpuIdle": Digits, "cpuLoad": Digits,
    "cpuUserVdsmd": Digits, "cpuSysVdsmd": Digits, "cpuStatistics": dict, "memFree": int,
    "memUsed": Digits, "memShared": int, "swapTotal": int, "swapFree": int, "ksmState": bool,
    "ksmPages": int, "ksmCpu": int, "ksmMergeAcrossNodes": bool, "anonHugePages": Digits,
    "thpState": str, "vmCount": int, "vmActive": int, "vmMigrating": int,
    "incomingVmMigrations": int, "outgoingVmMigrations": int, "diskStats": dict, "dateTime": str,
    "bootTime": Digits, "elapsedTime": Digits, "netConfigDirty": str, "momStatus": str,
    "haStats": dict, "network": dict, "rxDropped": Digits, "txDropped": Digits,
    "numaNodeMemFree": dict, "storageDomains": dict,
}
CAPABILITIES = {
    "HBAInventory": dict, "ISCSIInitiatorName": str, "additionalFeatures": list,
    "autoNumaBalancing": int, "boot_uuid": str, "bondings": dict, "bridges": dict,
    "clusterLevels": list, "cpuCores": Digits, "cpuFlags": str, "cpuModel": str,
    "cpuSockets": Digits, "cpuSpeed": Digits, "cpuThreads": Digits, "cpuTopology": list,
    "domain_versions": list, "emulatedMachines": list, "fipsEnabled": bool, "guestOverhead": Digits,
    "hostdevPassthrough": str, "hugepages": list, "kdumpStatus": int, "kernelArgs": str,
    "kvmEnabled": str, "lastClientIface": str, "memSize": Digits, "netConfigDirty": str,
    "networks": dict, "nics": dict, "numaNodeDistance": dict, "numaNodes": dict,
    "onlineCpus": str, "operatingSystem": dict, "packages2": dict, "reservedMem": Digits,
    "rngSources": list, "selinux": dict, "software_version": str, "supportedENGINEs": list,
    "uuid": str, "vdsmToCpusAffinity": list, "vlans": dict, "vmTypes": list,
}
GUEST = {
    "vmId": str, "vmName": str, "vmType": str, "status": str, "statusTime": Digits, "hash": str,
    "elapsedTime": Digits, "timeOffset": Digits, "monitorResponse": Digits, "clientIp": str,
    "pauseCode": str, "kvmEnable": str, "acpiEnable": str, "cpuUser": Digits, "cpuSys": Digits,
    "cpuActual": bool, "vcpuCount": Digits, "memUsage": Digits, "balloonInfo": dict,
    "network": dict, "disks": dict, "displayInfo": list, "session": str, "username": str,
    "guestIPs": str, "guestFQDN": str, "guestCPUCount": int,
}


HOOKS = "/var/lib/vireo/hooks"
HOOKED = """\
<domain type='kvm' xmlns:ovirt-vm='http://ovirt.org/vm/1.0'>
 <name>hooked</name><uuid>{id}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
 <os><type arch='x86_64' machine='q35'>hvm</type></os>
 <metadata><ovirt-vm:vm><ovirt-vm:custom>
  <ovirt-vm:colour>light blue</ovirt-vm:colour><ovirt-vm:LD_PRELOAD>/x</ovirt-vm:LD_PRELOAD>
 </ovirt-vm:custom></ovirt-vm:vm></metadata>
</domain>
"""


class AnswersTest(unittest.TestCase):
    def setUp(self):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="vireo-answers-"))
        self.addCleanup(shutil.rmtree, self.state)
        self.centre = DataCentre(self.state, agent_options={"hooks_directory": HOOKS})
        self.addCleanup(self.centre.kill)
        self.centre.start()
        self.client_path = str(self.centre.host.path("/run/vireo/agent/agent.sock"))
        self.client = Client(self.client_path)
        self.addCleanup(self.client.close)

    def other_host(self):
        """The folder with the certificate of another host that has joined."""
        state, config = self.state / "other", self.state / "other.conf"
        config.write_text(f"state_directory = {state}\n")
        ticket = self.centre.rest.post_own("/vireo/enrolment-token",
                                           {"cluster": "Default", "name": "other"})
        subprocess.run([self.centre.host.build_dir / "agent/vireo-agent", "enrol",
                        "--manager", self.centre.manager.url, "--token", ticket["token"],
                        "--fingerprint", ticket["fingerprint"], "--name", "other",
                        "--address", "127.0.0.9", "--config", config], check=True)
        return state / "pki"

    def first_answer(self, pki):
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.check_hostname = False
        context.load_cert_chain(pki / "agent.crt", pki / "agent.key")
        with socket.create_connection((self.centre.host.address, 54321), 10) as plain, \
                context.wrap_socket(plain) as channel:
            channel.sendall(b"CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\0")
            return channel.recv(4096)

    def test_only_the_manager_rules(self):
        """Every host has a certificate of the same authority; that opens no other host."""
        own = self.centre.host.directory / "var/lib/vireo/agent/pki"
        self.assertTrue(self.first_answer(own).startswith(b"CONNECTED"))
        self.assertTrue(self.first_answer(self.other_host()).startswith(b"ERROR"))

    def check(self, answer, kinds, members=()):
        for name in members or kinds:
            with self.subTest(member=name):
                self.assertIn(name, answer)
                self.assertTrue(KINDS[kinds[name]](answer[name]), repr(answer[name]))

    def start_guest(self):
        rest = self.centre.rest
        guest = rest.post("/vms", {"name": "guest", "cluster": {"name": "Default"},
                                   "template": {"name": "Blank"}, "memory": 256 * MIB})
        domain = rest.list("/storagedomains", search="name=local")[0]
        rest.post(f"/vms/{guest['id']}/diskattachments", {
            "bootable": True, "active": True, "interface": "virtio",
            "disk": {"name": "disk", "format": "cow", "provisioned_size": 64 * MIB,
                     "storage_domains": {"storage_domain": [{"id": domain["id"]}]}}})
        wait_until(lambda: all(disk.get("status") == "ok" for disk in rest.list("/disks")), 60,
                   "the disk")
        rest.post(f"/vms/{guest['id']}/start")
        wait_until(lambda: self.guest_state(guest["id"]) in ("Powering up", "Up"), 60, "the guest")
        return guest["id"]

    def guest_state(self, guest):
        with contextlib.suppress(CallError):
            return self.client.call("VM.getStats", vmID=guest)[0]["status"]

    def test_host(self):
        stats = self.client.call("Host.getStats")
        self.check(stats, STATS)
        self.assertEqual({"configured", "active", "score", "globalMaintenance", "localMaintenance"},
                         set(stats["haStats"]))
        for number, cpu in stats["cpuStatistics"].items():
            self.assertTrue(number.isdigit())
            self.check(cpu, {"cpuUser": Digits, "cpuSys": Digits, "cpuIdle": Digits,
                             "nodeIndex": int})
        self.check(stats["numaNodeMemFree"]["0"], {"memFree": Digits, "memPercent": int,
                                                   "hugepages": dict})
        facts = self.client.call("Host.getCapabilities")
        self.check(facts, CAPABILITIES)
        self.assertEqual(len(stats["cpuStatistics"]), int(facts["cpuThreads"]))
        self.assertEqual(facts["vmTypes"], ["kvm"])
        self.assertEqual(facts["numaNodeDistance"], {"0": [10]})
        self.assertEqual(set(facts["HBAInventory"]), {"FC", "iSCSI"})
        self.assertLessEqual(set(facts["rngSources"]), {"random", "hwrng"})
        self.assertIn(facts["operatingSystem"]["name"], ("Debian", "Fedora", "RHEL", "unknown"))
        for device in (*facts["nics"].values(), *facts["bridges"].values()):
            self.check(device, {"mtu": Digits, "addr": str, "netmask": str, "ipv4addrs": list,
                                "ipv6addrs": list, "dhcpv4": bool, "dhcpv6": bool, "gateway": str})
        self.assertEqual(self.client.call("Host.echo", message=7), "7")

    def test_guest(self):
        guest = self.start_guest()
        call = self.client.call
        self.check(call("VM.getStats", vmID=guest)[0], GUEST)
        short = call("Host.getVMList")[0]
        self.assertEqual(set(short), {"vmId", "status", "statusTime"})
        self.assertTrue(KINDS[Digits](short["statusTime"]))
        picture = call("VM.screenshot", vmID=guest)
        self.assertEqual((picture["encoding"], picture["mime_type"]), ("base64", "image/png"))
        self.assertTrue(base64.b64decode(picture["data"]).startswith(b"\x89PNG"))
        self.check_changes(guest)
        call("VM.pause", vmID=guest)
        wait_until(lambda: self.guest_state(guest) == "Paused", 20, "the pause")
        wait_until(lambda: self.paused_event(guest), 20, "the event")
        call("VM.cont", vmID=guest)
        call("VM.destroy", vmID=guest)

    def check_changes(self, guest):
        call = self.client.call
        # Without KVM guests have no room for CPUs: QEMU dies when it is given one.
        room = "current=" in call("Host.dumpxmls", vmList=[guest])[guest]
        if room:
            call("VM.setNumberOfCpus", vmID=guest, numberOfCpus=2)
            self.assertIn("current='2'", call("Host.dumpxmls", vmList=[guest])[guest])
        with self.assertRaises(CallError) as caught:
            call("VM.setNumberOfCpus", vmID=guest, numberOfCpus=1000 if room else 2)
        self.assertEqual(caught.exception.code, 60)
        alone = "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
        call("VM.hotplugMemory", vmID=guest, params={"vmId": guest, "xml": alone})
        call("VM.hotplugMemory", vmID=guest, params={
            "vmId": guest, "xml": f"<hotplug><devices>{alone}</devices></hotplug>"})
        call("VM.hotplugMemory", vmID=guest, params={
            "vmId": guest, "memory": {"size": 256, "node": 0}})
        self.assertIn(f"<memory unit='KiB'>{768 * 1024}</memory>",
                      call("Host.dumpxmls", vmList=[guest])[guest])
        with self.assertRaises(CallError) as caught:
            call("VM.hotplugMemory", vmID=guest, params={"vmId": guest})
        self.assertEqual(caught.exception.code, 70)

    def plug_together(self, guest, callers=2):
        """The same request from several callers, as after one whose answer was lost; all succeed."""
        device = (f"<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target>"
                  f"<alias name='ua-{uuid.uuid4()}'/></memory>")

        def plug():
            with contextlib.closing(Client(self.client_path)) as client:
                client.call("VM.hotplugMemory", vmID=guest, params={"vmId": guest, "xml": device})

        with concurrent.futures.ThreadPoolExecutor(callers) as pool:
            for call in [pool.submit(plug) for _ in range(callers)]:
                call.result()

    def test_one_device_asked_for_twice(self):
        guest = self.start_guest()
        for _ in range(4):
            self.plug_together(guest)
        self.assertIn(f"<memory unit='KiB'>{768 * 1024}</memory>",
                      self.client.call("Host.dumpxmls", vmList=[guest])[guest])
        self.assertNotIn("vm.orphans", self.centre.host.log("agent").read_text())

    def hook(self, point, name, text, mode=0o755):
        path = self.centre.host.directory / HOOKS[1:] / point / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(mode)
        return path

    def refused(self, code, method, **parameters):
        with self.assertRaises(CallError) as caught:
            self.client.call(method, **parameters)
        self.assertEqual(caught.exception.code, code, caught.exception.message)
        return caught.exception.message

    def test_hooks(self):
        call, guest = self.client.call, str(uuid.uuid4())
        log = self.centre.host.directory / HOOKS[1:] / "log"
        self.assertEqual(call("Host.getCapabilities")["hooks"], {})
        script = self.hook("before_vm_start", "10_title", (
            f'sed -i "s|<name>|<title>$colour $LD_PRELOAD $vmId</title><name>|" "$_hook_domxml"\n'
            f'echo start >>{HOOKS}/log\n'))
        self.hook("before_vm_start", "20_no_program", "exit 2\n", 0o644)
        self.hook("after_vm_start", "10_fails", f"echo after >>{HOOKS}/log; exit 1\n")
        self.assertEqual(call("Host.getCapabilities")["hooks"]["before_vm_start"], {
            "10_title": {"checksum": hashlib.sha256(script.read_bytes()).hexdigest()}})
        call("VM.create", vmID=guest, vmParams={"vmId": guest, "xml": HOOKED.format(id=guest)})
        wait_until(lambda: self.guest_state(guest) in ("Powering up", "Up"), 30, "the guest")
        self.assertIn(f"<title>light blue  {guest}</title>",
                      call("Host.dumpxmls", vmList=[guest])[guest])
        wait_until(lambda: log.read_text() == "start\nafter\n", 20, "the hooks")
        self.hook("before_vm_pause", "10_warns", f"echo one >>{HOOKS}/log; exit 1\n")
        self.hook("before_vm_pause", "20_stops", f"echo two >>{HOOKS}/log; echo not now >&2; exit 2\n")
        self.hook("before_vm_pause", "30_never", f"echo three >>{HOOKS}/log\n")
        self.assertIn("not now", self.refused(1500, "VM.pause", vmID=guest))
        self.assertEqual(log.read_text(), "start\nafter\none\ntwo\n")
        self.hook("before_memory_hotplug", "10", "exit 1\n")
        self.refused(1500, "VM.hotplugMemory", vmID=guest,
                     params={"vmId": guest, "memory": {"size": 64, "node": 0}})
        self.hook("before_vm_destroy", "10", "exit 1\n")
        self.refused(1500, "VM.destroy", vmID=guest)
        self.hook("before_vm_destroy", "10", "exit 0\n")
        call("VM.destroy", vmID=guest)
        self.hook("before_vm_start", "30_refuses", "echo no luck today >&2; exit 1\n")
        call("VM.create", vmID=guest, vmParams={"vmId": guest, "xml": HOOKED.format(id=guest)})
        wait_until(lambda: self.guest_state(guest) == "Down", 30, "the refusal")
        self.assertIn("no luck today", call("VM.getStats", vmID=guest)[0]["exitMessage"])
        self.assertEqual([name.name for name in self.centre.host.path("/run/vireo").glob("hook-*")],
                         [])

    def test_end_during_the_launch(self):
        """QEMU dies while a hook still makes the launch last."""
        call, guest = self.client.call, str(uuid.uuid4())
        self.hook("after_vm_start", "10_slow", f"touch {HOOKS}/started; sleep 3\n")
        call("VM.create", vmID=guest, vmParams={"vmId": guest, "xml": HOOKED.format(id=guest)})
        started = self.centre.host.directory / HOOKS[1:] / "started"
        wait_until(started.exists, 30, "the guest")
        self.centre.host.signal("qemu-system-x86_64", signal.SIGKILL)
        wait_until(lambda: self.guest_state(guest) == "Down", 20, "its end")
        call("VM.destroy", vmID=guest)

    def is_reached(self, guest):
        """Whether libvirt is asked about it again."""
        try:
            self.client.call("VM.screenshot", vmID=guest)
        except CallError as error:
            return error.code != 99  # it has no screen
        return True

    def test_libvirtd_ends_during_a_shutdown(self):
        """What the guest was asked for goes on; it is not told to be up in between."""
        call, guest = self.client.call, str(uuid.uuid4())
        call("VM.create", vmID=guest, vmParams={"vmId": guest, "xml": HOOKED.format(id=guest)})
        wait_until(lambda: self.guest_state(guest) in ("Powering up", "Up"), 30, "the guest")
        call("VM.shutdown", vmID=guest, delay=0, message="", timeout=600)
        self.assertEqual(self.guest_state(guest), "Powering down")
        self.centre.host.kill_libvirtd()
        self.centre.host.start_libvirtd()
        wait_until(lambda: self.is_reached(guest), 30, "libvirt")
        self.assertEqual(self.guest_state(guest), "Powering down")
        self.assertEqual([event["params"][guest]["status"] for event in self.client.events
                          if event["method"] == f"|virt|VM_status|{guest}"][-1], "Powering down")
        call("VM.destroy", vmID=guest)

    def test_libvirtd_ends_during_a_hook(self):
        """A hook may take minutes; the host does not wait for it to be there again."""
        folder = self.centre.host.directory / HOOKS[1:]
        guest = self.start_guest()
        self.hook("before_memory_hotplug", "10_slow",
                  f"touch {HOOKS}/waits; while ! [ -e {HOOKS}/go ]; do sleep 0.1; done\n")
        self.addCleanup((folder / "go").touch)  # or the agent would not end
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            plug = pool.submit(self.plug_together, guest, 1)
            wait_until((folder / "waits").exists, 20, "the hook")
            self.centre.host.kill_libvirtd()
            self.centre.host.start_libvirtd()
            try:
                wait_until(lambda: self.is_reached(guest), 20, "libvirt, beside the hook")
                self.assertFalse(plug.done())
            finally:
                (folder / "go").touch()
            with self.assertRaises(CallError):  # its libvirt was another one
                plug.result()

    def paused_event(self, guest):
        self.client.call("Host.ping")
        return any(event["method"] == f"|virt|VM_status|{guest}" and
                   event["params"][guest]["status"] == "Paused" for event in self.client.events)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
