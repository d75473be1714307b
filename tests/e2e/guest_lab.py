"""A data centre with a real host and the test guest's image, and the command line that speaks to it."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tools.datacentre.datacentre import DataCentre  # noqa: E402
from tools.datacentre.places import build_directory  # noqa: E402
from tools.datacentre.process import wait_until  # noqa: E402

GUEST = REPOSITORY / "build/guest"
GUEST_IMAGE = GUEST / "vireo-guest.qcow2"
BUILD = build_directory()


class GuestTest(unittest.TestCase):
    """All tests of a class share the data centre."""

    options = {}  # of the DataCentre

    @classmethod
    def setUpClass(cls):
        subprocess.run([REPOSITORY / "tests/guest/build", GUEST], check=True,
                       stdout=subprocess.DEVNULL)
        cls.state = pathlib.Path(tempfile.mkdtemp(prefix="vireo-e2e-"))
        cls.addClassCleanup(shutil.rmtree, cls.state)
        cls.centre = DataCentre(cls.state, build_dir=BUILD, **cls.options)
        cls.addClassCleanup(cls.centre.kill)
        cls.centre.start()
        cls.addClassCleanup(cls.centre.stop)
        cls.rest = cls.centre.rest
        cls.environment = {**os.environ, "HOME": str(cls.state),
                           "XDG_CONFIG_HOME": str(cls.state / "config"),
                           "XDG_CACHE_HOME": str(cls.state / "cache"),
                           "VIREO_CONNECTION": str(cls.centre.connection_file)}
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            cls.environment.pop(name, None)

    @classmethod
    def vireo(cls, *words, code=0, input="", seconds=180):
        done = subprocess.run([BUILD / "cli/vireo", *map(str, words)], env=cls.environment,
                              input=input, text=True, capture_output=True, timeout=seconds,
                              start_new_session=True)
        if done.returncode != code:
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done


__all__ = ["BUILD", "GUEST_IMAGE", "GuestTest", "wait_until"]
