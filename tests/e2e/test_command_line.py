#!/usr/bin/env python3
# time limit: 900 s
"""The command line against a real manager and host: a disk is uploaded and downloaded, a VM made of
it, and its serial console used, taken over, left and lost."""

import json
import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import termios
import time
import unittest

from guest_lab import BUILD, GUEST_IMAGE, GuestTest, wait_until

from tools.datacentre.host import AGENT_STATE

PROMPT = r"# (\x1b\[6n)?$"  # busybox asks where the cursor is
LOCAL_FLAGS = 3  # index in termios.tcgetattr()


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, command, environment):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.output = ""
        self.process = subprocess.Popen(command, env=environment, stdin=self.slave,
                                        stdout=self.slave, stderr=self.slave,
                                        start_new_session=True)

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.output += os.read(self.master, 65536).decode(errors="replace")

    def expect(self, pattern, seconds=60):
        """Forgets what stood before the match."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.output)):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} in {self.output!r}")
            self.read(0.2)
        self.output = self.output[found.end():]
        return found

    def expect_prompt(self):
        """Only where nothing follows: the guest's own messages come between."""
        self.type("\r")
        self.expect(PROMPT)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[LOCAL_FLAGS] & termios.ICANON

    def end(self, seconds=20):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.1)
        self.read(0.1)
        return self.process.wait(0)

    def close(self):
        if self.master < 0:
            return
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)
        self.master = -1


class CommandLineTest(GuestTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.upload = cls.vireo("disk", "upload", GUEST_IMAGE, "--name", "system")
        cls.vireo("vm", "create", "web", "--memory", "256M", "--disk", "system",
                  "--nic", "ovirtmgmt", "--start")

    def setUp(self):
        if self.status() == "down":
            self.vireo("vm", "start", "web")

    def status(self):
        return json.loads(self.vireo("vm", "show", "web", "--json").stdout)["status"]

    def console(self, *words):
        terminal = Terminal([BUILD / "cli/vireo", "vm", "console", "web", "--serial", *words],
                            self.environment)
        self.addCleanup(terminal.close)
        return terminal

    def shell(self):
        """A console with the guest's shell at its other end."""
        terminal = self.console()
        terminal.expect("Ctrl-] leaves it")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            terminal.type("\r")
            try:
                terminal.expect(PROMPT, 3)
                return terminal
            except AssertionError:
                continue
        self.fail(f"no shell: {terminal.output!r}")

    # ---- disks

    def test_upload_and_download(self):
        self.assertIn("disk system uploaded", self.upload.stdout)
        other = self.state / "other.raw"
        other.write_bytes(os.urandom(1 << 20) + bytes(7 << 20) + os.urandom(1 << 20))
        self.vireo("disk", "upload", other, "--name", "other")
        self.vireo("disk", "download", "other", self.state / "back.raw")
        self.assertEqual((self.state / "back.raw").read_bytes()[:9 << 20], other.read_bytes())
        self.vireo("disk", "resize", "other", "20M")
        self.vireo("vm", "disk", "attach", "web", "other")
        self.vireo("vm", "disk", "detach", "web", "other")
        self.vireo("disk", "remove", "other")
        self.assertNotIn("other", self.vireo("disk", "list").stdout)

    # ---- the serial console

    def test_show_tells_the_address(self):
        address = re.compile(r"^  nic1 .* 192\.168\.\d+\.\d+", re.MULTILINE)
        wait_until(lambda: address.search(self.vireo("vm", "show", "web").stdout), 90, "address")

    def test_shell_in_the_guest(self):
        terminal = self.shell()
        self.assertTrue(terminal.is_raw())
        terminal.type("echo $((6 * 7)) of $(uname -s)\r")
        terminal.expect("42 of Linux")
        terminal.type("sh -c 'echo now $$; exec sleep 100'\r")
        terminal.expect(r"now \d+")
        terminal.type("\x03")  # Ctrl-C belongs to the guest
        terminal.expect(PROMPT)
        terminal.type("seq 20000 | tail -n 5000 | sha1sum; seq 20000 | tail -n 5000\r")
        terminal.expect(r"\s19999\s+20000\s")
        terminal.type("\x1d")
        self.assertEqual(terminal.end(), 0)
        self.assertIn("Left the serial console.", terminal.output)
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
        events = self.vireo("event", "list").stdout
        self.assertIn("A console of VM web was opened", events)

    def test_piped_input(self):
        self.shell().close()
        done = self.vireo("vm", "console", "web", "--serial", input="echo $((123 * 1000))\r")
        self.assertIn("123000", done.stdout)

    def test_new_viewer_takes_over(self):
        old = self.shell()
        new = self.shell()
        old.expect(r"\[vireo: admin@internal at \S+ has taken over this console\.\]")
        self.assertEqual(old.end(), 1)
        self.assertIn("was closed", old.output)
        self.assertIn("vireo vm console web --serial", old.output)
        self.assertEqual(termios.tcgetattr(old.slave), old.before)
        new.type("echo still $((1 + 1))\r")
        new.expect("still 2")

    def test_viewers_at_the_same_moment(self):
        """One of them gets the line and keeps it."""
        self.shell().close()
        for turn in range(6):
            viewers = [self.console() for _ in range(3)]
            ended = wait_until(lambda: (over := [one for one in viewers
                                                 if one.process.poll() is not None]) and
                               len(over) == 2 and over, 30, "two that lost it")
            winner, = set(viewers) - set(ended)
            winner.expect("Ctrl-] leaves it")
            winner.type(f"\recho turn {turn} is $((1 + {turn}))\r")
            winner.expect(f"turn {turn} is {turn + 1}\\s", 10)
            for one in ended:
                one.end()
                self.assertIn("has taken over this console", one.output)
            winner.close()

    def test_signal_restores_the_terminal(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV):
            with self.subTest(number.name):
                terminal = self.console()
                terminal.expect("Ctrl-] leaves it")
                wait_until(terminal.is_raw, 10, "a raw terminal")
                terminal.process.send_signal(number)
                terminal.end()
                self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)

    def test_guest_reboots_and_ends(self):
        terminal = self.shell()
        terminal.type("shutdown -r\r")
        terminal.expect("VIREO GUEST DOWN reboot", 60)
        terminal.expect("VIREO GUEST UP", 180)
        terminal.expect_prompt()
        terminal.type("shutdown -P\r")
        terminal.expect("VIREO GUEST DOWN poweroff", 60)
        terminal.end(60)
        self.assertIn("[vireo: The serial console has ended.]", terminal.output)
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
        wait_until(lambda: self.status() == "down", 60, "web down")
        refused = self.vireo("vm", "console", "web", "--serial", code=7)
        self.assertIn("VM web is down", refused.stderr)

    def test_host_without_its_agent(self):
        terminal = self.shell()
        self.centre.host.kill_agent()
        try:
            self.assertEqual(terminal.end(), 1)
        finally:
            self.centre.host.start_agent()
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
        wait_until(lambda: self.centre.rest.list("/hosts")[0]["status"] == "up", 120, "host up")
        self.shell().close()

    # ---- who may

    def test_logged_out(self):
        terminal = self.shell()
        self.vireo("logout")
        terminal.expect(r"\[vireo: The login has ended\.\]", 30)
        self.assertEqual(terminal.end(), 1)
        self.vireo("vm", "list")  # which logs in again

    def test_only_for_the_manager(self):
        """Another host's certificate is of the same authority and opens nothing."""
        pki = self.centre.host.directory / AGENT_STATE[1:] / "pki"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.check_hostname = False
        context.load_cert_chain(pki / "agent.crt", pki / "agent.key")
        vm = json.loads(self.vireo("vm", "show", "web", "--json").stdout)["id"]
        with socket.create_connection((self.centre.host.address, 54321), 10) as plain, \
                context.wrap_socket(plain) as channel:
            channel.sendall(f"GET /vireo/console/{vm}/serial HTTP/1.1\r\nHost: h\r\n"
                            "Connection: Upgrade\r\nUpgrade: vireo-console\r\n\r\n".encode())
            self.assertIn(b"HTTP/1.1 403 ", channel.recv(4096))


if __name__ == "__main__":
    unittest.main(verbosity=2)
