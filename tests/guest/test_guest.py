#!/usr/bin/env python3
"""The test guest does what the other suites expect of it: under plain QEMU, without the product."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from machine import Machine, wait_until  # noqa: E402

OUTPUT = HERE.parent.parent / "build/guest"
NIC = ["-nic", "user,model=virtio-net-pci"]
UP = r"VIREO GUEST UP name=(\S+) ip=(\S+) kernel=(\S+) (.*)"

USER_DATA = """\
#cloud-config
user: root
password: 'sec ret'
ssh_authorized_keys:
  - ssh-rsa BBBB second
runcmd:
- 'printf %s "one\\two" > /data/first'
- [sh, -c, "echo three four > /data/second"]
- |
  if true; then
    echo $(hostname) >> /data/third
  fi
"""


def setUpModule():
    subprocess.run([HERE / "build", OUTPUT], check=True, stdout=subprocess.DEVNULL)


class GuestTest(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="vireo-guest-"))
        self.addCleanup(shutil.rmtree, self.work)
        self.disk = self.work / "disk.qcow2"
        shutil.copy(OUTPUT / "vireo-guest.qcow2", self.disk)

    def boot(self, *arguments, **options):
        machine = Machine(self.work, arguments, **options)
        self.addCleanup(machine.kill)
        return machine

    def virtio_disk(self):
        return ["-drive", f"if=virtio,file={self.disk}"]

    def scsi_disk(self):
        return ["-device", "virtio-scsi-pci,id=scsi",
                "-drive", f"if=none,id=disk,file={self.disk}",
                "-device", "scsi-hd,bus=scsi.0,drive=disk,bootindex=1"]

    def iso(self, label, files):
        """A CD image of the files, given as name and text."""
        tree = self.work / label
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        image = self.work / f"{label}.iso"
        subprocess.run(["genisoimage", "-quiet", "-V", label, "-J", "-r", "-o", image, tree],
                       check=True)
        return image

    def read_data_file(self, name):
        """A file of the guest's data partition, read while the guest is off."""
        raw = self.work / "disk.raw"
        subprocess.run(["qemu-img", "convert", "-O", "raw", self.disk, raw], check=True)
        done = subprocess.run(["/sbin/debugfs", "-R", f"cat {name}", f"{raw}?offset={48 << 20}"],
                              check=True, capture_output=True, text=True)
        return done.stdout


class BootTest(GuestTest):
    def check_boot(self, machine):
        up = machine.serial.wait_for(UP, 120)
        self.assertEqual(up.group(1), "vireo-guest")
        self.assertEqual(up.group(2), "10.0.2.15")
        self.assertRegex(up.group(3), r"^6\.1\..*-amd64$")
        machine.serial.type("echo shell $((40 + 2))")
        machine.serial.wait_for("shell 42", 20)
        return up.group(4)

    def test_q35_bios_virtio(self):
        machine = self.boot(*self.virtio_disk(), *NIC)
        self.check_boot(machine)
        wait_until(lambda: "root@vireo-guest:~#" in machine.screen_text(), 20, "prompt")
        screen = machine.screen_text()
        self.assertIn("VIREO GUEST UP", screen)
        self.assertIn("address 10.0.2.15", screen)

    def test_i440fx_bios_scsi(self):
        machine = self.boot(*self.scsi_disk(), *NIC, machine="pc")
        self.assertIn("disks=sda", self.check_boot(machine))

    def test_q35_uefi_virtio(self):
        self.check_boot(self.boot(*self.virtio_disk(), *NIC,
                                  firmware="uefi"))

    def test_i440fx_uefi_scsi(self):
        self.check_boot(self.boot(*self.scsi_disk(), *NIC,
                                  firmware="uefi", machine="pc"))

    def test_direct_kernel_boot(self):
        machine = self.boot("-kernel", OUTPUT / "vmlinuz", "-initrd", OUTPUT / "initrd.img",
                            "-append", "console=ttyS0 quiet vireo.name=direct")
        self.assertEqual(machine.serial.wait_for(UP).group(1, 2), ("direct", "none"))


class AgentTest(GuestTest):
    def test_agent(self):
        machine = self.boot(*self.virtio_disk(),
                            "-nic", "user,model=virtio-net-pci,mac=52:54:00:01:02:03")
        machine.serial.wait_for(UP)
        agent = machine.agent()
        self.assertIn("guest-exec", [row["name"] for row in
                                     agent.call("guest-info")["supported_commands"]])
        self.assertEqual(agent.call("guest-get-host-name")["host-name"], "vireo-guest")
        system = agent.call("guest-get-osinfo")
        self.assertEqual((system["id"], system["version-id"]), ("vireo-guest", "1"))
        cards = agent.call("guest-network-get-interfaces")
        card = next(card for card in cards if card["name"] == "eth0")
        self.assertEqual(card["hardware-address"], "52:54:00:01:02:03")
        self.assertIn("10.0.2.15", [row["ip-address"] for row in card["ip-addresses"]])
        self.assertGreater(agent.call("guest-get-time"), 1.6e18)
        self.assertEqual(agent.call("guest-get-timezone")["offset"], 0)
        self.assertEqual(len(agent.call("guest-get-vcpus")), 1)
        self.assertIn("/data", [row["mountpoint"] for row in agent.call("guest-get-fsinfo")])
        self.assertEqual(agent.call("guest-fsfreeze-freeze"), 1)
        self.assertEqual(agent.call("guest-fsfreeze-thaw"), 1)
        agent.call("guest-set-user-password", {"username": "root", "password": "cGFzcw==",
                                               "crypted": False})
        self.assertEqual(agent.shell("grep -c '^root:[$]6' /etc/shadow"), ("1\n", 0))

    def test_data_outlives_shutdown(self):
        machine = self.boot(*self.virtio_disk())
        machine.serial.wait_for(UP)
        agent = machine.agent()
        agent.write("/data/proof", "kept across boots\n")
        agent.send({"execute": "guest-shutdown"})
        machine.serial.wait_for("VIREO GUEST DOWN poweroff", 20)
        self.assertEqual(machine.wait_end(), 0)
        self.assertEqual(self.read_data_file("/proof"), "kept across boots\n")
        again = self.boot(*self.scsi_disk())
        again.serial.wait_for(UP)
        self.assertEqual(again.agent().shell("cat /data/proof"), ("kept across boots\n", 0))

    def test_power_button_and_reboot(self):
        machine = self.boot(*self.virtio_disk())
        machine.serial.wait_for(UP)
        machine.agent().send({"execute": "guest-shutdown", "arguments": {"mode": "reboot"}})
        machine.serial.wait_for("VIREO GUEST DOWN reboot", 20)
        wait_until(lambda: len(re.findall(UP, machine.serial.text)) == 2, 60, "second start")
        machine.monitor.call("system_powerdown")
        machine.serial.wait_for("VIREO GUEST DOWN poweroff", 20)
        self.assertEqual(machine.wait_end(), 0)


class HotplugTest(GuestTest):
    def plug(self, machine):
        extra = self.work / "extra.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", extra, "64M"], check=True)
        call = machine.monitor.call
        call("blockdev-add", {"driver": "qcow2", "node-name": "extra",
                              "file": {"driver": "file", "filename": str(extra)}})
        call("device_add", {"driver": "virtio-blk-pci", "id": "blk", "drive": "extra",
                            **self.bus(1)})
        machine.serial.wait_for("VIREO GUEST DEVICE add vdb", 20)
        call("device_del", {"id": "blk"})
        machine.serial.wait_for("VIREO GUEST DEVICE remove vdb", 20)
        call("netdev_add", {"type": "user", "id": "net", "net": "10.0.7.0/24"})
        call("device_add", {"driver": "virtio-net-pci", "id": "nic", "netdev": "net",
                            **self.bus(2)})
        machine.serial.wait_for(r"VIREO GUEST ADDRESS eth0 10\.0\.7\.15", 30)
        call("device_del", {"id": "nic"})
        machine.serial.wait_for("VIREO GUEST DEVICE remove eth0", 20)

    def bus(self, number):
        return {"bus": f"port{number}"} if self.ports else {}

    def test_q35(self):
        self.ports = True
        ports = [part for number in (1, 2) for part in
                 ("-device", f"pcie-root-port,id=port{number},chassis={number},slot={number}")]
        machine = self.boot(*self.virtio_disk(), *ports)
        machine.serial.wait_for(UP)
        self.plug(machine)

    def test_i440fx(self):
        self.ports = False
        machine = self.boot(*self.virtio_disk(), machine="pc")
        machine.serial.wait_for(UP)
        self.plug(machine)

    def test_cpu_and_memory(self):
        machine = self.boot(*self.virtio_disk(), "-smp", "1,maxcpus=2,sockets=2",
                            "-m", "256,slots=2,maxmem=1G")
        machine.serial.wait_for(UP)
        agent = machine.agent()

        def memory():
            return int(agent.shell("awk '/MemTotal/ { print $2 }' /proc/meminfo")[0])

        before = memory()
        call = machine.monitor.call
        call("device_add", {"driver": "qemu64-x86_64-cpu", "id": "cpu", "socket-id": 1,
                            "core-id": 0, "thread-id": 0})
        call("object-add", {"qom-type": "memory-backend-ram", "id": "memory", "size": 128 << 20})
        call("device_add", {"driver": "pc-dimm", "id": "dimm", "memdev": "memory"})
        wait_until(lambda: agent.shell("nproc")[0] == "2\n", 20, "second processor")
        wait_until(lambda: memory() > before + 120000, 20, "more memory")


class CloudInitTest(GuestTest):
    def cd(self, image):
        return ["-device", "virtio-scsi-pci,id=cds",
                "-drive", f"if=none,id=cd,media=cdrom,file={image}",
                "-device", "scsi-cd,bus=cds.0,drive=cd"]

    def test_config_drive(self):
        meta_data = {"uuid": "u-1", "hostname": "web1", "name": "web1",
                     "public_keys": ["ssh-rsa AAAA first"]}
        network = {"links": [{"id": "link1", "name": "eth0", "type": "vif"}],
                   "networks": [{"id": "eth0", "link": "link1", "type": "ipv4",
                                 "ip_address": "10.0.2.99", "netmask": "255.255.255.0",
                                 "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0",
                                             "gateway": "10.0.2.2"}]}]}
        image = self.iso("config-2", {"openstack/latest/meta_data.json": json.dumps(meta_data),
                                      "openstack/latest/network_data.json": json.dumps(network),
                                      "openstack/latest/user_data": USER_DATA})
        arguments = [*self.virtio_disk(), *self.cd(image), *NIC]
        machine = self.boot(*arguments)
        machine.serial.wait_for("CLOUD-INIT hostname=web1 first=yes keys=2 commands=3")
        self.assertEqual(machine.serial.wait_for(UP).group(1, 2), ("web1", "10.0.2.99"))
        agent = machine.agent()
        self.assertEqual(agent.shell("cat /data/first")[0], "one\\two")
        self.assertEqual(agent.shell("cat /data/second /data/third")[0], "three four\nweb1\n")
        keys = "cat /run/cloud-init/authorized_keys /root/.ssh/authorized_keys"
        self.assertEqual(agent.shell(keys)[0], 2 * "ssh-rsa AAAA first\nssh-rsa BBBB second\n")
        self.assertTrue(agent.shell("awk -F: '$1 == \"root\" { print $2 }' /etc/shadow")[0]
                        .startswith("$6$"))
        agent.send({"execute": "guest-shutdown"})
        machine.wait_end()
        for arguments in (arguments, self.virtio_disk()):
            again = self.boot(*arguments)
            again.serial.wait_for("CLOUD-INIT hostname=web1 first=no keys=2")
            agent = again.agent()
            self.assertEqual(agent.shell("cat /data/third")[0], "web1\n")
            agent.send({"execute": "guest-shutdown"})
            again.wait_end()

    def test_no_cloud_script(self):
        script = "#!/bin/sh\necho ran as $(id -u) > /data/script\n"
        image = self.iso("cidata", {"meta-data": "instance-id: i-2\nlocal-hostname: db1\n",
                                    "user-data": script})
        machine = self.boot("-drive", f"if=ide,file={self.disk}",
                            "-drive", f"if=ide,media=cdrom,file={image}", machine="pc")
        machine.serial.wait_for("CLOUD-INIT hostname=db1 first=yes keys=0 commands=0")
        self.assertEqual(machine.agent().shell("cat /data/script")[0], "ran as 0\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
