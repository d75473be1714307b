"""What the tests of the command line share."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from fake_manager import FakeManager, PASSWORD, USER

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
BUILD = pathlib.Path(os.environ.get("VIREO_BUILD", REPOSITORY / "build")).resolve()
TIME_LIMIT = 60  # of one command
PROGRAMS = {}    # path by name, set by main()


def program(name):
    return PROGRAMS.get(name) or BUILD / "cli" / name


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()


class CliTest(unittest.TestCase):
    """A home of its own and the programs."""

    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vireo-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = {
            "HOME": str(self.folder), "PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C.UTF-8",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            **{name: value for name, value in os.environ.items() if name.startswith(("ASAN", "UBSAN",
                                                                                     "TSAN", "LSAN"))},
        }

    def start(self, *words, name="vireo", **more):
        environment = {**self.environment, **more.pop("environment", {})}
        return subprocess.Popen([program(name), *map(str, words)], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                stdin=subprocess.DEVNULL, cwd=self.folder, start_new_session=True,
                                **more)

    def run_program(self, *words, name="vireo", code=0, input="", environment=None):
        # A session of its own: there is no terminal to ask at.
        done = subprocess.run([program(name), *map(str, words)], input=input, text=True,
                              capture_output=True, timeout=TIME_LIMIT, cwd=self.folder,
                              env={**self.environment, **(environment or {})},
                              start_new_session=True)
        self.assertEqual(done.returncode, code,
                         f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}")
        return Result(done)

    def vireo(self, *words, **more):
        return self.run_program(*words, **more)

    def assert_golden(self, name, text):
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDENS"):
            path.write_text(text)
        self.assertEqual(text, path.read_text() if path.exists() else "",
                         f"{path} differs; tests/cli/update-goldens writes it anew")


class ManagerTest(CliTest):
    """The same with a fake manager that vireo is connected to."""

    def setUp(self):
        super().setUp()
        self.manager = FakeManager(self.folder)
        self.addCleanup(self.manager.stop)
        self.connection = self.folder / "connection.json"
        self.connect()
        self.fill()

    def connect(self, **changes):
        content = {"url": self.manager.url + "/ovirt-engine/api", "user": USER,
                   "password": PASSWORD, "ca_file": str(self.manager.ca_file), "ready": True,
                   **changes}
        self.connection.write_text(json.dumps(content))
        self.environment["VIREO_CONNECTION"] = str(self.connection)

    def fill(self):
        add = self.manager.add
        self.center = add("datacenters", id=uuid_of(1), name="Default", status="up", local="false",
                          version={"major": "4", "minor": "7"})
        self.cluster = add("clusters", id=uuid_of(2), name="Default", cpu={"type": ""},
                           data_center={"id": self.center}, version={"major": "4", "minor": "7"})
        self.host = add("hosts", id=uuid_of(3), name="host1", status="up", address="192.0.2.1",
                        cluster={"id": self.cluster}, memory=str(64 << 30),
                        summary={"active": "1"}, spm={"status": "spm"},
                        cpu={"topology": {"sockets": "2", "cores": "8", "threads": "2"}})
        self.storage = add("storagedomains", id=uuid_of(4), name="data", type="data",
                           master="true", available=str(900 << 30), used=str(100 << 30),
                           storage={"type": "nfs", "address": "192.0.2.9", "path": "/export"},
                           data_centers={"data_center": [{"id": self.center}]})
        add(f"datacenters/{self.center}/storagedomains", id=self.storage, name="data",
            status="active")
        self.network = add("networks", id=uuid_of(5), name="ovirtmgmt",
                           data_center={"id": self.center}, mtu="0",
                           usages={"usage": ["management", "vm"]})
        self.profile = add("vnicprofiles", id=uuid_of(6), name="ovirtmgmt",
                           network={"id": self.network}, port_mirroring="false")
        self.vm = self.add_vm("web", id=uuid_of(7), status="up", host={"id": self.host},
                              fqdn="web.example.com")
        self.disk = add("disks", id=uuid_of(8), name="web_Disk1", status="ok", format="cow",
                        content_type="data", provisioned_size=str(10 << 30),
                        actual_size=str(3 << 29), sparse="true",
                        storage_domains={"storage_domain": [{"id": self.storage}]})
        add(f"vms/{self.vm}/diskattachments", id=self.disk, disk={"id": self.disk},
            interface="virtio_scsi", active="true", bootable="true")
        self.nic = add(f"vms/{self.vm}/nics", id=uuid_of(9), name="nic1", interface="virtio",
                       mac={"address": "56:6f:00:00:00:01"}, plugged="true", linked="true",
                       vnic_profile={"id": self.profile})
        add(f"vms/{self.vm}/cdroms", id=uuid_of(0), file={"id": ""})

    def add_vm(self, name, **members):
        return self.manager.add("vms", name=name, **{
            "status": "down", "memory": str(2 << 30), "type": "server",
            "cluster": {"id": self.cluster}, "os": {"type": "other"}, "description": "",
            "creation_time": 1795316940000,
            "cpu": {"topology": {"sockets": "2", "cores": "1", "threads": "1"}}, **members})


def uuid_of(number):
    return f"00000000-0000-0000-0000-{number:012d}"


def main(*names):
    """Paths of the programs come first on the command line, as meson gives them."""
    for name in names:
        if len(sys.argv) > 1 and os.path.exists(sys.argv[1]):
            PROGRAMS[name] = os.path.abspath(sys.argv.pop(1))
    unittest.main(module="__main__", verbosity=2)
