"""What the image tests share: a host program, volumes, tickets, requests. Python 3 only."""
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

MIB = 1024 * 1024
PROGRAM = PROXY = None  # paths of image-host and proxy-host, set by main()
QUIET = not os.environ.get("IMAGE_TEST_LOG")  # the host's log


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes(text):
    """Ids of processes with the text in their arguments."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read()
        except OSError:
            continue
        if text.encode() in arguments and b"qemu-nbd" in arguments:
            found.append(int(pid))
    return found


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited too long")
        time.sleep(0.02)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


class VerbError(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]


class Host:
    """image-host, spoken to over its standard input and output."""

    def __init__(self, directory, port, environment):
        self.directory, self.port, self.count = directory, port, 0
        self.process = subprocess.Popen(
            [PROGRAM, directory, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if QUIET else None, text=True,
            env={**os.environ, **environment})
        if not self.process.stdout.readline():
            raise AssertionError("the host did not start")
        self.answers = {}

    def send(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return self.count

    def receive(self, number):
        while number not in self.answers:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("the host has gone")
            answer = json.loads(line)
            self.answers[answer["id"]] = answer
        answer = self.answers.pop(number)
        if "error" in answer:
            raise VerbError(answer["error"])
        return answer["result"]

    def call(self, method, **parameters):
        return self.receive(self.send(method, **parameters))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.close_pipes()

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    def close_pipes(self):
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


class Volume:
    """A file where the host's storage looks for it."""

    def __init__(self, directory, size, form="raw", backing=None):
        self.domain, self.image, self.volume = (str(uuid.uuid4()) for _ in range(3))
        self.size, self.form = size, form
        folder = os.path.join(directory, self.domain, self.image)
        os.makedirs(folder)
        self.path = os.path.join(folder, self.volume)
        command = ["qemu-img", "create", "-q", "-f", form]
        if backing:
            command += ["-F", backing.form, "-b", backing.path]
        if form == "raw":  # qemu-img would allocate the first block
            with open(self.path, "wb") as file:
                file.truncate(size)
        else:
            subprocess.run(command + [self.path, str(size)], check=True)

    def config(self, **more):
        return {"sd_id": self.domain, "img_id": self.image, "vol_id": self.volume,
                "readonly": False, "discard": True, "detect_zeroes": True, **more}

    def content(self):
        if self.form == "raw":
            with open(self.path, "rb") as file:
                return file.read()
        raw = self.path + ".raw"
        subprocess.run(["qemu-img", "convert", "-U", "-f", self.form, "-O", "raw", self.path, raw],
                       check=True)
        with open(raw, "rb") as file:
            data = file.read()
        os.unlink(raw)
        return data

    def write(self, offset, data):
        """With qemu-io, as a guest would."""
        name = self.path + ".part"
        with open(name, "wb") as file:
            file.write(data)
        subprocess.run(["qemu-io", "-f", self.form, "-c", f"write -s {name} {offset} {len(data)}",
                        self.path], check=True, stdout=subprocess.DEVNULL)
        os.unlink(name)


class ImageTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="vireo-image-")
        self.port = free_port()
        self.host = Host(self.directory, self.port, {})
        self.connections = []

    def tearDown(self):
        for connection in self.connections:
            connection.close()
        if self.host:
            self.assertEqual(self.host.stop(), 0)
        for pid in processes(self.directory):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes(self.directory))
        shutil.rmtree(self.directory)

    def restart(self, **environment):
        self.host.kill()
        self.host = Host(self.directory, self.port, environment)

    def serve(self, volume, **more):
        """Starts an NBD server; returns its id and URL."""
        server = str(uuid.uuid4())
        return server, self.host.call("NBD.start_server", server_id=server,
                                      config=volume.config(**more))

    def ticket(self, url, size, ops=("write",), **more):
        ticket = {"uuid": str(uuid.uuid4()), "url": url, "size": size, "timeout": 300,
                  "ops": list(ops), "sparse": True, **more}
        self.assertIs(self.host.call("Host.add_image_ticket", ticket=ticket), True)
        return ticket["uuid"]

    def info(self, ticket):
        return self.host.call("Host.get_image_ticket", uuid=ticket)

    def prepared(self, size, form="raw", ops=("write",), **more):
        """Volume, NBD server and ticket at once."""
        volume = Volume(self.directory, size, form)
        _, url = self.serve(volume)
        return volume, self.ticket(url, size, ops, **more)

    def context(self):
        return ssl.create_default_context(cafile=os.path.join(self.directory, "ca.pem"))

    def raw_socket(self):
        return self.context().wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), 30), server_hostname="127.0.0.1")

    def connect(self):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(),
                                                 timeout=60)
        self.connections.append(connection)
        return connection

    def request(self, method, path, body=None, connection=None, status=None, **headers):
        """Returns the answer with its body read as .data."""
        connection = connection or self.connect()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=names)
        answer = connection.getresponse()
        answer.data = answer.read()
        if status:
            self.assertEqual(answer.status, status, answer.data)
        return answer

    def put(self, ticket, data, offset=0, query="", **more):
        span = f"bytes {offset}-{offset + len(data) - 1}/*"
        return self.request("PUT", f"/images/{ticket}{query}", data, Content_Range=span, **more)

    def begin_put(self, ticket, size, data, query="", connection=None):
        """A request for the whole size of which the data is sent; returns its connection."""
        connection = connection or self.connect()
        connection.putrequest("PUT", f"/images/{ticket}{query}")
        connection.putheader("Content-Length", str(size))
        connection.endheaders(data)
        return connection

    def put_after_leave(self, raw, ticket, status):
        """A client that asks whether its data would be taken before it sends it."""
        raw.sendall(f"PUT /images/{ticket} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                    "Expect: 100-continue\r\n\r\n".encode())
        if status == 200:
            self.assertTrue(raw.recv(1000).startswith(b"HTTP/1.1 100 "))
            raw.sendall(b"abcd")
        self.assertTrue(raw.recv(1000).startswith(f"HTTP/1.1 {status} ".encode()))

    def move_together(self, ticket, data, callers):
        """Pieces of the data, each put and read again over a connection of its own."""
        step = len(data) // 16

        def move(number):
            first, part = number * step, data[number * step:(number + 1) * step]
            connection = self.connect()
            self.put(ticket, part, first, "?flush=n", connection=connection, status=200)
            answer = self.get(ticket, first, first + step - 1, connection=connection, status=206)
            self.assertEqual(sha256(answer.data), sha256(part))

        with concurrent.futures.ThreadPoolExecutor(callers) as pool:
            list(pool.map(move, range(16)))

    def get(self, ticket, first=None, last=None, **more):
        if first is None:
            return self.request("GET", f"/images/{ticket}", **more)
        span = f"bytes={first}-{'' if last is None else last}"
        return self.request("GET", f"/images/{ticket}", Range=span, **more)

    def patch(self, ticket, message, **more):
        return self.request("PATCH", f"/images/{ticket}", json.dumps(message), **more)

    def extents(self, ticket, context="zero"):
        path = f"/images/{ticket}/extents?context={context}"
        return json.loads(self.request("GET", path, status=200).data)


def main():
    global PROGRAM, PROXY
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} IMAGE-HOST PROXY-HOST [TEST]...")
    PROGRAM, PROXY = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
    unittest.main(module="__main__", verbosity=2)
