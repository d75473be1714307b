#!/usr/bin/env python3
"""A data centre comes up with one command, keeps its state and leaves nothing behind."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tools.datacentre import link  # noqa: E402
from tools.datacentre.datacentre import DataCentre  # noqa: E402
from tools.datacentre.manager import free_port  # noqa: E402
from tools.datacentre.process import wait_until  # noqa: E402
from tools.datacentre.rest import Rest  # noqa: E402


class DataCentreTest(unittest.TestCase):
    def setUp(self):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="vireo-dc-"))
        self.addCleanup(shutil.rmtree, self.state)

    def connection(self):
        path = self.state / "connection.json"
        return json.loads(path.read_text()) if path.exists() else {"ready": False}

    def check_up(self, rest):
        self.assertEqual([row["status"] for row in rest.list("/hosts")], ["up"])
        center = rest.list("/datacenters", search="name=Default")[0]
        self.assertEqual(center["status"], "up")
        domains = rest.list(f"/datacenters/{center['id']}/storagedomains")
        self.assertEqual([(row["name"], row["status"]) for row in domains], [("local", "active")])
        networks = rest.list(f"/datacenters/{center['id']}/networks")
        self.assertEqual([row["name"] for row in networks], ["ovirtmgmt"])
        summary = rest.get("/")["summary"]
        self.assertEqual({name: (summary[name]["active"], summary[name]["total"])
                          for name in ("hosts", "storage_domains", "vms")},
                         {"hosts": ("1", "1"), "storage_domains": ("1", "1"), "vms": ("0", "0")})

    def test_life(self):
        centre = DataCentre(self.state)
        self.addCleanup(centre.kill)
        centre.start()
        self.assertTrue(self.connection()["ready"])
        self.check_up(centre.rest)
        centre.kill()
        again = DataCentre(self.state)
        self.addCleanup(again.kill)
        again.start()
        self.assertEqual(again.port, centre.port)
        self.check_up(again.rest)
        again.host.kill_agent()
        self.assertEqual(again.restart_dead(), ["vireo-agent"])
        again.stop()
        self.assertFalse(self.connection()["ready"])
        self.assertFalse(again.ready)
        self.assertNotIn(again.host.owner, link.links().values())

    def test_maintenance(self):
        """Who left the host in maintenance finds it so, and not ready until it is activated."""
        centre = DataCentre(self.state)
        self.addCleanup(centre.kill)
        centre.start()
        host = centre.rest.list("/hosts")[0]["id"]
        centre.rest.post(f"/hosts/{host}/deactivate", {})
        wait_until(lambda: centre.rest.list("/hosts")[0]["status"] == "maintenance", 60, "host")
        centre.stop()
        again = DataCentre(self.state)
        self.addCleanup(again.kill)
        again.await_seconds = 3
        again.start()
        self.assertFalse(again.look())
        self.assertFalse(self.connection()["ready"])
        again.rest.post(f"/hosts/{host}/activate", {})
        wait_until(again.look, 120, "The data centre")
        self.assertTrue(self.connection()["ready"])
        self.check_up(again.rest)

    def test_command(self):
        """What "make run" does, ended by SIGTERM."""
        port = free_port()
        command = [sys.executable, "-m", "tools.datacentre", "run",
                   "--state", self.state, "--port", str(port)]
        driver = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(driver.stdout.close)
        self.addCleanup(driver.kill)
        wait_until(lambda: self.connection()["ready"] or driver.poll() is not None, 240, "start")
        facts = self.connection()
        self.assertTrue(facts["ready"], driver.poll() is not None and driver.stdout.read())
        self.assertEqual(facts["url"], f"https://localhost:{port}/ovirt-engine/api")
        rest = Rest(facts["url"].removesuffix("/ovirt-engine/api"), facts["ca_file"])
        rest.login(facts["user"], facts["password"])
        self.check_up(rest)
        second = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertIn("runs already", second.stderr)
        self.assertTrue(self.connection()["ready"])
        driver.send_signal(signal.SIGTERM)
        output, _ = driver.communicate(timeout=60)
        self.assertEqual(driver.returncode, 0, output)
        self.assertIn(facts["password"], output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
