#!/usr/bin/env python3
"""Logging in and out, connection files, and managers that can't be reached or trusted."""

import json
import os
import pty
import socket
import subprocess
import threading

from cli_test import CliTest, ManagerTest, PASSWORD, main, program
from fake_manager import make_certificate


class LoginTest(ManagerTest):
    def setUp(self):
        super().setUp()
        del self.environment["VIREO_CONNECTION"]
        self.session = self.folder / "config/vireo/session.json"
        self.ca = self.folder / "config/vireo/ca.pem"

    def login(self, *words, code=0, password=PASSWORD, **more):
        return self.vireo("login", self.manager.url, *words, code=code, input=password + "\n",
                          **more)

    def fingerprint(self):
        done = subprocess.run(["openssl", "x509", "-in", self.manager.ca_file, "-noout",
                               "-fingerprint", "-sha256"], check=True, capture_output=True,
                              text=True)
        return done.stdout.split("=")[1].strip()

    def test_with_a_certificate(self):
        out = self.login("--ca-file", self.manager.ca_file).out
        self.assertEqual(out, f"Logged in to {self.manager.url} as admin@internal\n")
        self.assertEqual(self.vireo("vm", "list", "--quiet").out, self.vm + "\n")

    def test_what_is_kept_is_private_and_has_no_password(self):
        self.login("--ca-file", self.manager.ca_file)
        self.assertEqual(self.session.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.session.parent.stat().st_mode & 0o777, 0o700)
        kept = json.loads(self.session.read_text())
        self.assertEqual(sorted(kept), ["ca_file", "token", "url", "user"])
        self.assertNotIn(PASSWORD, self.session.read_text())

    def test_with_a_fingerprint(self):
        self.login("--fingerprint", self.fingerprint())
        self.assertEqual(self.ca.read_bytes(), self.manager.ca_file.read_bytes())
        self.login("--fingerprint", self.fingerprint().replace(":", "").lower())

    def test_with_a_wrong_fingerprint(self):
        result = self.login("--fingerprint", "AB:" * 31 + "AB", code=8)
        self.assertIn(f"has another fingerprint: {self.fingerprint()}.", result.err)
        self.assertFalse(self.session.exists())
        self.assertFalse(self.ca.exists())

    def test_an_unknown_authority_needs_somebody_to_confirm_it(self):
        result = self.login(code=8)
        self.assertIn(f"SHA-256 {self.fingerprint()}", result.err)
        self.assertIn(f"use --fingerprint {self.fingerprint()}", result.err)
        self.assertFalse(self.session.exists())

    def test_confirmed_and_asked_at_a_terminal(self):
        out = self.at_terminal([(b"[yes/no] ", b"yes\n"), (b"Password of admin@internal: ",
                                                           PASSWORD.encode() + b"\n")])
        self.assertIn(b"Logged in to", out)
        self.assertNotIn(PASSWORD.encode(), out)  # no echo
        self.assertTrue(self.session.exists())

    def test_not_confirmed(self):
        out = self.at_terminal([(b"[yes/no] ", b"no\n")], code=8)
        self.assertIn(b"not confirmed", out)

    def at_terminal(self, talk, code=0):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(program("vireo"), ["vireo", "login", self.manager.url], self.environment)
        seen = b""
        try:
            for question, answer in talk:
                while question not in seen:
                    seen += os.read(terminal, 1000)
                os.write(terminal, answer)
            while True:
                try:
                    piece = os.read(terminal, 1000)
                except OSError:
                    break
                if not piece:
                    break
                seen += piece
        finally:
            _, status = os.waitpid(pid, 0)
            os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), code, seen)
        return seen

    def test_known_authority_is_not_asked_for_again(self):
        self.login("--fingerprint", self.fingerprint())
        self.login()

    def test_wrong_password(self):
        result = self.login("--ca-file", self.manager.ca_file, code=4, password="wrong")
        self.assertEqual(result.err, "vireo: access_denied: Cannot authenticate user: The user name "
                                     "or password is wrong.\n")
        self.assertFalse(self.session.exists())

    def test_password_file(self):
        (self.folder / "secret").write_text(PASSWORD + "\n")
        self.login("--ca-file", self.manager.ca_file, "--password-file", "secret", password="")

    def test_again_without_a_url(self):
        self.login("--ca-file", self.manager.ca_file)
        self.manager.tokens.clear()
        result = self.vireo("vm", "list", code=4)
        self.assertIn("Log in again with vireo login.", result.err)
        self.vireo("login", input=PASSWORD)
        self.vireo("vm", "list")

    def test_logout(self):
        self.login("--ca-file", self.manager.ca_file)
        self.assertEqual(len(self.manager.tokens), 1)
        self.assertEqual(self.vireo("logout").out, f"Logged out of {self.manager.url}\n")
        self.assertEqual(len(self.manager.tokens), 0)
        self.assertFalse(self.session.exists())
        self.assertIn("You are not logged in", self.vireo("vm", "list", code=4).err)

    def test_urls(self):
        self.assertIn("no https URL", self.vireo("login", "http://x", code=8).err)
        self.assertIn("no https URL", self.vireo("login", "https://", code=8).err)
        self.assertIn("Which manager?", self.vireo("login", code=8).err)
        host = self.manager.url.removeprefix("https://")
        self.vireo("login", host + "/ovirt-engine/", "--ca-file", self.manager.ca_file,
                   input=PASSWORD)


class ConnectionTest(ManagerTest):
    def test_option_comes_before_environment(self):
        other = self.folder / "other.json"
        other.write_text(self.connection.read_text())
        self.connect(url="https://127.0.0.1:1")
        self.vireo("vm", "list", code=3)
        self.vireo("vm", "list", "--connection", other)

    def test_the_token_is_kept_and_renewed(self):
        self.vireo("vm", "list")
        kept, = (self.folder / "cache/vireo").iterdir()
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        self.assertNotIn(PASSWORD, kept.read_text())
        self.vireo("vm", "list")
        self.assertEqual(len(self.manager.tokens), 1)
        self.manager.tokens.clear()
        self.vireo("vm", "list")
        self.assertEqual(len(self.manager.tokens), 1)

    def test_another_users_token_is_not_taken(self):
        self.vireo("vm", "list")
        self.connect(user="other@internal")
        self.vireo("vm", "list", code=4)

    def test_without_a_place_to_keep_tokens(self):
        (self.folder / "cache").write_text("no folder")
        self.vireo("vm", "list")

    def test_files_that_are_none(self):
        self.assertIn("can't be read", self.vireo("vm", "list", "--connection", "missing", code=8).err)
        self.connection.write_text("[]")
        self.assertIn("is no connection", self.vireo("vm", "list", code=8).err)
        self.connection.write_text("{")
        self.assertIn("is no connection", self.vireo("vm", "list", code=8).err)

    def test_passwords_never_reach_the_arguments_or_the_trace(self):
        result = self.vireo("vm", "list", "--verbose")
        self.assertNotIn(PASSWORD, result.err)
        self.assertRegex(result.err, r"(?m)^GET vms: 200, \d+ ms$")
        token, = self.manager.tokens
        self.assertNotIn(token, result.err)


class UnreachableTest(ManagerTest):
    def test_nobody_listens(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            self.connect(url=f"https://127.0.0.1:{port}")
            result = self.vireo("vm", "list", code=3)
        self.assertIn(f"vireo: 127.0.0.1:{port} can't be reached. Cause: ", result.err)
        self.assertIn("Check that the program runs there, the port, and firewalls", result.err)

    def test_unknown_name(self):
        self.connect(url="https://no-such-manager.invalid")
        result = self.vireo("vm", "list", code=3)
        self.assertIn("The name of no-such-manager.invalid:443 can't be found.", result.err)

    def test_another_certificate(self):
        other = self.folder / "other"
        other.mkdir()
        certificate, _ = make_certificate(other)
        self.connect(ca_file=str(certificate))
        result = self.vireo("vm", "list", code=3)
        self.assertIn("is not trusted", result.err)
        self.assertIn("vireo login", result.err)
        self.assertEqual(self.manager.tokens, set())  # the password was not sent

    def test_certificate_of_another_host(self):
        self.connect(url=self.manager.url.replace("127.0.0.1", "127.0.0.2"))
        self.vireo("vm", "list", code=3)
        self.assertEqual(self.manager.tokens, set())

    def test_missing_authority(self):
        self.connect(ca_file="/no/such/file")
        self.assertIn("authority", self.vireo("vm", "list", code=3).err)

    def test_no_tls(self):
        with socket.create_server(("127.0.0.1", 0)) as plain:
            def answer():
                peer, _ = plain.accept()
                with peer:
                    peer.recv(10000)
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            thread = threading.Thread(target=answer)
            thread.start()
            self.connect(url=f"https://127.0.0.1:{plain.getsockname()[1]}")
            self.vireo("vm", "list", code=3)
            thread.join()


class NoLoginTest(CliTest):
    def test_hint(self):
        result = self.vireo("vm", "list", code=4)
        self.assertEqual(result.err, "vireo: You are not logged in to a manager. Use vireo login URL, "
                                     "or --connection FILE.\n")

    def test_logout(self):
        self.vireo("logout", code=4)


if __name__ == "__main__":
    main("vireo", "vireo-manager")
