"""The manager's image proxy: in front of a real image server, and of hosts that misbehave."""
import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import uuid

import image_lab
from image_lab import MIB, ImageTest, free_port, noise, sha256, wait_until

SIZE = 16 * MIB


class ProxyTest(ImageTest):
    """self.port is the proxy's, self.host_port the host's."""

    def setUp(self):
        super().setUp()
        self.host_port, self.port = self.port, free_port()
        self.targets = {}
        self.write_targets()
        self.proxy = subprocess.Popen(
            [image_lab.PROXY, self.directory, str(self.port)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if image_lab.QUIET else None)
        self.assertEqual(self.proxy.stdout.readline(), b"ready\n")

    def tearDown(self):
        for connection in self.connections:
            connection.close()
        self.proxy.stdin.close()
        code = self.proxy.wait(30)
        self.proxy.stdout.close()
        super().tearDown()
        self.assertEqual(code, 0)

    def write_targets(self):
        name = self.directory + "/targets"
        with open(name + ".new", "w", encoding="ascii") as file:
            for ticket, port in self.targets.items():
                file.write(f"{ticket} 127.0.0.1 {port}\n")
        os.rename(name + ".new", name)

    def target(self, ticket, port=None):
        self.targets[ticket] = port or self.host_port
        self.write_targets()
        return ticket

    def prepared(self, *arguments, **more):
        volume, ticket = super().prepared(*arguments, **more)
        return volume, self.target(ticket)

    def memory(self):
        with open(f"/proc/{self.proxy.pid}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) * 1024


class Relayed(ProxyTest):
    def test_whole_images(self):
        data = noise(SIZE)
        for form in ("raw", "qcow2"):
            with self.subTest(form=form):
                volume, ticket = self.prepared(SIZE, form, ("read", "write"))
                self.request("PUT", f"/images/{ticket}", data, status=200)
                self.assertEqual(sha256(volume.content()), sha256(data))
                answer = self.get(ticket, status=200)
                self.assertEqual(answer.headers["Content-Type"], "application/octet-stream")
                self.assertEqual(sha256(answer.data), sha256(data))

    def test_every_kind_of_request_on_one_connection(self):
        volume, ticket = self.prepared(SIZE)
        connection = self.connect()
        options = self.request("OPTIONS", f"/images/{ticket}", connection=connection, status=200)
        self.assertEqual(json.loads(options.data)["max_writers"], 8)
        self.assertEqual(options.headers["Allow"], "OPTIONS,GET,HEAD,PUT,PATCH")
        self.put(ticket, noise(MIB), MIB, "?flush=n", connection=connection, status=200)
        self.patch(ticket, {"op": "zero", "offset": MIB + 4096, "size": 4096},
                   connection=connection, status=200)
        self.patch(ticket, {"op": "flush"}, connection=connection, status=200)
        answer = self.get(ticket, MIB, 2 * MIB - 1, connection=connection, status=206)
        expected = noise(MIB)[:4096] + bytes(4096) + noise(MIB)[8192:]
        self.assertEqual(sha256(answer.data), sha256(expected))
        self.assertEqual(answer.headers["Content-Range"], f"bytes {MIB}-{2 * MIB - 1}/{SIZE}")
        head = self.request("HEAD", f"/images/{ticket}", connection=connection, status=200)
        self.assertEqual(head.headers["Content-Length"], str(SIZE))
        self.request("GET", f"/images/{ticket}/checksum", connection=connection, status=200)
        answer = self.get(ticket, SIZE, connection=connection, status=416)
        self.assertEqual(answer.headers["Content-Range"], f"bytes */{SIZE}")
        self.request("DELETE", f"/images/{ticket}", connection=connection, status=405)
        pieces = (noise(100000, seed) for seed in range(20))
        self.request("PUT", f"/images/{ticket}", pieces, connection=connection, status=200)
        self.assertEqual(volume.content()[:100000], noise(100000, 0))
        self.assertEqual(volume.content()[1900000:2000000], noise(100000, 19))

    def test_answers_without_length(self):
        size = 3 * 1024 * MIB
        volume, ticket = self.prepared(size)
        with open(volume.path, "r+b") as file:
            for at in range(0, 4096 * 65536, 65536):
                os.pwrite(file.fileno(), b"x" * 4096, at)
        answer = self.request("GET", f"/images/{ticket}/extents", status=200)
        self.assertEqual(answer.headers["Transfer-Encoding"], "chunked")
        self.assertEqual(sum(e["length"] for e in json.loads(answer.data)), size)

    def test_several_connections(self):
        data = noise(2 * SIZE)
        volume, ticket = self.prepared(len(data))
        self.move_together(ticket, data, 8)
        self.assertEqual(sha256(volume.content()), sha256(data))

    def test_client_that_asks_before_it_sends(self):
        ticket = self.prepared(SIZE)[1]
        with self.raw_socket() as raw:
            self.put_after_leave(raw, ticket, 200)

    def test_browsers(self):
        ticket = self.prepared(SIZE)[1]
        answer = self.request("OPTIONS", f"/images/{ticket}", Origin="https://a", status=204,
                              Access_Control_Request_Method="PUT",
                              Access_Control_Request_Headers="content-range")
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(answer.headers["Access-Control-Allow-Headers"], "*")
        self.assertIn("PUT", answer.headers["Access-Control-Allow-Methods"])
        answer = self.get(ticket, 0, 1, Origin="https://a", status=206)
        self.assertEqual(answer.headers.get_all("Access-Control-Allow-Origin"), ["*"])
        self.request("GET", "/info/", Origin="https://a", status=200)
        self.request("OPTIONS", "/images/*", status=200)

    def test_unknown_and_refused(self):
        self.get(str(uuid.uuid4()), status=404)
        self.request("GET", "/elsewhere", status=404)
        self.get(self.target(str(uuid.uuid4())), status=403)
        self.get(self.target(str(uuid.uuid4()), free_port()), status=502)
        # Early answers while the client is still sending.
        self.put(self.target(str(uuid.uuid4())), bytes(32 * MIB), status=403)


class Deaths(ProxyTest):
    def test_ticket_removed_under_way(self):
        ticket = self.prepared(SIZE)[1]
        connection = self.begin_put(ticket, SIZE, bytes(MIB))
        wait_until(lambda: self.info(ticket)["transferred"] == MIB)
        self.targets.clear()
        self.write_targets()
        self.assertEqual(connection.getresponse().status, 404)
        wait_until(lambda: not self.info(ticket)["active"])

    def test_client_dies(self):
        ticket = self.prepared(SIZE)[1]
        connection = self.begin_put(ticket, SIZE, bytes(MIB))
        wait_until(lambda: self.info(ticket)["active"])
        connection.close()
        wait_until(lambda: not self.info(ticket)["active"])

    def test_host_dies(self):
        ticket = self.prepared(256 * MIB)[1]
        download, upload = self.connect(), self.connect()
        download.request("GET", f"/images/{ticket}")
        answer = download.getresponse()
        answer.read(MIB)
        self.begin_put(ticket, SIZE, bytes(MIB), connection=upload)
        wait_until(lambda: self.info(ticket)["active"])
        self.restart_host()
        self.assertEqual(upload.getresponse().status, 502)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError, ssl.SSLError)):
            answer.read()
        self.put(ticket, noise(MIB), status=200)

    def restart_host(self):
        self.host.kill()
        self.host = image_lab.Host(self.directory, self.host_port, {})

    def test_kept_connection_that_the_host_has_closed(self):
        ticket = self.prepared(SIZE)[1]
        connection = self.connect()
        self.get(ticket, 0, 1, connection=connection, status=206)
        self.restart_host()
        self.get(ticket, 0, 1, connection=connection, status=206)

    def test_slow_client_costs_no_memory(self):
        ticket = self.prepared(512 * MIB)[1]
        before = self.memory()
        connections = [self.connect() for _ in range(4)]
        for connection in connections:
            connection.request("GET", f"/images/{ticket}")
            connection.getresponse().read(MIB)
        time.sleep(1)
        self.assertLess(self.memory() - before, 256 * MIB)  # of 2 GiB; sanitizers keep much


class OddHost(threading.Thread):
    """Answers each connection with what it was given, byte for byte."""

    def __init__(self, directory, answers):
        super().__init__(daemon=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory + "/cert.pem", directory + "/key.pem")
        self.socket = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.port = self.socket.getsockname()[1]
        self.answers = list(answers)
        self.requests = []
        self.start()

    def run(self):
        while self.answers:
            try:
                client, _ = self.socket.accept()
            except ssl.SSLError:  # the proxy doesn't trust it
                break
            with client:
                answers = self.answers.pop(0)
                for answer in answers:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        part = client.recv(65536)
                        if not part:
                            break
                        request += part
                    self.requests.append(request)
                    client.sendall(answer)
                try:
                    client.unwrap()
                except OSError:
                    pass
        self.socket.close()


class OddHosts(ProxyTest):
    def odd(self, *answers):
        """Each argument is one connection: an answer, or a list of them."""
        lists = [[answer] if isinstance(answer, bytes) else answer for answer in answers]
        self.odd_host = OddHost(self.directory, lists)
        return self.target(str(uuid.uuid4()), self.odd_host.port)

    def test_body_up_to_the_end_of_the_connection(self):
        ticket = self.odd(b"HTTP/1.0 200 OK\r\nServer: odd\r\n\r\nhello")
        answer = self.get(ticket, status=200)
        self.assertEqual((answer.data, answer.headers["Server"]), (b"hello", "odd"))

    def test_interim_answers_are_left_out(self):
        ticket = self.odd(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n"
                          b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.assertEqual(self.get(ticket, status=200).data, b"ok")

    def test_chunks_with_trailer(self):
        ticket = self.odd(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"3;x=y\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n")
        self.assertEqual(self.get(ticket, status=200).data, b"abc0123456789")

    def test_hop_by_hop_headers_stay(self):
        ticket = self.odd(b"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: 1\r\nX-Own: 1\r\n"
                          b"Upgrade: h2c\r\nContent-Length: 0\r\n\r\n")
        connection = self.connect()
        answer = self.get(ticket, connection=connection, status=200, Connection="keep-alive, x",
                          Keep_Alive="5", X_Mine="2")
        self.assertEqual(answer.headers["X-Own"], "1")
        self.assertFalse({"Upgrade", "Keep-Alive", "Connection"} & set(answer.headers))
        request = self.odd_host.requests[0].decode()
        self.assertIn("\r\nX-Mine: 2\r\n", request)
        self.assertIn(f"\r\nHost: 127.0.0.1:{self.odd_host.port}\r\n", request)
        self.assertNotIn("eep-", request)

    def test_nonsense(self):
        for answer in (b"nonsense\r\n\r\n", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n",
                       b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", b"HTTP/1.1 099 No\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n", b"HTTP/1.1 101 Up\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10000, b""):
            with self.subTest(answer=answer[:60]):
                self.get(self.odd(answer), status=502)

    def test_broken_bodies_are_not_taken_for_complete(self):
        for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"):
            with self.subTest(answer=answer):
                with self.assertRaises((http.client.HTTPException, ConnectionError, ssl.SSLError)):
                    self.get(self.odd(answer))

    def test_a_lost_kept_connection_is_tried_again(self):
        good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        ticket = self.odd([good, b""], good)
        self.assertEqual(self.get(ticket, status=200).data, b"ok")
        self.assertEqual(self.get(ticket, status=200).data, b"ok")
        self.assertEqual(len(self.odd_host.requests), 3)

    def test_certificate_of_somebody_else(self):
        other = self.directory + "/other"
        os.makedirs(other)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", other + "/key.pem",
                        "-out", other + "/cert.pem"], check=True, capture_output=True)
        host = OddHost(other, [[b"HTTP/1.1 200 OK\r\n\r\n"]])
        answer = self.get(self.target(str(uuid.uuid4()), host.port), status=502)
        self.assertIn(b"TLS", answer.data)


if __name__ == "__main__":
    image_lab.main()
