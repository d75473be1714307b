#!/usr/bin/env python3
"""The manager's end while something is still under way: it ends soon, in good order."""

import json
import os
import signal
import socket
import ssl
import threading
import unittest
import unittest.mock

import vireo_test
from storage_lab import StorageTest, wait_until

LOGIN = (b"grant_type=password&scope=ovirt-app-api&username=admin%40internal&password=" +
         vireo_test.PASSWORD.replace(" ", "+").encode())


class StopTest(unittest.TestCase):
    def setUp(self):
        # The end waits for nobody: what a late change's owner holds goes with the process.
        options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        with unittest.mock.patch.dict(os.environ, ASAN_OPTIONS=options):
            self.manager = vireo_test.Manager()
        self.addCleanup(self.manager.close)

    def control(self, **call):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(peer.close)
        peer.settimeout(30)
        peer.connect(os.path.join(self.manager.directory, "control"))
        if call:
            peer.sendall(json.dumps(call).encode() + b"\n")
        return peer

    def stop(self):
        self.manager.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.manager.process.wait(15), 0, self.manager.log())

    def test_somebody_on_the_control_socket_says_nothing(self):
        peer = self.control()
        self.manager.control(command="operation-kinds")  # it was accepted before this
        self.stop()
        self.assertEqual(peer.recv(1), b"")

    def test_a_password_is_being_hashed(self):
        peers = [self.control(command="user-add", name=f"user{number}", role="UserRole",
                              password=vireo_test.PASSWORD) for number in range(20)]
        with peers[0].makefile("rb") as answer:
            self.assertTrue(json.loads(answer.readline())["ok"])
        self.stop()  # the others are in all stages
        for peer in peers[1:]:
            with peer.makefile("rb") as answer:
                line = answer.readline()
            self.assertTrue(not line or "ok" in json.loads(line), line)

    def test_clients_have_left_during_their_login(self):
        context = ssl.create_default_context(cadata=self.manager.authority)
        for _ in range(20):
            with socket.create_connection(("localhost", self.manager.port)) as plain:
                client = context.wrap_socket(plain, server_hostname="localhost")
                client.sendall(b"POST /ovirt-engine/sso/oauth/token HTTP/1.1\r\nHost: localhost\r\n"
                               b"Content-Type: application/x-www-form-urlencoded\r\n"
                               b"Accept: application/json\r\nContent-Length: %d\r\n\r\n" %
                               len(LOGIN) + LOGIN)
                client.close()
        self.stop()


class StopWithHostTest(StorageTest):
    def setUp(self):
        options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        with unittest.mock.patch.dict(os.environ, ASAN_OPTIONS=options):
            super().setUp()

    def test_operations_are_under_way(self):
        """Who waits for one is told; after the next start it goes on."""
        domain = self.add_local_domain()
        self.host.faults.silence("Image.create", done=False)
        self.host.faults.silence("Volume.create", done=False)
        answers = []

        def add():
            client = vireo_test.Client(self.manager)
            answers.append(client.json("POST", "/disks?async=false", self.disk_body(domain)))
            client.close()
        waiter = threading.Thread(target=add)
        waiter.start()
        wait_until(lambda: self.host.called("Volume.create"), what="the call")
        self.manager.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.manager.process.wait(30), 0, self.manager.log())
        waiter.join()
        self.assertEqual(answers[0].status, 503, answers[0].body)
        self.manager.start()
        self.wait_host(self.host)
        self.wait_ended()
        self.assertEqual([disk["status"] for disk in self.manager.get("/disks")["disk"]], ["ok"])


if __name__ == "__main__":
    unittest.main()
