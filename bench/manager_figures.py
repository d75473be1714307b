"""What the manager does alone: lists, changes, start, memory."""

import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager

from tools.datacentre.manager import Manager, free_port

from .figure import Figure

VMS = 10_000
ROUNDS = 15
API = "/ovirt-engine/api"
VM_BODY = json.dumps({
    "name": "bench-%d", "description": "One of many", "cluster": {"name": "Default"},
    "template": {"name": "Blank"}, "memory": str(2 << 30), "os": {"type": "rhel_9x64"},
    "cpu": {"topology": {"sockets": "2", "cores": "2", "threads": "1"}}})


@contextmanager
def new_manager(build):
    with tempfile.TemporaryDirectory(prefix="vireo-bench-") as state:
        with Manager(state, free_port(), build, {"proxy_port": free_port()}) as manager:
            yield manager


def run_load(build, manager, path, method, count, concurrency, body):
    """Requests per second."""
    rest = manager.login()
    answer = subprocess.run(
        [build / "bench/load", manager.url + API + path, method, str(count), str(concurrency),
         manager.ca_file, rest.token, body], check=True, capture_output=True, text=True).stdout
    return count / json.loads(answer)["seconds"]


def fill(build, manager):
    return run_load(build, manager, "/vms", "POST", VMS, 16, VM_BODY)


def cpu_seconds(process_id):
    """What a process has used, of all its threads."""
    fields = pathlib.Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process_id):
    status = pathlib.Path(f"/proc/{process_id}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def time_list(manager, token, media_type):
    """(seconds as the client sees them, seconds of the manager's CPU, bytes)"""
    before = cpu_seconds(manager.process.pid)
    seconds, size = [], 0
    for _ in range(ROUNDS):
        answer = subprocess.run(
            ["curl", "-s", "--noproxy", "*", "--cacert", manager.ca_file, "-o", "/dev/null",
             "-H", f"Authorization: Bearer {token}", "-H", f"Accept: {media_type}",
             "-w", "%{time_starttransfer} %{time_total} %{size_download} %{time_appconnect}",
             f"{manager.url}{API}/vms"], check=True, capture_output=True, text=True).stdout.split()
        seconds.append(float(answer[1]) - float(answer[3]))
        size = int(answer[2])
    used = (cpu_seconds(manager.process.pid) - before) / ROUNDS
    return statistics.median(seconds), used, size


def list_vms(build):
    with new_manager(build) as manager:
        fill(build, manager)
        token = manager.login().token
        for name, media_type in (("xml", "application/xml"), ("json", "application/json")):
            seconds, used, size = time_list(manager, token, media_type)
            how = f"{VMS} VMs, {size / 1e6:.1f} MB over TLS, median of {ROUNDS}"
            yield Figure(f"list_vms_{name}", seconds * 1000, "ms", 100, note=how)
            yield Figure(f"list_vms_{name}_cpu", used * 1000, "ms", 100,
                         note="CPU time of vireod for one list, all threads")


def durable_changes(build):
    with new_manager(build) as manager:
        yield Figure("create_vms", fill(build, manager), "1/s", 1000, True,
                     "POST /vms, 16 connections, each answered when it is on disk")
        vm = manager.login().list("/vms", max=1)[0]["id"]
        rate = run_load(build, manager, f"/vms/{vm}", "PUT", 5000, 16,
                        json.dumps({"description": "change %d"}))
        yield Figure("update_vm", rate, "1/s", 1000, True,
                     "PUT /vms/ID, 16 connections, each answered when it is on disk")


def start_with_many(build):
    with new_manager(build) as manager:
        fill(build, manager)
        rounds = []
        for _ in range(5):
            manager.stop()
            begun = time.monotonic()
            manager.start()
            rounds.append(time.monotonic() - begun)
        yield Figure("start_with_10000_vms", statistics.median(rounds), "s", 1,
                     note="from exec to the first answer, median of 5")


def memory(build):
    with new_manager(build) as manager:
        yield Figure("manager_rss_empty", resident_mb(manager.process.pid), "MB", 40)
        fill(build, manager)
        rest = manager.login()
        rest.list("/vms")
        yield Figure("manager_rss_10000_vms", resident_mb(manager.process.pid), "MB", 300,
                     note="after creating and listing them")
