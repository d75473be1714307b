#!/usr/bin/env python3
"""Serial consoles through the manager, with a host that behaves and one that doesn't."""

import asyncio
import json
import signal
import socket
import ssl
import unittest

import vireo_test
from fake_host import Connection, FakeHost
from storage_lab import StorageTest, wait_until

AGREED = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
          b"Upgrade: vireo-console\r\n\r\n")
CONNECTED, DISCONNECTED = 167, 168  # events
FLOOD = b"".join(b"%07d\n" % number for number in range(1 << 18))  # more than all buffers hold


class FirstLine:
    """A reader whose first line has been looked at."""

    def __init__(self, line, reader):
        self.line, self.reader = line, reader

    async def readline(self):
        if self.line is not None:
            line, self.line = self.line, None
            return line
        return await self.reader.readline()

    def __getattr__(self, name):
        return getattr(self.reader, name)


class ConsoleHost(FakeHost):
    """`behaviour` is what it does with a console that is asked for: the name of a method."""

    behaviour = "echo"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.heads, self.open = [], 0

    async def _accepted(self, reader, writer):
        line = await reader.readline()
        if not line.startswith(b"GET "):
            await super()._accepted(FirstLine(line, reader), writer)
            return
        connection = Connection(self, reader, writer)
        self.connections.add(connection)
        self.open += 1
        try:
            self.heads.append((line + await reader.readuntil(b"\r\n\r\n")).decode())
            await getattr(self, self.behaviour)(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self.connections.discard(connection)
            writer.transport.abort()

    async def echo(self, reader, writer):
        """The first bytes come together with the head."""
        writer.write(AGREED + b"login: ")
        while data := await reader.read(65536):
            writer.write(data.upper())
            await writer.drain()

    async def silent(self, reader, _):
        await reader.read()

    async def flood(self, reader, writer):
        writer.write(AGREED + FLOOD)
        await writer.drain()
        await reader.read()

    async def answer(self, writer, data):
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def refuse(self, _, writer):
        body = json.dumps({"reason": "Operation Failed", "detail": "The line is cut."})
        await self.answer(writer, b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" %
                          (len(body), body.encode()))

    async def refuse_bare(self, _, writer):
        await self.answer(writer, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    async def refuse_endless(self, _, writer):
        writer.write(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async def nonsense(self, _, writer):
        await self.answer(writer, b"SSH-2.0-OpenSSH_9\r\n\r\n")

    async def half(self, _, writer):
        await self.answer(writer, AGREED[:20])

    async def cut(self, _, writer):
        writer.transport.abort()


class Console:
    """A client's raw connection."""

    def __init__(self, manager, vm, token, upgrade=True, more=b"", path=None):
        context = ssl.create_default_context(cadata=manager.authority)
        plain = socket.create_connection(("localhost", manager.port), timeout=30)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        lines = [f"GET {path or f'/vireo/console/{vm}/serial'} HTTP/1.1", "Host: localhost"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += ["Connection: Upgrade", "Upgrade: vireo-console"] if upgrade else []
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode() + more)
        self.data = b""

    def read(self, wanted):
        """What comes up to and with `wanted`."""
        while wanted not in self.data:
            got = self.socket.recv(65536)
            if not got:
                raise AssertionError(f"it ended: {self.data!r}")
            self.data += got
        end = self.data.index(wanted) + len(wanted)
        found, self.data = self.data[:end], self.data[end:]
        return found

    def rest(self):
        """All to the end, which may come roughly."""
        try:
            while got := self.socket.recv(65536):
                self.data += got
        except (ConnectionError, ssl.SSLError):
            pass
        return self.data

    def answer(self):
        head = self.read(b"\r\n\r\n").decode()
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        while len(self.data) < length:
            self.data += self.socket.recv(65536)
        return int(head.split()[1]), json.loads(self.data[:length])["detail"]

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class SerialConsoleTest(StorageTest):
    def setUp(self):
        super().setUp()
        self.vm = self.make_vm("web")
        self.manager.post(f"/vms/{self.vm}/start")
        wait_until(lambda: self.manager.get(f"/vms/{self.vm}")["status"] == "up", what="VM up")
        self.token = self.manager.token

    def add_host(self, name):
        host = ConsoleHost(name, self.storage)
        self.addCleanup(host.close)
        host.enrol(self.manager).start()
        self.hosts.append(host)
        self.wait_host(host)
        return host

    def make_vm(self, name):
        domain = self.add_local_domain()
        vm = self.manager.post("/vms", {"name": name, "cluster": {"name": "Default"},
                                        "template": {"name": "Blank"}, "memory": str(1 << 28)})
        self.manager.post(f"/vms/{vm['id']}/diskattachments", {
            "active": "true", "interface": "virtio", "bootable": "true",
            "disk": {"id": self.add_disk(domain)}})
        self.wait_ended()
        return vm["id"]

    def console(self, **more):
        return Console(self.manager, more.pop("vm", self.vm), more.pop("token", self.token), **more)

    def refused(self, status, *words, behaviour="echo", **more):
        self.host.behaviour = behaviour
        with self.console(**more) as console:
            code, detail = console.answer()
        self.assertEqual(code, status, detail)
        for word in words:
            self.assertIn(word, detail)

    def wait_hung_up(self):
        wait_until(lambda: not self.host.open, what="the host's console closed")

    def test_bytes_go_both_ways(self):
        with self.console(more=b"early ") as console:
            self.assertIn(b" 101 ", console.read(b"\r\n\r\n"))
            console.read(b"login: ")
            console.send(b"late")
            console.read(b"EARLY LATE")
        self.assertIn("Vireo-Viewer: admin@internal at 127.0.0.1", self.host.heads[-1])
        self.wait_hung_up()
        wait_until(lambda: DISCONNECTED in self.event_codes(), what="the event of the end")
        self.assertEqual(self.event_codes().count(CONNECTED), 1)

    def test_what_is_refused(self):
        answer = self.manager.control(command="user-add", name="reader",
                                      password=vireo_test.PASSWORD, role="ReadOnlyAdmin")
        self.assertTrue(answer["ok"], answer)
        reader = vireo_test.Client(self.manager, "reader@internal")
        self.addCleanup(reader.close)
        self.refused(401, "login", token=None)
        self.refused(403, "reader@internal", token=reader.token)
        self.refused(404, vireo_test.NOBODY, vm=vireo_test.NOBODY)
        self.refused(404, "VMID", path="/vireo/console/")
        self.refused(404, "VMID", path=f"/vireo/console/{self.vm}/serial/x")
        self.refused(400, "Upgrade", upgrade=False)
        for behaviour, word in (("refuse", "The line is cut."), ("refuse_bare", "status 503"),
                                ("refuse_endless", "status 500"), ("nonsense", "web"),
                                ("half", "web"), ("cut", "web")):
            with self.subTest(behaviour):
                self.refused(409, word, behaviour=behaviour)
                self.wait_hung_up()
        self.manager.post(f"/vms/{self.vm}/stop")
        wait_until(lambda: self.manager.get(f"/vms/{self.vm}")["status"] == "down", what="VM down")
        self.refused(409, "web is down")
        self.assertNotIn(CONNECTED, self.event_codes())

    def test_clients_that_leave_early(self):
        for behaviour in ("silent", "flood", "refuse", "echo"):
            with self.subTest(behaviour):
                self.host.behaviour = behaviour
                before = len(self.host.heads)
                console = self.console()
                wait_until(lambda: len(self.host.heads) > before, what="the host asked")
                console.close()
                self.wait_hung_up()
        with self.console() as console:
            console.close()
        self.assertTrue(self.manager.get("/vms"))

    def test_a_client_that_reads_slowly_gets_everything(self):
        self.host.behaviour = "flood"
        with self.console() as console:
            console.read(b"\r\n\r\n")
            self.assertTrue(self.manager.get("/vms"))  # meanwhile the manager serves others
            console.read(FLOOD[-8:])
            console.close()
        self.wait_hung_up()

    def test_the_host_dies(self):
        with self.console() as console:
            console.read(b"login: ")
            self.host.kill()
            told = b"\r\n[vireo: The connection to the host broke.]\r\n"
            self.assertIn(console.rest(), (b"", told))  # a reset is told, an end is one
        wait_until(lambda: DISCONNECTED in self.event_codes(), what="the event of the end")

    def test_the_login_ends(self):
        user = vireo_test.Client(self.manager)
        with self.console(token=user.token) as console:
            console.read(b"login: ")
            user.send("POST", "/ovirt-engine/sso/oauth/revoke",
                      f"token={user.token}&scope=", {
                          "Content-Type": "application/x-www-form-urlencoded",
                          "Accept": "application/json"})
            self.assertIn(b"The login has ended.", console.rest())
        user.close()
        self.wait_hung_up()

    def test_the_manager_stops(self):
        with self.console() as console:
            console.read(b"login: ")
            self.host.behaviour = "silent"
            with self.console() as waiting:
                wait_until(lambda: len(self.host.heads) == 2, what="the host asked")
                self.manager.process.send_signal(signal.SIGTERM)
                self.assertIn(b"The manager stops.", console.rest())
                waiting.rest()
        self.assertEqual(self.manager.process.wait(20), 0)


if __name__ == "__main__":
    unittest.main()
