"""How fast images go in and out, over how fast qemu-img copies them on the same disk.

The fastest of some rounds is told: what else runs on the machine only ever makes a round slower,
and most those that need the processor."""

import dataclasses
import os
import resource
import subprocess
import time

from .centre import add_disk, curl, new_centre, transfer, without_pacing
from .figure import Figure
from .measure import cpu_seconds

SIZE = 1 << 30
ROUNDS = 7


@dataclasses.dataclass
class Round:
    seconds: float
    command_cpu: float
    agent_cpu: float


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(command, agent):
    before = children_cpu(), cpu_seconds(agent), time.monotonic()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return Round(time.monotonic() - before[2], children_cpu() - before[0],
                 cpu_seconds(agent) - before[1])


def write_noise(path):
    with path.open("wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))


# As the image server does it: not through the page cache, and safe on the disk at the end.
def write_command(source, target):
    return ["qemu-img", "convert", "-n", "-t", "none", "-f", "raw", "-O", "raw", source, target]


def read_command(source):
    return ["qemu-img", "convert", "-n", "-T", "none", "-f", "raw", source,
            "--target-image-opts", f"driver=null-co,size={SIZE}"]


def volume_path(centre, disk):
    found = (centre.host.directory / "var/lib/vireo/storage").glob(f"local/*/images/{disk}/*")
    return next(path for path in found if not path.suffix)


def transfer_ratios(build):
    with new_centre(build) as centre:
        folder = centre.host.directory / "var/lib/vireo/storage"
        source, target = folder / "source.raw", folder / "target.raw"
        write_noise(source)
        target.touch()
        os.truncate(target, SIZE)
        disk = add_disk(centre, "bench", SIZE, "raw")
        volume = volume_path(centre, disk)
        agent = centre.host.processes("vireo-agent")[0]
        without_pacing(centre)
        rounds = {"upload": [], "write": [], "download": [], "read": []}
        for _ in range(ROUNDS):
            with transfer(centre, disk, "upload", "raw") as url:
                rounds["upload"].append(measure(curl(centre, "-T", source, url), agent))
            rounds["write"].append(measure(write_command(source, target), agent))
            with transfer(centre, disk, "download", "raw") as url:
                rounds["download"].append(measure(curl(centre, "-o", os.devnull, url), agent))
            rounds["read"].append(measure(read_command(volume), agent))
        for name, plain in (("upload", "write"), ("download", "read")):
            yield from transfer_figures(name, rounds[name], rounds[plain])


def transfer_figures(name, rounds, plain):
    took, reference = (min(one.seconds for one in some) for some in (rounds, plain))
    curl_cpu, agent_cpu = (min(getattr(one, whose) for one in rounds)
                           for whose in ("command_cpu", "agent_cpu"))
    yield Figure(f"{name}_ratio", reference / took,
                 f"speed of curl at the host's image server over TLS, {rate(took)}, over that of "
                 f"qemu-img convert, {rate(reference)}: {SIZE >> 20} MiB raw, fastest of "
                 f"{ROUNDS}; curl itself used {curl_cpu:.2f} s of CPU")
    yield Figure(f"{name}_cpu", agent_cpu * (1 << 30) / SIZE,
                 f"CPU of the agent for a GiB, least of {ROUNDS}")


def rate(seconds):
    return f"{SIZE / 1e6 / seconds:.0f} MB/s"
