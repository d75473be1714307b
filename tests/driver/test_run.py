#!/usr/bin/env python3
"""The test driver counts what suites print, stops what takes too long and leaves nothing running."""

import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import tempfile
import unittest

RUN = pathlib.Path(__file__).resolve().parent.parent / "run"

LOADER = importlib.machinery.SourceFileLoader("run", str(RUN))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", LOADER))
LOADER.exec_module(run)


class CountTest(unittest.TestCase):
    def test_unittest(self):
        text = "Ran 5 tests in 1.0s\n\nFAILED (failures=1, errors=1, skipped=2)\n"
        self.assertEqual(run.count_suite(text, 1), run.Count(1, 2, 2))
        self.assertEqual(run.count_suite("Ran 3 tests in 0.1s\n\nOK\n", 0), run.Count(3, 0, 0))

    def test_unittest_that_died_later(self):
        self.assertEqual(run.count_suite("Ran 3 tests in 0.1s\n\nOK\n", -11), run.Count(3, 1, 0))

    def test_tap(self):
        text = "1..4\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP no c\nok 4\n"
        self.assertEqual(run.count_suite(text, 1), run.Count(2, 1, 1))

    def test_silent_suite(self):
        self.assertEqual(run.count_suite("", 0), run.Count(1, 0, 0))
        self.assertEqual(run.count_suite("", 1), run.Count(0, 1, 0))


class SuiteTest(unittest.TestCase):
    def run_script(self, text):
        folder = pathlib.Path(tempfile.mkdtemp())
        script = folder / "test_script"
        script.write_text(text)
        script.chmod(0o755)
        suite = run.Suite(script, folder / "log", limit=2)
        suite.__class__ = type("Named", (run.Suite,), {"name": "script"})
        return run.run_suite(suite, [])

    def test_time_limit(self):
        count, text = self.run_script("#!/bin/sh\necho ok 1\nexec sleep 100\n")
        self.assertEqual(count, run.Count(1, 1, 0))
        self.assertIn("ended after its limit of 2 s", text)

    def test_straggler(self):
        seconds = 100000 + os.getpid()
        count, text = self.run_script(f"#!/bin/sh\nsetsid sleep {seconds} &\necho ok 1\n")
        self.assertEqual(count, run.Count(1, 0, 0))
        self.assertIn("1 processes left behind", text)
        left = subprocess.run(["pgrep", "-f", f"^sleep {seconds}"], capture_output=True).stdout
        self.assertEqual(left, b"")

    def test_last_line_and_code(self):
        done = subprocess.run([RUN, "--build", os.devnull, "nothing"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.splitlines()[-1], "0 passed, 1 failed, 0 skipped")


if __name__ == "__main__":
    unittest.main(verbosity=2)
