"""What the tests of the storage agent share: the agent as a process, its protocol, checks of files."""
import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

AGENT = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
ZERO = "00000000-0000-0000-0000-000000000000"
MIB = 1 << 20


class CallError(Exception):
    def __init__(self, method, code, message):
        super().__init__("%s: %s %s" % (method, code, message))
        self.code = code
        self.message = message


class Client:
    """The management protocol (STOMP frames around JSON-RPC) on the agent's Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.buffer = b""
        self.events = []
        self.send("CONNECT", {"accept-version": "1.2", "heart-beat": "0,0"})
        self.frame()
        self.send("SUBSCRIBE", {"id": "a", "destination": "answers", "ack": "auto"})
        self.send("SUBSCRIBE", {"id": "e", "destination": "jms.queue.events", "ack": "auto"})

    def close(self):
        self.socket.close()

    def send(self, command, headers, body=b""):
        head = "".join("%s:%s\n" % pair for pair in headers.items())
        self.socket.sendall(("%s\n%s\n" % (command, head)).encode() + body + b"\0")

    def frame(self):
        while b"\0" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the agent closed the connection")
            self.buffer += data
        head, body = self.buffer.lstrip(b"\n").split(b"\n\n", 1)
        headers = dict(line.split(":", 1) for line in head.decode().split("\n")[1:])
        length = int(headers.get("content-length", body.index(b"\0")))
        while len(body) < length + 1:
            body += self.socket.recv(65536)
        self.buffer = body[length + 1:]
        return body[:length]

    def call(self, method, **parameters):
        request = {"jsonrpc": "2.0", "method": method, "params": parameters,
                   "id": str(uuid.uuid4())}
        body = json.dumps(request).encode()
        self.send("SEND", {"destination": "jms.topic.vdsm_requests", "reply-to": "answers",
                           "content-length": str(len(body))}, body)
        while True:
            answer = json.loads(self.frame())
            if "method" in answer:
                self.events.append(answer)
                continue
            assert answer["id"] == request["id"], answer
            if "error" in answer:
                raise CallError(method, answer["error"]["code"], answer["error"]["message"])
            return answer["result"]

    def wait_task(self, task, expected="success", clear=True):
        deadline = time.monotonic() + 60
        while True:
            status = self.call("Task.getStatus", taskID=task)
            if status["taskState"] == "finished":
                break
            if time.monotonic() > deadline:
                raise AssertionError("the task does not end: %s" % status)
            time.sleep(0.01)
        if expected is not None and status["taskResult"] != expected:
            raise AssertionError("wrong result: %s" % status)
        if clear:
            self.call("Task.clear", taskID=task)
        return status

    def wait_job(self, job, expected="done"):
        deadline = time.monotonic() + 60
        while True:
            info = self.call("Host.getJobs", job_ids=[job])[job]
            if info["status"] in ("done", "failed", "aborted"):
                break
            if time.monotonic() > deadline:
                raise AssertionError("the job does not end: %s" % info)
            time.sleep(0.01)
        if info["status"] != expected:
            raise AssertionError("wrong status: %s" % info)
        return info


class Agent:
    """A running agent over a directory; may be killed and started again."""

    def __init__(self, directory, *options):
        self.directory = directory
        self.options = options or ("storage_user=",)
        self.prefix = []  # what starts the agent, for other namespaces
        self.process = None
        self.client = None

    def start(self, crash_after=0):
        environment = dict(os.environ, VIREO_CRASH_AFTER=str(crash_after))
        with open(self.directory + "/agent.log", "ab") as log:
            self.process = subprocess.Popen([*self.prefix, AGENT, self.directory, *self.options], stderr=log,
                                            stdout=subprocess.PIPE, env=environment)
        if self.process.stdout.readline() != b"ready\n":
            raise AssertionError(self.log())
        self.client = Client(self.directory + "/run/agent.sock")
        return self.client

    def arm(self):
        """From now on the changes of the file system are counted."""
        self.process.send_signal(signal.SIGUSR2)

    def kill(self):
        self.process.kill()
        self.ended()

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        code = self.process.wait()
        self.ended()
        if code:
            raise AssertionError("the agent ended with %d: %s" % (code, self.log()[-8000:]))

    def log(self):
        with open(self.directory + "/agent.log", errors="replace") as log:
            return log.read()

    def ended(self):
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        self.client.close()


class StorageTest(unittest.TestCase):
    """An agent over a fresh directory with one place for local storage."""

    options = ("storage_user=",)

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="vireo-storage-")
        os.chmod(self.directory, 0o755)
        self.addCleanup(self.remove_directory)
        self.agent = Agent(self.directory, *self.options)
        self.addCleanup(self.agent.stop)
        self.local = self.directory + "/local"
        os.mkdir(self.local)

    def remove_directory(self):
        shutil.rmtree(self.directory)

    def refused(self, code, method, **parameters):
        with self.assertRaises(CallError) as caught:
            self.agent.client.call(method, **parameters)
        self.assertEqual(caught.exception.code, code, caught.exception.message)
        return caught.exception.message

    def connect(self, path=None, kind=4, **more):
        parameters = dict({"id": str(uuid.uuid4()), "connection": path or self.local}, **more)
        return self.agent.client.call("StoragePool.connectStorageServer", storagepoolID=ZERO,
                                      domainType=kind, connectionParams=[parameters])[0]

    def make_domain(self, path=None, kind=4, **more):
        parameters = dict(dict(storagedomainID=str(uuid.uuid4()), domainType=kind, name="data1",
                               typeArgs=path or self.local, domainClass=1, version="5",
                               blockSize=0, maxHosts=250), **more)
        self.agent.client.call("StorageDomain.create", **parameters)
        return parameters["storagedomainID"]

    def make_pool(self, *domains):
        """A pool with these domains (the first is the master), managed by this host."""
        self.pool = str(uuid.uuid4())
        self.domain = domains[0]
        call = self.agent.client.call
        call("StoragePool.create", storagepoolID=self.pool, name="dc1", masterSdUUID=domains[0],
             masterVersion=1, domainList=list(domains), lockRenewalIntervalSec=5, leaseTimeSec=60,
             ioOpTimeoutSec=10, leaseRetries=3)
        self.connect_pool(*domains)
        self.start_spm()

    def connect_pool(self, *domains):
        self.agent.client.call("StoragePool.connect", storagepoolID=self.pool, hostID=1,
                               scsiKey=self.pool, masterSdUUID=domains[0], masterVersion=1,
                               domainDict={domain: "active" for domain in domains})

    def start_spm(self):
        task = self.agent.client.call("StoragePool.spmStart", storagepoolID=self.pool, prevID=-1,
                                      prevLver="-1", enableScsiFencing="false", maxHostID=250,
                                      domVersion="5")
        self.agent.client.wait_task(task)

    def set_up_pool(self):
        """From nothing to a managed pool with one local domain."""
        self.agent.start()
        self.assertEqual(self.connect()["status"], 0)
        self.make_pool(self.make_domain())

    def path(self, *names, domain=None):
        return os.path.join(self.local, domain or self.domain, *names)

    def create_parameters(self, image=None, volume=None, size=8 * MIB, **more):
        return dict(dict(
            volumeID=volume or str(uuid.uuid4()), storagepoolID=self.pool,
            storagedomainID=self.domain, imageID=image or str(uuid.uuid4()), size=str(size),
            volFormat=5, preallocate=2, diskType="DATA",
            desc='{"DiskAlias":"d1","DiskDescription":""}', srcImgUUID=ZERO, srcVolUUID=ZERO),
            **more)

    def create(self, expected="success", **more):
        parameters = self.create_parameters(**more)
        task = self.agent.client.call("Volume.create", **parameters)
        self.agent.client.wait_task(task, expected)
        return parameters["imageID"], parameters["volumeID"]

    def volume(self, image, volume, **more):
        return dict({"storagepoolID": self.pool, "storagedomainID": self.domain, "imageID": image,
                     "volumeID": volume}, **more)

    def info(self, image, volume):
        return self.agent.client.call("Volume.getInfo", **self.volume(image, volume))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def metadata(path):
    """Key-value lines of a file as a dictionary."""
    lines = read(path).decode().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def body(path):
    """The lines of domain metadata without the seal."""
    return read(path).decode().splitlines()[:-1]


def modes(directory):
    """Permissions of everything below."""
    found = {}
    for parent, directories, files in os.walk(directory):
        for name in directories + files:
            path = os.path.join(parent, name)
            found[os.path.relpath(path, directory)] = stat.S_IMODE(os.stat(path).st_mode)
    return found


def seal_is_right(path):
    lines = read(path).decode().splitlines()
    body = sorted(line for line in lines if not line.startswith("_SHA_CKSUM="))
    plain = "".join(body).encode("ascii", "xmlcharrefreplace")
    return lines[-1] == "_SHA_CKSUM=" + hashlib.sha1(plain).hexdigest() and lines[:-1] == body


def tree(directory):
    """All names below, with sizes and link counts of files."""
    found = {}
    for parent, directories, files in os.walk(directory):
        for name in directories:
            found[os.path.relpath(os.path.join(parent, name), directory)] = "directory"
        for name in files:
            info = os.lstat(os.path.join(parent, name))
            found[os.path.relpath(os.path.join(parent, name), directory)] = (info.st_size,
                                                                             info.st_nlink)
    return found


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
