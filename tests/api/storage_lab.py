"""A manager of its own with fake hosts, for tests of storage."""

import contextlib
import http.client
import json
import os
import sqlite3
import ssl
import time
import unittest
import urllib.parse

import vireo_test
from fake_host import FakeHost, FakeStorage

GIB = 1 << 30


class ApiError(Exception):
    def __init__(self, answer):
        super().__init__(f"{answer.status}: {answer.body[:600]!r}")
        fault = json.loads(answer.body) if answer.body[:1] == b"{" else {}
        fault = fault.get("fault", fault)
        self.code = answer.status
        self.reason, self.detail = fault.get("reason", ""), fault.get("detail", "")


def wait_until(condition, seconds=30, what="the condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")


class Manager(vireo_test.Manager):
    """A manager that may be killed at a crash point, and a client that survives that."""

    def __init__(self, **options):
        self.client = None
        self.context = ssl._create_unverified_context()  # of fake hosts that enrol
        super().__init__(**{"proxy_port": 0, "host_poll_seconds": 1, **options})

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    @property
    def token(self):
        self.call("GET", "")
        return self.client.token

    def start(self):
        self.environment = {"VIREO_CRASH_AT": "@" + os.path.join(self.directory, "crash-at")}
        super().start()
        self.forget_client()
        return self

    def crash_at(self, point):
        """It kills itself there from now on: "operation/KIND/STEP/before"; "" is nowhere."""
        with open(os.path.join(self.directory, "crash-at"), "w", encoding="utf-8") as file:
            file.write(point)

    def forget_client(self):
        if self.client:
            self.client.close()
        self.client = None

    def close(self):
        if self.process.poll() is not None:
            self.start()
        if os.environ.get("VIREO_SHOW_LOG"):
            print(self.log())
        self.forget_client()
        super().close()

    def call(self, method, path, body=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        try:
            if not self.client:
                self.client = vireo_test.Client(self)
            answer = self.client.json(method, path, body)
        except (http.client.HTTPException, OSError):
            self.forget_client()
            raise
        if answer.status >= 400:
            raise ApiError(answer)
        return json.loads(answer.body) if answer.body else {}

    def get(self, path, **query):
        return self.call("GET", path, **query)

    def post(self, path, body=None, **query):
        return self.call("POST", path, body if body is not None else {}, **query)

    def put(self, path, body, **query):
        return self.call("PUT", path, body, **query)

    def delete(self, path, **query):
        return self.call("DELETE", path, **query)

    def gone(self, path):
        try:
            self.get(path)
        except ApiError as error:
            if error.code == 404:
                return True
            raise
        return False


class StorageTest(unittest.TestCase):
    """Each test has a manager whose Default data center is local, with one fake host."""

    local = True
    host_count = 1
    options = {}
    host_options = {}

    def setUp(self):
        self.manager = Manager(**self.options)
        self.addCleanup(self.manager.close)
        self.storage = FakeStorage()
        self.hosts = []
        self.find_data_center()
        for number in range(self.host_count):
            self.add_host(f"host{number + 1}")
        self.host = self.hosts[0] if self.hosts else None

    @property
    def store(self):
        return os.path.join(self.manager.directory, "state", "store.db")

    def event_codes(self):
        """Oldest first."""
        events = self.manager.get("/events", max=1000).get("event", [])
        return [int(event["code"]) for event in reversed(events)]

    def find_data_center(self):
        self.manager.stop()
        with contextlib.closing(sqlite3.connect(self.store)) as database, database:
            (self.data_center,), = database.execute(
                "SELECT id FROM entity WHERE kind = 'data_center'")
            if self.local:
                database.execute("UPDATE entity SET document = json_set(document, '$.local', "
                                 "json('true')) WHERE kind = 'data_center'")
        self.manager.start()

    def add_host(self, name):
        host = FakeHost(name, self.storage, **self.host_options)
        self.addCleanup(host.close)
        host.enrol(self.manager).start()
        self.hosts.append(host)
        self.wait_host(host)
        return host

    def wait_host(self, host, status="up"):
        wait_until(lambda: self.manager.get(f"/hosts/{host.id}")["status"] == status,
                   what=f"host {host.name} {status}")

    # ---- storage domains

    def attached(self, domain=""):
        return f"/datacenters/{self.data_center}/storagedomains/{domain}".rstrip("/")

    def domain_status(self, domain):
        return self.manager.get(self.attached(domain))["status"]

    def wait_domain(self, domain, status="active"):
        return wait_until(lambda: self.domain_status(domain) == status,
                          what=f"storage domain {status}")

    def add_local_domain(self, name="local1", path="/storage/local1", **more):
        """Local domains are attached by their creation."""
        self.storage.serve(path)
        domain = self.manager.post("/storagedomains", {
            "name": name, "type": "data", "host": {"name": self.host.name},
            "storage": {"type": "localfs", "path": path}, **more})
        self.wait_domain(domain["id"])
        return domain["id"]

    def add_posix_domain(self, name, path=None, attach=True):
        path = self.storage.serve(path or f"/storage/{name}")
        domain = self.manager.post("/storagedomains", {
            "name": name, "type": "data", "host": {"name": self.host.name},
            "storage": {"type": "posixfs", "path": path, "vfs_type": "nfs"}})["id"]
        if attach:
            self.attach(domain)
        return domain

    def attach(self, domain):
        self.manager.post(self.attached(), {"id": domain})
        self.wait_domain(domain)

    # ---- disks

    def disk_body(self, domain, **more):
        return {"name": "disk1", "provisioned_size": str(GIB), "format": "cow", "sparse": "true",
                "storage_domains": {"storage_domain": [{"id": domain}]}, **more}

    def add_disk(self, domain, wait=True, **more):
        disk = self.manager.post("/disks", self.disk_body(domain, **more))
        if wait:
            self.wait_disk(disk["id"])
        return disk["id"]

    def disk(self, disk):
        return self.manager.get(f"/disks/{disk}")

    def wait_disk(self, disk, status="ok"):
        return wait_until(lambda: self.disk(disk)["status"] == status, what=f"disk {status}")

    def wait_gone(self, path):
        wait_until(lambda: self.manager.gone(path), what=f"{path} gone")

    # ---- ends

    def running_jobs(self):
        return [job for job in self.manager.get("/jobs").get("job", [])
                if job["status"] == "started"]

    def wait_ended(self, seconds=30):
        """No operation runs any more."""
        wait_until(lambda: not self.running_jobs(), seconds, "the end of all operations")

    def wait_idle(self):
        """No storage task is left on any host."""
        for host in self.hosts:
            wait_until(lambda host=host: not host.tasks, 90, f"tasks of {host.name} cleared")

    def images(self, domain):
        return self.storage.domain(domain).images


class SharedStorageTest(vireo_test.ApiTest):
    """The same, as `lab`, for all tests of a class that ask by vireo_test's client."""

    @classmethod
    def setUpClass(cls):
        cls.clients = []
        cls.lab = StorageTest()
        try:
            cls.lab.setUp()
            cls.manager = cls.lab.manager
            cls.admin = cls.client()
            cls.prepare()
        except BaseException:
            cls.lab.doCleanups()
            raise

    @classmethod
    def tearDownClass(cls):
        for client in cls.clients:
            client.close()
        cls.lab.doCleanups()

    @classmethod
    def prepare(cls):
        """What the tests find there."""
