"""Shared storage: mounts, the owner of files, leases. In a mount space of its own; needs root."""
import ctypes
import os
import pathlib
import struct
import sys
import time
import uuid

from support import (CallError, MIB, StorageTest, ZERO, body, main, metadata, modes, read,
                     seal_is_right, tree)

CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 0x40000, 2
LIBC = ctypes.CDLL(None, use_errno=True)


def own_mounts():
    if LIBC.unshare(CLONE_NEWNS) or LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        print("needs the right to mount")
        sys.exit(77)


def crc32c(data):
    """As sanlock starts and ends it."""
    crc = 0xFFFFFFFE
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


def leader(magic, version, hosts, maximum, space, name, io_timeout):
    """A freshly formatted record of sanlock, made of the documented layout."""
    head = struct.pack("<IIIIQQQQQ48s48sQQ", magic, version, 0x10, 512, hosts, maximum, 0, 0, 0,
                       space.encode(), name.encode(), 0, 0)
    return head + struct.pack("<IHH", crc32c(head), 0, io_timeout) + bytes(24)


class Shared(StorageTest):
    options = ("storage_user=vdsm", "storage_group=36")

    def remove_directory(self):
        """What the agent has mounted stays so, in the namespace of this test, when it ends."""
        mounts = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        for path in reversed(mounts):
            if path.startswith(self.directory):
                LIBC.umount2(path.encode(), MNT_DETACH)
        super().remove_directory()

    def setUp(self):
        super().setUp()
        os.chown(self.local, 36, 36)

    def connect(self, path=None, **more):
        return super().connect(path, 6, **dict({"vfs_type": "bind"}, **more))

    def disconnect(self, path=None):
        return self.agent.client.call(
            "StoragePool.disconnectStorageServer", storagepoolID=ZERO, domainType=6,
            connectionParams=[{"id": str(uuid.uuid4()), "connection": path or self.local}])[0]

    def make_domain(self, path=None, **more):
        return super().make_domain(path, 6, **more)

    def set_up_pool(self):
        self.agent.start()
        self.assertEqual(self.connect()["status"], 0)
        self.make_pool(self.make_domain())

    def mount_path(self):
        name = self.local.replace("_", "__").replace("/", "_")
        return "%s/rhev/mnt/%s" % (self.directory, name)

    def test_mounts(self):
        self.agent.start()
        self.assertEqual(self.connect()["status"], 0)
        self.assertEqual(self.connect()["status"], 0)
        self.assertIn((" %s " % self.mount_path()).encode(), read("/proc/self/mountinfo"))
        self.assertEqual(self.disconnect()["status"], 0)
        self.assertNotIn(self.mount_path().encode(), read("/proc/self/mountinfo"))
        self.assertFalse(os.path.exists(self.mount_path()))
        self.assertEqual(self.disconnect()["status"], 0)

    def test_failing_mounts_say_why(self):
        self.agent.start()
        status = self.connect("/nowhere/at/all")
        self.assertEqual(status["status"], 477)
        self.assertIn("Cause:", status["message"])
        self.assertIn("Check the path", status["message"])
        status = self.connect("/dev/null", vfs_type="no-such-fs")
        self.assertEqual(status["status"], 477)
        self.assertIn("knows no no-such-fs", status["message"])
        nfs = self.agent.client.call(
            "StoragePool.connectStorageServer", storagepoolID=ZERO, domainType=1,
            connectionParams=[{"id": "a", "connection": "127.0.0.1:/none"},
                              {"id": "b", "connection": "/no/server"}])
        self.assertEqual([(one["id"], one["status"]) for one in nfs], [("a", 477), ("b", 453)])
        self.assertIn("nfs", nfs[0]["message"])
        self.assertEqual(os.listdir(self.directory + "/rhev/mnt"), [])

    def test_no_rights_on_the_storage(self):
        """Root could write there, but a server would not take root for the owner."""
        os.chown(self.local, 0, 0)
        self.agent.start()
        status = self.connect()
        self.assertEqual(status["status"], 469)
        self.assertIn("No file can be made", status["message"])
        self.assertIn("user 36", status["message"])
        self.assertFalse(os.path.exists(self.mount_path()))

    def test_folder_that_takes_no_files(self):
        """Often nothing is mounted where something should be: what is there is told."""
        os.chown(self.local, 0, 0)
        os.chmod(self.local, 0o755)
        self.agent.start()
        status = super().connect()
        self.assertEqual(status["status"], 469)
        for text in (self.local, "belongs to 0:0", "mode 0755", "nothing is mounted there",
                     "mount it on this host", "chown 36:36 " + self.local):
            self.assertIn(text, status["message"])
        missing = super().connect(self.local + "/none")
        self.assertEqual(missing["status"], 1000)
        self.assertIn("chown 36:36 %s/none" % self.local, missing["message"])

    def test_full_storage_can_be_used(self):
        """Whoever is to make room there must come in."""
        LIBC.mount(b"tmpfs", self.local.encode(), b"tmpfs", 0, b"size=1m,mode=755,uid=36,gid=36")
        with self.assertRaises(OSError), open(self.local + "/ballast", "wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        self.agent.start()
        self.assertEqual(self.connect()["status"], 0)
        with self.assertRaises(CallError) as refused:
            self.make_domain()
        self.assertIn("No space left", refused.exception.message)
        self.assertEqual(self.disconnect()["status"], 0)
        self.assertEqual(super().connect()["status"], 0)
        self.assertEqual(os.listdir(self.local), ["ballast"])

    def test_files_of_a_shared_domain(self):
        self.agent.start()
        self.connect()
        self.domain = self.make_domain()
        self.assertEqual({name: size for name, size in tree(self.path()).items()
                          if name != "dom_md/metadata"}, {
            "dom_md": "directory", "images": "directory", "dom_md/ids": (MIB, 1),
            "dom_md/leases": (2 * MIB, 1), "dom_md/xleases": (MIB + 253952, 1),
            "dom_md/inbox": (16 * MIB, 1), "dom_md/outbox": (16 * MIB, 1)})
        self.assertTrue(seal_is_right(self.path("dom_md/metadata")))
        self.assertEqual(metadata(self.path("dom_md/metadata"))["BLOCK_SIZE"], "512")
        self.assertEqual(metadata(self.path("dom_md/metadata"))["TYPE"], "POSIXFS")
        record = leader(0x12212010, 0x00030004, 0, 1, self.domain, "", 10).ljust(512, b"\0")
        self.assertEqual(read(self.path("dom_md/ids")), (record * 2000).ljust(MIB, b"\0"))
        resource = leader(0x06152010, 0x00060004, 2000, 2000, self.domain, "SDM", 0)
        request = struct.pack("<II", 0x08292011, 0x00010001)
        self.assertEqual(read(self.path("dom_md/leases")),
                         bytes(MIB) + (resource.ljust(512, b"\0") + request).ljust(MIB, b"\0"))
        leases = read(self.path("dom_md/xleases"))
        mtime = leases[MIB + 59:MIB + 69]
        self.assertLess(abs(int(mtime) - time.time()), 60)
        head = b"\x12\x15\x20\x16\0" + b"0001\0" + self.domain.encode().ljust(48, b"\0") + b"\0" + \
            mtime + b"\0-" + bytes(440) + b"\n"
        free = bytes(48) + b"\0" + b"0" * 11 + b"\0--\n"
        self.assertEqual(leases, bytes(MIB) + head + free * 3960)
        for name in ("dom_md/inbox", "dom_md/outbox"):
            self.assertFalse(any(read(self.path(name))))
            self.assertLess(os.stat(self.path(name)).st_blocks * 512, MIB)
        self.assertEqual(modes(self.local), {
            self.domain: 0o755, **{"%s/%s" % (self.domain, name): mode for name, mode in (
                ("dom_md", 0o775), ("images", 0o755), ("dom_md/metadata", 0o644),
                ("dom_md/ids", 0o660), ("dom_md/leases", 0o660), ("dom_md/xleases", 0o660),
                ("dom_md/inbox", 0o660), ("dom_md/outbox", 0o660))}})
        for parent, directories, files in os.walk(self.path()):
            for name in directories + files:
                info = os.lstat(os.path.join(parent, name))
                self.assertEqual((info.st_uid, info.st_gid), (36, 36), name)

    def fresh(self, **changes):
        """All keys of a new domain."""
        keys = dict({
            "ALIGNMENT": MIB, "BLOCK_SIZE": 512, "CLASS": "Data", "DESCRIPTION": "data1",
            "IOOPTIMEOUTSEC": 10, "LEASERETRIES": 3, "LEASETIMESEC": 60, "LOCKPOLICY": "",
            "LOCKRENEWALINTERVALSEC": 5, "POOL_UUID": "", "REMOTE_PATH": self.local,
            "ROLE": "Regular", "SDUUID": self.domain, "TYPE": "POSIXFS", "VERSION": 5}, **changes)
        return ["%s=%s" % (key, keys[key]) for key in sorted(keys) if keys[key] is not None]

    def test_metadata_from_birth_to_parting(self):
        self.agent.start()
        self.connect()
        self.domain = self.make_domain()
        path = self.path("dom_md/metadata")
        self.assertEqual(body(path), self.fresh())
        self.make_pool(self.domain)
        master = self.fresh(
            MASTER_VERSION=1, POOL_DESCRIPTION="dc1", POOL_DOMAINS=self.domain + ":Active",
            POOL_SPM_ID=-1, POOL_SPM_LVER=-1, POOL_UUID=self.pool, ROLE="Master")
        self.assertEqual(body(path), master)
        self.assertTrue(seal_is_right(path))
        self.assertEqual({name: mode for name, mode in modes(self.path()).items()
                          if name.startswith("master")},
                         {"master": 0o755, "master/vms": 0o755, "master/tasks": 0o755})
        self.agent.client.call("StoragePool.destroy", storagepoolID=self.pool, hostID=1,
                               scsiKey=self.pool)
        now = metadata(path)
        self.assertEqual((now["POOL_UUID"], now["ROLE"]), ("", "Regular"))
        self.assertTrue(seal_is_right(path))

    def test_a_new_domain_of_version_4(self):
        self.agent.start()
        self.connect()
        self.domain = self.make_domain(version="4")
        self.assertEqual(body(self.path("dom_md/metadata")),
                         self.fresh(ALIGNMENT=None, BLOCK_SIZE=None, VERSION=4))
        self.assertEqual(os.path.getsize(self.path("dom_md/xleases")), MIB + 253952)
        self.make_pool(self.domain)
        image, volume = self.create(volFormat=4)
        path = self.path("images", image, volume)
        text = read(path + ".meta").decode()
        self.assertEqual(text, (
            "CTIME=%s\nDESCRIPTION={\"DiskAlias\":\"d1\",\"DiskDescription\":\"\"}\n"
            "DISKTYPE=DATA\nDOMAIN=%s\nFORMAT=COW\nGEN=0\nIMAGE=%s\nLEGALITY=LEGAL\nMTIME=0\n"
            "PUUID=%s\nSIZE=16384\nTYPE=SPARSE\nVOLTYPE=LEAF\nEOF\n") % (
                metadata(path + ".meta")["CTIME"], self.domain, image, ZERO))
        with open(path, "rb") as file:
            self.assertEqual(struct.unpack(">I", file.read(8)[4:]), (3,))  # compat 1.1

    def test_leases_of_volumes(self):
        self.set_up_pool()
        image, volume = self.create(volFormat=4)
        resource = leader(0x06152010, 0x00060004, 2000, 2000, self.domain, volume, 0)
        request = struct.pack("<II", 0x08292011, 0x00010001)
        self.assertEqual(read(self.path("images", image, volume + ".lease")),
                         (resource.ljust(512, b"\0") + request).ljust(MIB, b"\0"))
        info = self.info(image, volume)
        self.assertEqual(info["lease"]["offset"], 0)
        self.assertTrue(info["lease"]["path"].endswith(volume + ".lease"))
        for name in os.listdir(self.path("images", image)):
            info = os.stat(self.path("images", image, name))
            self.assertEqual((info.st_uid, info.st_gid), (36, 36), name)
        self.assertEqual(modes(self.path("images")), {
            image: 0o755, "%s/%s" % (image, volume): 0o660, "%s/%s.meta" % (image, volume): 0o644,
            "%s/%s.lease" % (image, volume): 0o660})

    def test_leases_of_machines(self):
        self.set_up_pool()
        call = self.agent.client.call
        leases = [{"sd_id": self.domain, "lease_id": str(uuid.uuid4())} for _ in range(3)]
        for number, lease in enumerate(leases):
            self.agent.client.wait_task(call("Lease.create", lease=lease))
            info = call("Lease.info", lease=lease)
            self.assertEqual(info["offset"], (3 + number) * MIB)
            self.assertEqual(os.path.getsize(info["path"]), (4 + number) * MIB)
            self.assertEqual(call("Lease.status", lease=lease), {"owners": [], "version": 0})
        data = read(self.path("dom_md/xleases"))
        for number, lease in enumerate(leases):
            record = lease["lease_id"].encode().ljust(48, b"\0") + b"\0%011d\0--\n" % (
                (3 + number) * MIB)
            self.assertEqual(data[MIB + 512 + 64 * number:][:64], record)
            slot = leader(0x06152010, 0x00060004, 2000, 2000, self.domain, lease["lease_id"], 0)
            self.assertEqual(data[(3 + number) * MIB:][:len(slot)], slot)
        again = self.agent.client.wait_task(call("Lease.create", lease=leases[1]), "cleanSuccess")
        self.assertEqual(again["code"], 100)
        self.agent.client.wait_task(call("Lease.delete", lease=leases[1]))
        self.refused(936, "Lease.info", lease=leases[1])
        data = read(self.path("dom_md/xleases"))
        self.assertEqual(data[MIB + 512 + 64:][:64], bytes(48) + b"\0" + b"0" * 11 + b"\0--\n")
        empty = leader(0x06152010, 0x00060004, 2000, 2000, "", "", 0)
        self.assertEqual(data[4 * MIB:][:len(empty)], empty)
        self.assertEqual(len(data), 6 * MIB)
        gone = self.agent.client.wait_task(call("Lease.delete", lease=leases[1]), "cleanSuccess")
        self.assertEqual(gone["code"], 936)
        self.agent.client.wait_task(call("Lease.create", lease=leases[1]))
        self.assertEqual(call("Lease.info", lease=leases[1])["offset"], 4 * MIB)

    def test_the_lease_of_another_manager(self):
        self.set_up_pool()
        call = self.agent.client.call
        call("StoragePool.spmStop", storagepoolID=self.pool)
        head = struct.pack("<IIIIQQQQQ48s48sQQ", 0x06152010, 0x00060004, 0x10, 512, 2000, 2000, 7,
                           1, 42, self.domain.encode(), b"SDM", 12345, 0)
        with open(self.path("dom_md/leases"), "r+b") as file:
            file.seek(MIB)
            file.write(head + struct.pack("<I", crc32c(head)))
        self.assertEqual(call("StoragePool.getSpmStatus", storagepoolID=self.pool),
                         {"spmStatus": "Free", "spmLver": 42, "spmId": 7})
        task = call("StoragePool.spmStart", storagepoolID=self.pool)
        status = self.agent.client.wait_task(task, "cleanSuccess")
        self.assertEqual(status["code"], 651)
        self.assertIn("Host 7", status["message"])

    def test_pools_survive_the_agent_with_mounts(self):
        self.set_up_pool()
        image, volume = self.create()
        self.agent.kill()
        self.agent.start()
        self.agent.client.call("Image.prepare", **self.volume(image, volume))
        self.assertEqual(self.agent.client.call(
            "StoragePool.getSpmStatus", storagepoolID=self.pool)["spmStatus"], "SPM")

    def test_a_server_that_hangs(self):
        """The domain's mount stops answering: it alone suffers, and whoever asks is told."""
        self.set_up_pool()
        image, volume = self.create()
        other = self.directory + "/other"
        os.mkdir(other)
        os.chown(other, 36, 36)
        self.connect(other)
        second = self.make_domain(other)
        call = self.agent.client.call
        for verb in ("attach", "activate"):
            call("StorageDomain." + verb, storagedomainID=second, storagepoolID=self.pool)
        # A FUSE mount whose server never says a word, on top.
        hung = "%s/rhev/mnt/%s" % (self.directory, other.replace("_", "__").replace("/", "_"))
        fuse = os.open("/dev/fuse", os.O_RDWR)
        options = "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fuse
        space = "/proc/%d/ns/mnt" % self.agent.process.pid
        self.assertEqual(os.readlink(space), os.readlink("/proc/self/ns/mnt"))
        if LIBC.mount(b"hung", hung.encode(), b"fuse", 0, options.encode()):
            os.close(fuse)
            self.skipTest("no FUSE here")
        try:
            deadline = time.monotonic() + 60
            while True:
                start = time.monotonic()
                stats = call("Host.getStorageRepoStats")
                self.assertLess(time.monotonic() - start, 1)
                if stats[second]["code"]:
                    break
                self.assertLess(time.monotonic(), deadline, stats)
                self.info(image, volume)  # the other domain goes on
                time.sleep(0.5)
            self.assertEqual((stats[second]["code"], stats[second]["valid"]), (379, False))
            self.assertGreaterEqual(float(stats[second]["lastCheck"]), 20)
            message = self.refused(379, "StorageDomain.getInfo", storagedomainID=second)
            self.assertIn("has not answered for", message)
            self.create()
            info = call("StoragePool.getInfo", storagepoolID=self.pool)
            self.assertEqual(info["dominfo"][second]["status"], "Active")
        finally:
            os.close(fuse)  # the kernel gives up waiting
            LIBC.umount2(hung.encode(), MNT_DETACH)


own_mounts()
main()
