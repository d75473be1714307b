"""The image server's protocol, end to end: real TLS, real qemu-nbd, raw and qcow2 files."""
import hashlib
import json
import os
import random
import time
import uuid

import image_lab
from image_lab import MIB, ImageTest, VerbError, Volume, noise, sha256, wait_until

SIZE = 8 * MIB


def block_checksum(data, block=4 * MIB, algorithm=lambda b: hashlib.blake2b(b, digest_size=32)):
    outer = algorithm(b"")
    for at in range(0, len(data), block):
        outer.update(algorithm(data[at:at + block]).digest())
    return outer.hexdigest()


class Options(ImageTest):
    def test_what_the_server_can_do(self):
        answer = self.request("OPTIONS", "/images/*", status=200)
        options = json.loads(answer.data)
        self.assertEqual(set(options["features"]), {"checksum", "extents", "flush", "zero"})
        self.assertIsNone(options["unix_socket"])
        self.assertNotIn("max_readers", options)
        self.assertEqual(answer.headers["Content-Type"], "application/json")

    def test_what_a_ticket_allows(self):
        _, url = self.serve(Volume(self.directory, SIZE))
        answer = self.request("OPTIONS", f"/images/{self.ticket(url, SIZE)}", status=200)
        options = json.loads(answer.data)
        self.assertEqual((options["max_readers"], options["max_writers"]), (8, 8))
        self.assertEqual(answer.headers["Allow"], "OPTIONS,GET,HEAD,PUT,PATCH")
        answer = self.request("OPTIONS", f"/images/{self.ticket(url, SIZE, ['read'])}", status=200)
        self.assertEqual(set(json.loads(answer.data)["features"]), {"checksum", "extents"})
        self.assertEqual(answer.headers["Allow"], "OPTIONS,GET,HEAD")

    def test_information_without_ticket(self):
        self.assertIn("version", json.loads(self.request("GET", "/info/", status=200).data))
        path = f"/images/{uuid.uuid4()}/checksum/algorithms"
        self.assertIn("blake2b", json.loads(self.request("GET", path, status=200).data)["algorithms"])

    def test_browsers_are_let_in(self):
        ticket = self.prepared(SIZE)[1]
        answer = self.request("OPTIONS", f"/images/{ticket}", status=200, Origin="https://a",
                              Access_Control_Request_Method="PUT",
                              Access_Control_Request_Headers="content-range")
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(answer.headers["Access-Control-Allow-Headers"], "*")
        self.assertIn("PUT", answer.headers["Access-Control-Allow-Methods"])
        self.assertNotIn("Access-Control-Allow-Origin", self.get(ticket, 0, 1).headers)
        self.assertEqual(self.get(ticket, 0, 1, Origin="https://a")
                         .headers["Access-Control-Allow-Origin"], "*")


class Transfer(ImageTest):
    def test_whole_images(self):
        data = noise(SIZE)
        for form in ("raw", "qcow2"):
            with self.subTest(form=form):
                volume, ticket = self.prepared(SIZE, form, ("read", "write"))
                self.request("PUT", f"/images/{ticket}", data, status=200)
                self.assertEqual(sha256(volume.content()), sha256(data))
                answer = self.get(ticket, status=200)
                self.assertEqual(sha256(answer.data), sha256(data))
                self.assertEqual(answer.headers["Content-Type"], "application/octet-stream")
                self.assertEqual(answer.headers["Content-Disposition"], "attachment")

    def test_pieces_at_any_offset(self):
        volume, ticket = self.prepared(SIZE)
        expected = bytearray(SIZE)
        connection = self.connect()
        chance = random.Random(7)
        for seed in range(60):
            length = chance.choice((1, 511, 4096, 65537, 512 * 1024, 1024 * 1024 + 3))
            offset = chance.randrange(SIZE - length)
            data = noise(length, seed)
            expected[offset:offset + length] = data
            self.put(ticket, data, offset, "?flush=n", connection=connection, status=200)
            first = chance.randrange(SIZE)
            last = min(SIZE - 1, first + chance.randrange(2 * MIB))
            answer = self.get(ticket, first, last, connection=connection, status=206)
            self.assertEqual(answer.headers["Content-Range"], f"bytes {first}-{last}/{SIZE}")
            self.assertEqual(sha256(answer.data), sha256(expected[first:last + 1]))
        self.patch(ticket, {"op": "flush"}, connection=connection, status=200)
        self.assertEqual(sha256(volume.content()), sha256(expected))

    def test_open_and_last_ranges(self):
        data = noise(SIZE)
        ticket = self.prepared(SIZE)[1]
        self.put(ticket, data, status=200)
        self.assertEqual(self.get(ticket, SIZE - 10, status=206).data, data[-10:])
        answer = self.request("GET", f"/images/{ticket}", status=206, Range="bytes=-5")
        self.assertEqual(answer.data, data[-5:])

    def test_head_has_no_body(self):
        ticket = self.prepared(SIZE)[1]
        connection = self.connect()
        answer = self.request("HEAD", f"/images/{ticket}", connection=connection, status=200)
        self.assertEqual(answer.headers["Content-Length"], str(SIZE))
        self.assertEqual(answer.data, b"")
        answer = self.request("HEAD", f"/images/{ticket}", connection=connection, status=206,
                              Range="bytes=0-9")
        self.assertEqual(answer.headers["Content-Length"], "10")
        self.get(ticket, 0, 9, connection=connection, status=206)

    def test_chunked_body(self):
        volume, ticket = self.prepared(SIZE)
        data = noise(3 * MIB + 17)
        pieces = (data[at:at + 100001] for at in range(0, len(data), 100001))
        self.request("PUT", f"/images/{ticket}", pieces, status=200,
                     Content_Range=f"bytes 4096-{4095 + len(data)}/*")
        self.assertEqual(sha256(volume.content()[4096:4096 + len(data)]), sha256(data))

    def test_nothing_is_a_body_too(self):
        ticket = self.prepared(SIZE)[1]
        self.request("PUT", f"/images/{ticket}", b"", status=200)
        self.request("PUT", f"/images/{ticket}", iter(()), status=200)
        self.assertEqual(self.info(ticket)["transferred"], 0)

    def test_several_connections(self):
        data = noise(4 * SIZE)
        volume, ticket = self.prepared(len(data), "qcow2")
        self.move_together(ticket, data, 16)
        # More clients than NBD connections: they share.
        self.assertLessEqual(self.info(ticket)["connections"], 8)
        self.patch(ticket, {"op": "flush"}, status=200)
        self.assertEqual(sha256(volume.content()), sha256(data))

    def test_two_tickets_do_not_mix(self):
        one, first = self.prepared(SIZE)
        two, second = self.prepared(SIZE)
        connection = self.connect()
        self.put(first, noise(MIB, 1), connection=connection, status=200)
        self.put(second, noise(MIB, 2), connection=connection, status=200)
        self.assertEqual(one.content()[:MIB], noise(MIB, 1))
        self.assertEqual(two.content()[:MIB], noise(MIB, 2))

    def test_client_that_asks_before_it_sends(self):
        ticket = self.prepared(SIZE)[1]
        with self.raw_socket() as raw:
            self.put_after_leave(raw, ticket, 200)
            self.put_after_leave(raw, uuid.uuid4(), 403)

    def test_connections_are_kept_or_closed_as_asked(self):
        ticket = self.prepared(SIZE)[1]
        connection = self.connect()
        self.put(ticket, b"abc", connection=connection, status=200)
        local = connection.sock.getsockname()
        self.put(ticket, b"abc", connection=connection, status=200)
        self.assertEqual(connection.sock.getsockname(), local)
        answer = self.put(ticket, b"abc", 0, "?close=y", connection=connection, status=200)
        self.assertEqual(answer.headers["Connection"], "close")
        self.assertIsNone(connection.sock)

    def test_file_name_for_browsers(self):
        _, url = self.serve(Volume(self.directory, SIZE))
        ticket = self.ticket(url, SIZE, ["read"], filename="disk.raw")
        self.assertEqual(self.get(ticket, 0, 1, status=206).headers["Content-Disposition"],
                         'attachment; filename="disk.raw"')


class Zero(ImageTest):
    def test_zeroing_gives_up_space(self):
        volume, ticket = self.prepared(SIZE)
        data = bytearray(noise(SIZE))
        self.put(ticket, bytes(data), status=200)
        self.assertGreaterEqual(os.stat(volume.path).st_blocks * 512, SIZE)
        message = {"op": "zero", "offset": MIB, "size": 4 * MIB, "flush": True}
        self.patch(ticket, message, status=200)
        data[MIB:5 * MIB] = bytes(4 * MIB)
        self.assertEqual(sha256(volume.content()), sha256(data))
        self.assertLessEqual(os.stat(volume.path).st_blocks * 512, SIZE - 4 * MIB + 65536)

    def test_zeroing_can_keep_space(self):
        volume = Volume(self.directory, SIZE)
        _, url = self.serve(volume, discard=False, detect_zeroes=False)
        ticket = self.ticket(url, SIZE, sparse=False)
        self.put(ticket, noise(SIZE), status=200)
        self.patch(ticket, {"op": "zero", "size": SIZE}, status=200)
        self.assertEqual(volume.content(), bytes(SIZE))
        self.assertGreaterEqual(os.stat(volume.path).st_blocks * 512, SIZE)

    def test_wrong_operations(self):
        ticket = self.prepared(SIZE)[1]
        for message in ({}, [], {"op": "x"}, {"op": "zero"}, {"op": "zero", "size": -1},
                        {"op": "zero", "size": "1"}, {"op": "zero", "size": 1, "flush": "y"}):
            self.patch(ticket, message, status=400)
        self.request("PATCH", f"/images/{ticket}", "no json", status=400)
        answer = self.patch(ticket, {"op": "zero", "offset": 1, "size": SIZE}, status=416)
        self.assertEqual(answer.headers["Content-Range"], f"bytes */{SIZE}")
        self.patch(ticket, {"op": "zero", "size": 2 ** 63 - 1, "offset": 2 ** 63 - 1}, status=416)
        self.request("PATCH", f"/images/{ticket}", "x" * 5000, status=413)


class Extents(ImageTest):
    def test_zero_extents(self):
        for form in ("raw", "qcow2"):
            with self.subTest(form=form):
                ticket = self.prepared(SIZE, form)[1]
                hole = form == "qcow2"  # only there unallocated can be told from zero
                self.assertEqual(self.extents(ticket), [
                    {"start": 0, "length": SIZE, "zero": True, "hole": hole}])
                self.put(ticket, noise(MIB), 2 * MIB, status=200)
                self.assertEqual(self.extents(ticket), [
                    {"start": 0, "length": 2 * MIB, "zero": True, "hole": hole},
                    {"start": 2 * MIB, "length": MIB, "zero": False, "hole": False},
                    {"start": 3 * MIB, "length": 5 * MIB, "zero": True, "hole": hole}])

    def test_one_volume_of_a_chain(self):
        base = Volume(self.directory, SIZE, "qcow2")
        base.write(0, noise(MIB))
        top = Volume(self.directory, SIZE, "qcow2", base)
        top.write(MIB, noise(MIB))
        _, url = self.serve(top, readonly=True)
        self.assertEqual([e["zero"] for e in self.extents(self.ticket(url, SIZE, ["read"]))],
                         [False, True])
        _, url = self.serve(top, readonly=True, backing_chain=False)
        self.assertEqual(self.extents(self.ticket(url, SIZE, ["read"])), [
            {"start": 0, "length": MIB, "zero": True, "hole": True},
            {"start": MIB, "length": MIB, "zero": False, "hole": False},
            {"start": 2 * MIB, "length": 6 * MIB, "zero": True, "hole": True}])

    def test_many_extents_are_streamed(self):
        size, count = 3 * 1024 * MIB, 4096  # more than one question to the NBD server
        volume, ticket = self.prepared(size)
        with open(volume.path, "r+b") as file:
            for at in range(0, count * 65536, 65536):
                os.pwrite(file.fileno(), b"x" * 4096, at)
        answer = self.request("GET", f"/images/{ticket}/extents", status=200)
        self.assertEqual(answer.headers["Transfer-Encoding"], "chunked")
        extents = json.loads(answer.data)
        self.assertEqual(len(extents), 2 * count)
        self.assertEqual(sum(e["length"] for e in extents), size)
        self.assertEqual([e["zero"] for e in extents[:4]], [False, True, False, True])

    def test_wrong_context(self):
        ticket = self.prepared(SIZE)[1]
        self.request("GET", f"/images/{ticket}/extents?context=all", status=400)
        self.request("GET", f"/images/{ticket}/extents?context=dirty", status=404)
        ticket = self.prepared(SIZE, dirty=True)[1]  # allowed, but the server has no bitmap
        self.request("GET", f"/images/{ticket}/extents?context=dirty", status=404)


class Checksum(ImageTest):
    def checksum(self, ticket, query="", status=200):
        return json.loads(self.request("GET", f"/images/{ticket}/checksum{query}",
                                       status=status).data)

    def test_data_and_zeroes(self):
        size = 21 * MIB + 512
        data = bytearray(size)
        data[3 * MIB:5 * MIB] = noise(2 * MIB)
        data[-512:] = noise(512)
        volume, ticket = self.prepared(size, "qcow2")
        for at, length in ((3 * MIB, 2 * MIB), (size - 512, 512)):
            self.put(ticket, bytes(data[at:at + length]), at, status=200)
        self.put(ticket, bytes(MIB), 9 * MIB, status=200)  # zeroes that may be allocated
        self.assertEqual(self.checksum(ticket), {
            "algorithm": "blake2b", "block_size": 4 * MIB, "checksum": block_checksum(data)})
        self.assertEqual(self.checksum(ticket, f"?algorithm=sha256&block_size={MIB}")["checksum"],
                         block_checksum(data, MIB, hashlib.sha256))
        self.assertEqual(sha256(volume.content()[:size]), sha256(data))

    def test_all_algorithms(self):
        _, ticket = self.prepared(2 * MIB)
        path = f"/images/{ticket}/checksum/algorithms"
        names = json.loads(self.request("GET", path, status=200).data)["algorithms"]
        for name in set(names) - {"blake2b"}:
            self.assertEqual(self.checksum(ticket, f"?algorithm={name}&block_size={MIB}")["checksum"],
                             block_checksum(bytes(2 * MIB), MIB, getattr(hashlib, name)))

    def test_wrong_parameters(self):
        ticket = self.prepared(SIZE)[1]
        for query in ("?algorithm=crc", "?block_size=1", "?block_size=x", "?block_size=1048577",
                      "?block_size=99999999999999999999"):
            self.request("GET", f"/images/{ticket}/checksum{query}", status=400)


class Refusals(ImageTest):
    def test_tickets_decide(self):
        _, url = self.serve(Volume(self.directory, SIZE))
        self.get(str(uuid.uuid4()), status=403)
        self.get("../../etc/passwd", status=404)
        self.get("not-a-uuid", status=403)
        self.request("GET", "/images/", status=400)
        self.request("GET", "/nothing", status=404)
        reader = self.ticket(url, SIZE, ["read"])
        self.put(reader, b"abc", status=403)
        self.patch(reader, {"op": "flush"}, status=403)
        self.get(reader, 0, 1, status=206)
        writer = self.ticket(url, SIZE, ["write"])
        self.get(writer, 0, 1, status=206)  # writing includes reading

    def test_expired_and_extended(self):
        _, url = self.serve(Volume(self.directory, SIZE))
        ticket = self.ticket(url, SIZE, timeout=0)
        self.get(ticket, status=403)
        self.host.call("Host.extend_image_ticket", uuid=ticket, timeout=60)
        self.get(ticket, 0, 1, status=206)
        self.host.call("Host.extend_image_ticket", uuid=ticket, timeout=0)
        self.get(ticket, status=403)

    def test_methods(self):
        ticket = self.prepared(SIZE)[1]
        answer = self.request("DELETE", f"/images/{ticket}", status=405)
        self.assertEqual(answer.headers["Allow"], "GET,HEAD,PUT,PATCH,OPTIONS")
        self.request("POST", f"/images/{ticket}", "abc", status=405)
        self.request("PUT", f"/images/{ticket}/extents", "abc", status=405)

    def test_ranges_beyond_the_image(self):
        ticket = self.prepared(SIZE)[1]
        for span in ("bytes=0-%d" % SIZE, "bytes=%d-" % SIZE, "bytes=1-0", "bytes=0-1,3-4", "x"):
            answer = self.request("GET", f"/images/{ticket}", status=416, Range=span)
            self.assertEqual(answer.headers["Content-Range"], f"bytes */{SIZE}")
        answer = self.put(ticket, b"abc", SIZE - 2, status=416)
        self.assertEqual(answer.headers["Content-Range"], f"bytes */{SIZE}")
        self.request("PUT", f"/images/{ticket}", "abc", status=400, Content_Range="bytes 5-4/*")
        self.put(ticket, b"abc", 0, "?flush=maybe", status=400)
        pieces = (bytes(MIB) for _ in range(9))
        self.request("PUT", f"/images/{ticket}", pieces, status=416)

    def test_the_ticket_may_be_smaller_than_the_image(self):
        _, url = self.serve(Volume(self.directory, SIZE))
        ticket = self.ticket(url, MIB)
        self.assertEqual(len(self.get(ticket, status=200).data), MIB)
        self.put(ticket, bytes(2), MIB - 1, status=416)
        self.assertEqual(sum(e["length"] for e in self.extents(ticket)), MIB)

    def test_a_large_refused_body_does_not_hide_the_answer(self):
        ticket = self.prepared(SIZE)[1]
        for target in (ticket, str(uuid.uuid4())):
            answer = self.put(target, bytes(64 * MIB))
            self.assertIn(answer.status, (416, 403))

    def test_image_that_is_not_there(self):
        ticket = self.ticket(f"file://{self.directory}/nothing", SIZE)
        answer = self.get(ticket, status=500)
        self.assertIn(b"can't be opened", answer.data)


class Tickets(ImageTest):
    def test_description(self):
        _, url = self.serve(Volume(self.directory, SIZE))
        ticket = self.ticket(url, SIZE, ["write"], transfer_id="t1", inactivity_timeout=30,
                             filename="a.raw", dirty=False)
        info = self.info(ticket)
        self.assertEqual({name: info[name] for name in (
            "uuid", "size", "url", "timeout", "ops", "filename", "active", "canceled", "transferred",
            "idle_time", "inactivity_timeout", "transfer_id", "sparse", "dirty", "connections")}, {
                "uuid": ticket, "size": SIZE, "url": url, "timeout": 300, "ops": ["write"],
                "filename": "a.raw", "active": False, "canceled": False, "transferred": 0,
                "idle_time": 0, "inactivity_timeout": 30, "transfer_id": "t1", "sparse": True,
                "dirty": False, "connections": 0})
        self.assertAlmostEqual(info["expires"], time.monotonic() + 300, delta=5)

    def test_progress(self):
        _, url = self.serve(Volume(self.directory, SIZE))
        ticket = self.ticket(url, SIZE)
        self.put(ticket, bytes(MIB), 0, status=200)
        self.put(ticket, bytes(MIB), MIB // 2, status=200)
        self.patch(ticket, {"op": "zero", "offset": 4 * MIB, "size": MIB}, status=200)
        info = self.info(ticket)
        self.assertEqual(info["transferred"], MIB + MIB // 2 + MIB)
        self.assertEqual(info["connections"], 1)
        both = self.ticket(url, SIZE, ["read", "write"])
        self.get(both, status=200)
        self.assertNotIn("transferred", self.info(both))

    def test_activity(self):
        ticket = self.prepared(SIZE)[1]
        connection = self.begin_put(ticket, SIZE, bytes(MIB))
        wait_until(lambda: self.info(ticket)["active"])
        wait_until(lambda: self.info(ticket)["transferred"] == MIB)
        connection.close()
        wait_until(lambda: not self.info(ticket)["active"])
        self.assertEqual(self.info(ticket)["transferred"], MIB)

    def test_wrong_tickets(self):
        good = {"uuid": str(uuid.uuid4()), "url": "nbd:unix:/a", "size": 1, "timeout": 1,
                "ops": ["read"]}
        for name, value in (("uuid", "x"), ("uuid", None), ("url", "ftp://a"), ("size", -1),
                            ("size", None), ("timeout", -1), ("timeout", None), ("ops", []),
                            ("ops", ["all"]), ("url", "nbd:localhost:10809"), ("filename", 'a"b')):
            with self.assertRaises(VerbError) as raised:
                self.host.call("Host.add_image_ticket", ticket={**good, name: value})
            self.assertEqual(raised.exception.code, 482)
        self.host.call("Host.add_image_ticket", ticket=good)
        self.host.call("Host.add_image_ticket", ticket=good)  # again: extended
        with self.assertRaises(VerbError):
            self.host.call("Host.add_image_ticket", ticket={**good, "size": 2})

    def test_unknown_tickets(self):
        unknown = str(uuid.uuid4())
        for method, more in (("get", {}), ("extend", {"timeout": 1})):
            with self.assertRaises(VerbError) as raised:
                self.host.call(f"Host.{method}_image_ticket", uuid=unknown, **more)
            self.assertEqual(raised.exception.code, 482)
        self.assertIs(self.host.call("Host.remove_image_ticket", uuid=unknown), True)

    def test_removal_ends_what_is_under_way(self):
        ticket = self.prepared(SIZE)[1]
        connection = self.begin_put(ticket, SIZE, bytes(MIB))
        wait_until(lambda: self.info(ticket)["transferred"] == MIB)
        self.assertIs(self.host.call("Host.remove_image_ticket", uuid=ticket), True)
        self.assertEqual(connection.getresponse().status, 403)
        self.get(ticket, status=403)
        with self.assertRaises(VerbError):
            self.info(ticket)

    def test_removal_cuts_downloads(self):
        ticket = self.prepared(64 * MIB, ops=["read"])[1]
        connection = self.connect()
        connection.request("GET", f"/images/{ticket}")
        answer = connection.getresponse()
        answer.read(MIB)
        self.host.call("Host.remove_image_ticket", uuid=ticket)
        with self.assertRaises(Exception):
            if len(answer.read()) < 63 * MIB:
                raise ConnectionError("cut")

    def test_silent_clients_are_cut_off(self):
        ticket = self.prepared(SIZE, inactivity_timeout=1)[1]
        connection = self.begin_put(ticket, SIZE, bytes(MIB))
        started = time.monotonic()
        with self.assertRaises(Exception):
            connection.getresponse()
        self.assertLess(time.monotonic() - started, 10)
        self.assertFalse(self.info(ticket)["active"])

    def test_broken_upload_is_resumed(self):
        data = noise(SIZE)
        volume, ticket = self.prepared(SIZE)
        connection = self.begin_put(ticket, SIZE, data[:3 * MIB], "?flush=n")
        wait_until(lambda: self.info(ticket)["transferred"] == 3 * MIB)
        connection.sock.close()
        self.put(ticket, data[3 * MIB:], 3 * MIB, status=200)
        self.assertEqual(self.info(ticket)["transferred"], SIZE)
        self.assertEqual(sha256(volume.content()), sha256(data))


class Files(ImageTest):
    """Tickets for files: the bytes as they lie there, whatever format they have."""

    def file(self, size, content=b""):
        path = os.path.join(self.directory, "file")
        with open(path, "wb") as file:
            file.write(content)
        return path, self.ticket(f"file://{path}", size, ["read", "write"])

    def test_an_empty_file_grows(self):
        data = noise(3 * MIB + 100)
        path, ticket = self.file(SIZE)
        self.assertEqual(self.get(ticket, status=200).data, b"")
        options = json.loads(self.request("OPTIONS", f"/images/{ticket}", status=200).data)
        self.assertEqual(options["max_writers"], 1)
        self.put(ticket, data, status=200)
        with open(path, "rb") as file:
            self.assertEqual(sha256(file.read()), sha256(data))
        self.assertEqual(sha256(self.get(ticket, status=200).data), sha256(data))
        self.put(ticket, b"x", SIZE, status=416)

    def test_zero_and_extents(self):
        data = noise(2 * MIB)
        path, ticket = self.file(SIZE, data)
        self.patch(ticket, {"op": "zero", "offset": MIB, "size": 3 * MIB}, status=200)
        with open(path, "rb") as file:
            self.assertEqual(sha256(file.read()), sha256(data[:MIB] + bytes(3 * MIB)))
        self.assertEqual(self.extents(ticket), [
            {"start": 0, "length": MIB, "zero": False, "hole": False},
            {"start": MIB, "length": 3 * MIB, "zero": True, "hole": False}])
        answer = self.request("GET", f"/images/{ticket}/checksum", status=200)
        self.assertEqual(json.loads(answer.data)["checksum"],
                         block_checksum(data[:MIB] + bytes(3 * MIB)))

    def test_unaligned_pieces(self):
        expected = bytearray(SIZE)
        path, ticket = self.file(SIZE, bytes(SIZE))
        connection = self.connect()
        chance = random.Random(3)
        for seed in range(40):
            length = chance.choice((1, 4096, 5000, 700000))
            offset = chance.randrange(SIZE - length)
            expected[offset:offset + length] = noise(length, seed)
            self.put(ticket, noise(length, seed), offset, connection=connection, status=200)
        with open(path, "rb") as file:
            self.assertEqual(sha256(file.read()), sha256(expected))


if __name__ == "__main__":
    image_lab.main()
