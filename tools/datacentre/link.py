"""The one network interface between the machine and a sandbox.

Link number N has the network 10.111.x.y/30 that begins at 4 N; the machine has the first address,
the sandbox the second. The interface carries its owner's name as alias."""

import ipaddress
import json
import subprocess
import zlib

from .failure import DataCentreFailure

NETWORK = ipaddress.ip_network("10.111.0.0/16")
COUNT = NETWORK.num_addresses // 4
ATTEMPTS = 64


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise DataCentreFailure(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def interface_name(number):
    return f"vireo{number}"


def network(number):
    return ipaddress.ip_network((int(NETWORK.network_address) + 4 * number, 30))


def machine_address(number):
    return str(network(number)[1])


def sandbox_address(number):
    return str(network(number)[2])


def mac_address(number, side):
    """Fixed, so that a restarted host is not waited for until its peers' ARP entries age."""
    return f"02:6f:{side:02x}:00:{number >> 8:02x}:{number & 255:02x}"


def links():
    """The numbers of the links that exist, and their owners."""
    found = {}
    for row in json.loads(ip("-json", "link", "show", "type", "veth") or "[]"):
        suffix = row["ifname"].removeprefix("vireo")
        if suffix.isdigit():
            found[int(suffix)] = row.get("ifalias", "")
    return found


def foreign_networks():
    """What the machine can reach already, its default route apart."""
    networks = []
    for row in json.loads(ip("-json", "-4", "route", "show", "table", "all") or "[]"):
        if row["dst"] != "default" and not row.get("dev", "").startswith("vireo"):
            networks.append(ipaddress.ip_network(row["dst"], strict=False))
    return networks


def choose(owner):
    """A free number for a new owner; the same owner begins its search at the same number."""
    first = zlib.crc32(owner.encode()) % COUNT
    taken = links()
    foreign = foreign_networks()
    for number in ((first + attempt) % COUNT for attempt in range(ATTEMPTS)):
        if number not in taken and not any(network(number).overlaps(one) for one in foreign):
            return number
    raise DataCentreFailure(f"No network of {NETWORK} is free for {owner}.")


def remove(owner):
    """Removes what an earlier life of the owner left."""
    for number, alias in links().items():
        if alias == owner:
            subprocess.run(["ip", "link", "del", interface_name(number)], capture_output=True)


def make(number, owner, process):
    """Connects the network namespace of `process`."""
    name = interface_name(number)
    ip("link", "add", "name", name, "address", mac_address(number, 1), "type", "veth",
       "peer", "name", "eth0", "address", mac_address(number, 2), "netns", str(process))
    ip("link", "set", "dev", name, "alias", owner)
    ip("addr", "add", f"{machine_address(number)}/30", "dev", name)
    ip("link", "set", "dev", name, "up")


def configure_inside(number, process):
    """The sandbox's end, seen from the machine's side."""
    commands = (["link", "set", "lo", "up"], ["link", "set", "eth0", "up"],
                ["addr", "add", f"{sandbox_address(number)}/30", "dev", "eth0"],
                ["route", "add", "default", "via", machine_address(number), "metric", "1000"])
    for command in commands:
        done = subprocess.run(["nsenter", "-t", str(process), "-n", "ip", *command],
                              capture_output=True, text=True)
        if done.returncode:
            raise DataCentreFailure(f"ip {' '.join(command)}: {done.stderr.strip()}")
