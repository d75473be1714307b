"""The guest's disk: a boot partition for BIOS (syslinux) and UEFI (systemd-boot), and a data
partition."""

import os
import pathlib
import shutil
import struct
import subprocess

SECTOR = 512
MIB = 1 << 20
BOOT_START, BOOT_SIZE = 1 * MIB, 47 * MIB
DATA_START, DATA_SIZE = 48 * MIB, 80 * MIB
DISK_SIZE = 128 * MIB
DISK_ID = 0x0F1E0001
TYPE_EFI_SYSTEM, TYPE_LINUX = 0xEF, 0x83
DATA_UUID = "0f1e0001-0000-4000-8000-000000000001"

COMMAND_LINE = "console=tty0 console=ttyS0,115200 quiet no_timer_check cryptomgr.notests"

SYSLINUX_CONFIG = f"""\
DEFAULT vireo
PROMPT 0
LABEL vireo
  LINUX /vmlinuz
  INITRD /initrd.img
  APPEND {COMMAND_LINE}
"""

LOADER_CONFIG = "default vireo.conf\ntimeout 0\n"

LOADER_ENTRY = f"""\
title Vireo test guest
linux /vmlinuz
initrd /initrd.img
options {COMMAND_LINE}
"""


def run(*arguments, **variables):
    """Runs a program with the time standing still, for the same output at each build."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000",
                   "E2FSPROGS_FAKE_TIME": "1700000000", "TZ": "UTC", "MTOOLS_SKIP_CHECK": "1",
                   **variables}
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, env=environment)


def boot_partition(packages, work, kernel, initrd):
    """A FAT file system with both boot loaders, the kernel and the initramfs."""
    image = work / "boot.img"
    with image.open("wb") as file:
        file.truncate(BOOT_SIZE)
    drive = ("-i", str(image))
    run(packages.tool("mformat"), *drive, "-v", "VIREO-BOOT", "-N", "0f1e0002",
        "-H", str(BOOT_START // SECTOR), "-T", str(BOOT_SIZE // SECTOR), "-h", "16", "-s", "63",
        "::")
    tree = work / "boot"
    for folder in ("EFI/BOOT", "loader/entries"):
        (tree / folder).mkdir(parents=True)
    (tree / "syslinux.cfg").write_text(SYSLINUX_CONFIG)
    (tree / "loader/loader.conf").write_text(LOADER_CONFIG)
    (tree / "loader/entries/vireo.conf").write_text(LOADER_ENTRY)
    shutil.copy(packages.path("usr/lib/systemd/boot/efi/systemd-bootx64.efi"),
                tree / "EFI/BOOT/BOOTX64.EFI")
    shutil.copy(kernel, tree / "vmlinuz")
    shutil.copy(initrd, tree / "initrd.img")
    for path in sorted(tree.rglob("*")):
        os.utime(path, (1700000000, 1700000000))
    entries = [str(path) for path in sorted(tree.iterdir())]
    run(packages.tool("mcopy"), *drive, "-s", "-m", *entries, "::/")
    path = f"{pathlib.Path(packages.tool('mcopy')).parent}:{os.environ['PATH']}"
    run(packages.tool("syslinux"), "--install", str(image), PATH=path)
    return image


def data_partition(work):
    image = work / "data.img"
    run("/sbin/mke2fs", "-q", "-t", "ext4", "-L", "vireo-data", "-U", DATA_UUID,
        "-E", f"hash_seed={DATA_UUID},lazy_itable_init=0,root_owner=0:0", "-J", "size=4",
        "-m", "0", str(image), f"{DATA_SIZE // 1024}k")
    return image


def partition_table(boot_code):
    def entry(active, kind, start, size):
        beyond_cylinders = b"\xfe\xff\xff"
        return struct.pack("<B3sB3sII", active, beyond_cylinders, kind, beyond_cylinders,
                           start // SECTOR, size // SECTOR)

    table = entry(0x80, TYPE_EFI_SYSTEM, BOOT_START, BOOT_SIZE)
    table += entry(0, TYPE_LINUX, DATA_START, DATA_SIZE)
    return boot_code[:440].ljust(440, b"\0") + struct.pack("<IH", DISK_ID, 0) + \
        table.ljust(64, b"\0") + b"\x55\xaa"


def build(packages, work, kernel, initrd, output):
    """Writes the qcow2 image `output`; `work` is an empty directory for what is in between."""
    raw = work / "disk.img"
    boot_code = packages.path("usr/lib/syslinux/mbr/mbr.bin").read_bytes()
    with raw.open("wb") as file:
        file.truncate(DISK_SIZE)
        file.write(partition_table(boot_code))
        for start, image in ((BOOT_START, boot_partition(packages, work, kernel, initrd)),
                             (DATA_START, data_partition(work))):
            file.seek(start)
            file.write(image.read_bytes())
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(output))
