"""What outlives whom: the agent's death, qemu-nbd's death, orphans, bitmaps and refused servers."""
import json
import os
import signal
import subprocess
import time
import uuid

import image_lab
from image_lab import MIB, ImageTest, VerbError, Volume, noise, processes, sha256, wait_until

SIZE = 16 * MIB


class AgentDies(ImageTest):
    def begin_upload(self, data, url):
        """Sends half of it over a connection that stays open."""
        ticket = self.ticket(url, len(data), timeout=60)
        self.upload = self.begin_put(ticket, len(data), data[:len(data) // 2], "?flush=n")
        wait_until(lambda: self.info(ticket)["transferred"] == len(data) // 2)
        return ticket

    def test_killed_during_an_upload(self):
        data = noise(SIZE)
        for form in ("raw", "qcow2"):
            with self.subTest(form=form):
                volume = Volume(self.directory, SIZE, form)
                server, url = self.serve(volume)
                ticket = self.begin_upload(data, url)
                before = processes(server)
                self.restart()
                self.assertEqual(processes(server), before)  # it went on, and was adopted
                self.put(ticket, data[SIZE // 2:], SIZE // 2, status=200)
                self.assertEqual(sha256(volume.content()), sha256(data))
                self.assertIs(self.host.call("Host.remove_image_ticket", uuid=ticket), True)
                self.assertIs(self.host.call("NBD.stop_server", server_id=server), True)
                self.assertEqual(processes(server), [])
                self.assertEqual(os.listdir(self.directory + "/run/tickets"), [])
                self.assertEqual(os.listdir(self.directory + "/run/nbd"), [])

    def test_everything_is_killed(self):
        """As systemd does it, or the kernel when memory is exhausted."""
        data = noise(SIZE)
        volume = Volume(self.directory, SIZE)
        server, url = self.serve(volume)
        ticket = self.begin_upload(data, url)
        self.host.kill()
        for pid in processes(server):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes(server))
        self.host = image_lab.Host(self.directory, self.port, {})
        self.put(ticket, data, status=200)  # waits for the server that is started again
        self.assertEqual(sha256(volume.content()), sha256(data))

    def test_ordered_restart(self):
        data = noise(SIZE)
        volume = Volume(self.directory, SIZE)
        server, url = self.serve(volume)
        ticket = self.ticket(url, SIZE, ["write"])
        self.put(ticket, data[:MIB], status=200)
        self.assertEqual(self.host.stop(), 0)
        self.assertEqual(len(processes(server)), 1)
        self.host = image_lab.Host(self.directory, self.port, {})
        self.assertEqual(self.info(ticket)["transferred"], MIB)
        self.put(ticket, data[MIB:], MIB, status=200)
        self.assertEqual(self.info(ticket)["transferred"], SIZE)
        self.assertEqual(sha256(volume.content()), sha256(data))

    def test_expiry_goes_on_meanwhile(self):
        volume = Volume(self.directory, SIZE)
        _, url = self.serve(volume)
        ticket, other = self.ticket(url, SIZE, timeout=2), self.ticket(url, SIZE, timeout=100)
        expires = self.info(other)["expires"]
        self.restart()
        self.assertEqual(self.info(other)["expires"], expires)
        left = self.info(ticket)["expires"] - time.monotonic()
        time.sleep(max(0, left) + 1.1)  # told in whole seconds
        self.get(ticket, 0, 1, status=403)
        self.get(other, 0, 1, status=206)

    def test_a_server_nobody_knows_is_ended(self):
        server, _ = self.serve(Volume(self.directory, SIZE))
        other, _ = self.serve(Volume(self.directory, SIZE))
        self.host.kill()
        os.unlink(f"{self.directory}/run/nbd/{server}.json")
        self.host = image_lab.Host(self.directory, self.port, {})
        wait_until(lambda: not processes(server))
        self.assertEqual(len(processes(other)), 1)

    def test_a_stop_is_finished(self):
        server, _ = self.serve(Volume(self.directory, SIZE))
        self.host.kill()
        record = f"{self.directory}/run/nbd/{server}.json"
        with open(record, encoding="utf-8") as file:
            content = json.load(file)
        with open(record, "w", encoding="utf-8") as file:
            json.dump({**content, "stopping": True}, file)
        self.host = image_lab.Host(self.directory, self.port, {})
        wait_until(lambda: not processes(server) and not os.path.exists(record))

    def test_broken_records_are_harmless(self):
        for folder, ending in (("nbd", "json"), ("tickets", "json"), ("nbd", "sock")):
            for content in (b"", b"{", b"[1]", bytes(100)):
                name = f"{self.directory}/run/{folder}/{uuid.uuid4()}.{ending}"
                with open(name, "wb") as file:
                    file.write(content)
        self.restart()
        self.assertEqual(os.listdir(f"{self.directory}/run/nbd"), [])
        self.assertEqual(os.listdir(f"{self.directory}/run/tickets"), [])


class ServerDies(ImageTest):
    def test_it_is_started_again(self):
        data = noise(SIZE)
        volume = Volume(self.directory, SIZE)
        server, url = self.serve(volume)
        ticket = self.ticket(url, SIZE)
        connection = self.connect()
        self.put(ticket, data[:MIB], connection=connection, status=200)
        pid, = processes(server)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: processes(server) not in ([], [pid]))
        self.put(ticket, data, status=200)
        self.assertEqual(sha256(volume.content()), sha256(data))

    def test_a_request_in_the_middle_fails_and_can_be_repeated(self):
        data = noise(SIZE)
        volume = Volume(self.directory, SIZE)
        server, url = self.serve(volume)
        ticket = self.ticket(url, SIZE)
        upload = self.begin_put(ticket, SIZE, data[:4 * MIB])
        wait_until(lambda: self.info(ticket)["transferred"] == 4 * MIB)
        os.kill(processes(server)[0], signal.SIGKILL)
        upload.send(data[4 * MIB:])
        self.assertEqual(upload.getresponse().status, 500)
        self.put(ticket, data, status=200)
        self.assertEqual(sha256(volume.content()), sha256(data))


class Servers(ImageTest):
    def refused(self, code, volume=None, config=None, server=None):
        with self.assertRaises(VerbError) as raised:
            self.host.call("NBD.start_server", server_id=server or str(uuid.uuid4()),
                           config=config or volume.config())
        self.assertEqual(raised.exception.code, code, raised.exception)
        return str(raised.exception)

    def test_again_and_twice(self):
        volume = Volume(self.directory, SIZE)
        server, url = self.serve(volume)
        self.assertEqual(self.host.call("NBD.start_server", server_id=server,
                                        config=volume.config()), url)
        self.assertEqual(len(processes(server)), 1)
        self.refused(100, config=volume.config(readonly=True), server=server)
        for _ in range(2):
            self.assertIs(self.host.call("NBD.stop_server", server_id=server), True)
        self.assertEqual(processes(server), [])
        self.assertEqual(self.host.call("NBD.start_server", server_id=server,
                                        config=volume.config()), url)

    def test_stopped_before_it_started(self):
        volume = Volume(self.directory, SIZE)
        server = str(uuid.uuid4())
        start = self.host.send("NBD.start_server", server_id=server, config=volume.config())
        stop = self.host.send("NBD.stop_server", server_id=server)
        with self.assertRaises(VerbError):
            self.host.receive(start)
        self.assertIs(self.host.receive(stop), True)
        self.assertEqual(processes(server), [])
        self.assertEqual(os.listdir(self.directory + "/run/nbd"), [])

    def test_refused(self):
        volume = Volume(self.directory, SIZE)
        self.refused(91, config={"sd_id": "x"})
        self.refused(91, config=volume.config(bitmap=str(uuid.uuid4())))
        self.refused(201, config={**volume.config(), "vol_id": str(uuid.uuid4())})
        with open(volume.path + ".shared", "wb"):
            pass
        self.refused(219, volume)
        self.serve(volume, readonly=True)

    def test_what_the_program_says_is_told(self):
        volume = Volume(self.directory, SIZE)
        with open(volume.path, "wb") as file:
            file.write(b"QFI\xfb" + bytes(1000))
        self.assertIn("qcow2", self.refused(200, volume).lower())
        self.assertEqual(os.listdir(self.directory + "/run/nbd"), [])

    def test_two_writers_are_refused(self):
        volume = Volume(self.directory, SIZE)
        server, _ = self.serve(volume)
        self.refused(203, volume)
        self.serve(volume, readonly=True)
        self.host.call("NBD.stop_server", server_id=server)
        self.serve(volume)

    def test_a_volume_for_reading_is_not_written(self):
        volume = Volume(self.directory, SIZE)
        _, url = self.serve(volume, readonly=True)
        answer = self.put(self.ticket(url, SIZE), b"abc", status=500)
        self.assertIn(b"reading only", answer.data)

    def test_run_as_the_owner_of_volumes(self):
        if os.geteuid():
            self.skipTest("needs root")
        os.chmod(self.directory, 0o755)
        volume = Volume(self.directory, SIZE)
        os.chown(volume.path, 36, 36)
        os.chmod(volume.path, 0o660)
        private = Volume(self.directory, SIZE)  # only root may open this one
        self.restart(IMAGE_HOST_USER="no-such-user")
        os.chmod(self.directory + "/run", 0o755)
        for one, owner in ((volume, 36), (private, 0)):
            os.chmod(private.path, 0o600)
            server, url = self.serve(one)
            pid, = processes(server)
            self.assertEqual(os.stat(f"/proc/{pid}").st_uid, owner)
            self.put(self.ticket(url, SIZE), b"abc", status=200)
            self.assertEqual(one.content()[:3], b"abc")


class Bitmaps(ImageTest):
    def setUp(self):
        super().setUp()
        self.name = str(uuid.uuid4())

    def add_bitmap(self, volume):
        subprocess.run(["qemu-img", "bitmap", "--add", volume.path, self.name], check=True)

    def dirty(self, volume):
        server, url = self.serve(volume, readonly=True, bitmap=self.name)
        ticket = self.ticket(url, SIZE, ["read"], dirty=True)
        spans = [(e["start"], e["length"]) for e in self.extents(ticket, "dirty") if e["dirty"]]
        self.assertEqual(sum(e["length"] for e in self.extents(ticket)), SIZE)
        return server, spans

    def test_changes_since_a_checkpoint(self):
        volume = Volume(self.directory, SIZE, "qcow2")
        volume.write(0, noise(MIB))
        self.add_bitmap(volume)
        volume.write(2 * MIB, noise(MIB))
        volume.write(5 * MIB, bytes(65536))
        _, spans = self.dirty(volume)
        self.assertEqual(spans, [(2 * MIB, MIB), (5 * MIB, 65536)])

    def test_changes_over_a_chain(self):
        base = Volume(self.directory, SIZE, "qcow2")
        self.add_bitmap(base)
        base.write(MIB, noise(MIB))
        top = Volume(self.directory, SIZE, "qcow2", base)
        self.add_bitmap(top)
        top.write(4 * MIB, noise(MIB))
        server, spans = self.dirty(top)
        self.assertEqual(spans, [(MIB, MIB), (4 * MIB, MIB)])
        self.restart()
        self.assertIs(self.host.call("NBD.stop_server", server_id=server), True)
        self.assertEqual(os.listdir(self.directory + "/run/nbd"), [])

    def test_chains_that_tell_too_little(self):
        volume = Volume(self.directory, SIZE, "qcow2")
        config = {"readonly": True, "bitmap": self.name}
        for prepare, code in ((lambda: None, 947), (lambda: self.add_bitmap(volume), 0),
                              (self.disable(volume), 946)):
            prepare()
            try:
                server, _ = self.serve(volume, **config)
                self.host.call("NBD.stop_server", server_id=server)
                self.assertEqual(code, 0)
            except VerbError as error:
                self.assertEqual(error.code, code, error)
        base = Volume(self.directory, SIZE, "qcow2")
        self.add_bitmap(base)
        with self.assertRaises(VerbError) as raised:
            self.serve(Volume(self.directory, SIZE, "qcow2", base), **config)
        self.assertEqual(raised.exception.code, 946)
        with self.assertRaises(VerbError) as raised:
            self.serve(Volume(self.directory, SIZE), **config)
        self.assertEqual(raised.exception.code, 2009)

    def disable(self, volume):
        return lambda: subprocess.run(["qemu-img", "bitmap", "--disable", volume.path, self.name],
                                      check=True)


if __name__ == "__main__":
    image_lab.main()
