"""Programs that end when the driver ends, however it ends."""

import concurrent.futures
import os
import subprocess
import time

from .failure import DataCentreFailure

# The kernel ties "dies with its parent" to the parent's thread. All programs are started by this
# one, which lives as long as the driver.
_starter = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


def start(arguments, **options):
    """A subprocess.Popen that gets SIGKILL when the driver dies."""
    command = ["setpriv", "--pdeathsig", "KILL", *map(str, arguments)]
    return _starter.submit(subprocess.Popen, command, **options).result()


def wait_until(condition, seconds, what):
    """The first true value of condition()."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise DataCentreFailure(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def stop(process, seconds=10):
    """SIGTERM, and SIGKILL to what does not heed it."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def log_tail(path, lines=20):
    try:
        with open(path, errors="replace") as file:
            return "".join(file.readlines()[-lines:])
    except OSError:
        return ""


def require_root():
    if os.geteuid():
        raise DataCentreFailure("A host's sandbox needs root: start this with sudo.")
