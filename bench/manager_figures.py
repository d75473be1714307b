"""What the manager does alone: lists, searches, changes, start, memory."""

import contextlib
import json
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
import urllib.parse

from tools.datacentre.manager import Manager, free_port

from .figure import Figure
from .measure import cpu_seconds, resident_mb

VMS = 10_000
ROUNDS = 31
SLOW_CLIENTS = 10
API = "/ovirt-engine/api"
FORMATS = {"xml": "application/xml", "json": "application/json"}
SEARCH = "name=*77* and status=down and cluster=Default sortby memory desc"
VM_BODY = json.dumps({
    "name": "bench-%d", "description": "One of many", "cluster": {"name": "Default"},
    "template": {"name": "Blank"}, "memory": str(2 << 30), "os": {"type": "rhel_9x64"},
    "cpu": {"topology": {"sockets": "2", "cores": "2", "threads": "1"}}})


@contextlib.contextmanager
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


def get_often(manager, path, media_type):
    """(seconds as the client sees one, seconds of the manager's CPU for one, bytes of one)

    The CPU's are those that a quarter of the rounds does not need: what else the machine computes
    makes the others up to half as long again."""
    token = manager.login().token
    seconds, used, size = [], [], 0
    for _ in range(ROUNDS):
        before = cpu_seconds(manager.process.pid)
        answer = subprocess.run(
            ["curl", "-sf", "--noproxy", "*", "--cacert", manager.ca_file, "-o", "/dev/null",
             "-H", f"Authorization: Bearer {token}", "-H", f"Accept: {media_type}",
             "-w", "%{time_appconnect} %{time_total} %{size_download}",
             f"{manager.url}{API}{path}"], check=True, capture_output=True, text=True).stdout
        connected, ended, size = map(float, answer.split())
        seconds.append(ended - connected)
        used.append(cpu_seconds(manager.process.pid) - before)
    return statistics.median(seconds), statistics.quantiles(used)[0], size


def list_vms(build):
    with new_manager(build) as manager:
        fill(build, manager)
        for name, media_type in FORMATS.items():
            seconds, used, size = get_often(manager, "/vms", media_type)
            yield Figure(f"list_vms_{name}", used * 1000,
                         f"CPU of vireod for a list of {VMS} VMs, {size / 1e6:.1f} MB over TLS, "
                         f"handshake included, lower quartile of {ROUNDS}")
            yield Figure(f"list_vms_{name}_seen", seconds * 1000,
                         f"the same as curl on this machine sees it, median of {ROUNDS}")
        yield slow_list(manager)


def slow_list(manager):
    """What a list costs whose reader has stopped in the middle of it."""
    token = manager.login().token
    context = ssl.create_default_context(cafile=manager.ca_file)
    request = (f"GET {API}/vms HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
               "Accept: application/xml\r\n\r\n").encode()
    before = resident_mb(manager.process.pid)
    with contextlib.ExitStack() as readers:
        for _ in range(SLOW_CLIENTS):
            plain = readers.enter_context(socket.create_connection(("localhost", manager.port)))
            reader = readers.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            reader.sendall(request)
            reader.recv(65536)
        time.sleep(1)
        growth = resident_mb(manager.process.pid) - before
    return Figure("slow_list", growth / SLOW_CLIENTS,
                  f"RSS for each of {SLOW_CLIENTS} readers that stopped early in the list")


def search_vms(build):
    with new_manager(build) as manager:
        fill(build, manager)
        path = "/vms?" + urllib.parse.urlencode({"search": SEARCH, "max": 100})
        _, used, _ = get_often(manager, path, FORMATS["json"])
        yield Figure("search_vms", used * 1000,
                     f"CPU of vireod for \"{SEARCH}\" over {VMS} VMs, with the answer of 100 VMs "
                     f"and the handshake, lower quartile of {ROUNDS}")


def durable_changes(build):
    how = "16 connections, each answered when it is on disk"
    with new_manager(build) as manager:
        yield Figure("create_vms", fill(build, manager), f"POST /vms, {how}")
        vm = manager.login().list("/vms", max=1)[0]["id"]
        rate = run_load(build, manager, f"/vms/{vm}", "PUT", 5000, 16,
                        json.dumps({"description": "change %d"}))
        yield Figure("update_vm", rate, f"PUT /vms/ID, {how}")


def start_with_many(build):
    with new_manager(build) as manager:
        fill(build, manager)
        rounds = []
        for _ in range(5):
            manager.stop()
            begun = time.monotonic()
            manager.start()
            rounds.append(time.monotonic() - begun)
        yield Figure("start_with_10000_vms", statistics.median(rounds),
                     "from exec to the first answer, median of 5")


def memory(build):
    with new_manager(build) as manager:
        yield Figure("manager_rss_empty", resident_mb(manager.process.pid), "after its first start")
        fill(build, manager)
        manager.login().list("/vms")
        created = resident_mb(manager.process.pid)
        manager.restart()
        manager.login().list("/vms")
        loaded = resident_mb(manager.process.pid)
        yield Figure("manager_rss_10000_vms", max(created, loaded),
                     f"after creating and listing them {created:.0f}, after a restart {loaded:.0f}")
