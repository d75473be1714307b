"""How fast images go in and out, over how fast qemu-img copies them on the same disk."""

import os
import statistics
import subprocess
import time

from .centre import add_disk, curl, new_centre, transfer
from .figure import Figure

SIZE = 1 << 30
ROUNDS = 5


def seconds_of(command):
    begun = time.monotonic()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


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
        rounds = {"upload": [], "write": [], "download": [], "read": []}
        for _ in range(ROUNDS):
            with transfer(centre, disk, "upload", "raw") as url:
                rounds["upload"].append(seconds_of(curl(centre, "-T", source, url)))
            rounds["write"].append(seconds_of(write_command(source, target)))
            with transfer(centre, disk, "download", "raw") as url:
                rounds["download"].append(seconds_of(curl(centre, "-o", os.devnull, url)))
            rounds["read"].append(seconds_of(read_command(volume)))
        for name, plain in (("upload", "write"), ("download", "read")):
            took, reference = (statistics.median(rounds[one]) for one in (name, plain))
            yield Figure(f"{name}_ratio", reference / took,
                         f"speed of curl at the host's image server over TLS, {rate(took)}, over "
                         f"that of qemu-img convert, {rate(reference)}: {SIZE >> 20} MiB raw, "
                         f"medians of {ROUNDS}")


def rate(seconds):
    return f"{SIZE / 1e6 / seconds:.0f} MB/s"
