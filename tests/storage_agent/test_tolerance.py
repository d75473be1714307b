"""What others wrote, or left, is read: old keys, broken seals, half-removed images."""
import hashlib
import os
import shutil
import time
import uuid

from support import MIB, StorageTest, ZERO, main, metadata, read, seal_is_right


class Tolerance(StorageTest):
    def setUp(self):
        super().setUp()
        self.set_up_pool()

    def write_volume(self, image, volume, size=MIB, **changes):
        """A raw volume as another program would write it; None removes a key."""
        keys = {"CAP": size, "CTIME": 1700000000, "DESCRIPTION": "", "DISKTYPE": "DATA",
                "DOMAIN": self.domain, "FORMAT": "RAW", "GEN": 0, "IMAGE": image,
                "LEGALITY": "LEGAL", "PUUID": ZERO, "SEQ": 1, "TYPE": "SPARSE", "VOLTYPE": "LEAF"}
        keys.update(changes)
        lines = ["%s=%s\n" % (key, keys[key]) for key in sorted(keys) if keys[key] is not None]
        path = self.path("images", image)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, volume), "wb") as file:
            file.truncate(size)
        with open(os.path.join(path, volume + ".meta"), "w") as file:
            file.write("".join(lines) + "EOF\n")
        return image, volume

    def new_ids(self):
        return str(uuid.uuid4()), str(uuid.uuid4())

    def test_old_volume_keys(self):
        image, volume = self.write_volume(*self.new_ids(), CAP=None, SIZE=2048, GEN=None, SEQ=None,
                                          MTIME=0)
        info = self.info(image, volume)
        self.assertEqual((info["capacity"], info["generation"], info["sequence"], info["status"]),
                         (MIB, 0, 0, "OK"))
        self.agent.client.call("Volume.setDescription", description="x",
                               **self.volume(image, volume))
        now = metadata(self.path("images", image, volume + ".meta"))
        self.assertEqual(now["CAP"], str(MIB))
        self.assertNotIn("SIZE", now)

    def test_invalid_volume_metadata(self):
        image, volume = self.write_volume(*self.new_ids(), FORMAT=None)
        self.assertEqual(self.info(image, volume)["status"], "INVALID")
        self.refused(751, "Image.prepare", **self.volume(image, volume))
        self.assertEqual(self.agent.client.call("StorageDomain.getVolumes", storagepoolID=self.pool,
                                                storagedomainID=self.domain, imageID=image),
                         [volume])
        task = self.agent.client.call("Image.delete", imageID=image, storagepoolID=self.pool,
                                      storagedomainID=self.domain, postZero=False, force=False)
        self.agent.client.wait_task(task)

    def test_circular_chain(self):
        image, first = self.new_ids()
        second = str(uuid.uuid4())
        self.write_volume(image, first, PUUID=second, FORMAT="COW")
        self.write_volume(image, second, PUUID=first, FORMAT="COW")
        self.refused(262, "Image.prepare", **self.volume(image, first))

    def test_missing_parent(self):
        image, volume = self.write_volume(*self.new_ids(), PUUID=str(uuid.uuid4()))
        self.refused(201, "Image.prepare", **self.volume(image, volume))

    def test_paths_in_metadata_go_nowhere(self):
        image, volume = self.write_volume(*self.new_ids(), PUUID="../../../../etc/passwd")
        self.assertEqual(self.info(image, volume)["status"], "INVALID")

    def test_broken_seal(self):
        path = self.path("dom_md/metadata")
        good = read(path)
        with open(path, "wb") as file:
            file.write(good.replace(b"data1", b"data2"))
        self.refused(752, "StorageDomain.getInfo", storagedomainID=self.domain)
        with open(path, "wb") as file:
            file.write(b"\n".join(good.replace(b"data1", b"data2").split(b"\n")[:-2]) + b"\n")
        info = self.agent.client.call("StorageDomain.getInfo", storagedomainID=self.domain)
        self.assertEqual(info["name"], "data2")  # no seal: trusted
        self.agent.client.call("StorageDomain.setDescription", storagedomainID=self.domain,
                               description="data3")
        self.assertTrue(seal_is_right(path))

    def seal(self, keys):
        lines = ["%s=%s" % pair for pair in sorted(keys.items())]
        text = "".join(lines).encode("ascii", "xmlcharrefreplace")
        return "\n".join(lines + ["_SHA_CKSUM=" + hashlib.sha1(text).hexdigest(), ""])

    def change_metadata(self, **changes):
        keys = metadata(self.path("dom_md/metadata"))
        del keys["_SHA_CKSUM"]
        keys.update(changes)
        with open(self.path("dom_md/metadata"), "w") as file:
            file.write(self.seal({key: keys[key] for key in keys if keys[key] is not None}))

    def test_odd_domain_metadata(self):
        get = dict(storagedomainID=self.domain)
        self.change_metadata(VERSION="6")
        self.refused(394, "StorageDomain.getInfo", **get)
        self.change_metadata(VERSION="5", SDUUID=str(uuid.uuid4()))
        self.refused(753, "StorageDomain.getInfo", **get)
        self.change_metadata(SDUUID=self.domain, BLOCK_SIZE="1024")
        self.refused(753, "StorageDomain.getInfo", **get)
        self.change_metadata(BLOCK_SIZE="512", CLASS=None)
        self.refused(751, "StorageDomain.getInfo", **get)
        self.change_metadata(CLASS="Data", FUTURE="kept")
        self.agent.client.call("StorageDomain.setDescription", description="x", **get)
        self.assertEqual(metadata(self.path("dom_md/metadata"))["FUTURE"], "kept")
        os.unlink(self.path("dom_md/metadata"))
        self.refused(364, "StorageDomain.getInfo", **get)

    def test_version_4(self):
        self.change_metadata(VERSION="4", BLOCK_SIZE=None, ALIGNMENT=None)
        info = self.agent.client.call("StorageDomain.getInfo", storagedomainID=self.domain)
        self.assertEqual((info["version"], info["block_size"], info["alignment"]), (4, 512, MIB))
        image, volume = self.create()
        now = metadata(self.path("images", image, volume + ".meta"))
        self.assertEqual((now["SIZE"], now["MTIME"]), (str(8 * MIB // 512), "0"))
        self.assertFalse({"CAP", "SEQ"} & now.keys())

    def test_stale_pool_keys(self):
        self.change_metadata(POOL_DOMAINS="%s:Active,%s:Active" % (self.domain, uuid.uuid4()),
                             POOL_SPM_ID="3", POOL_SPM_LVER="17")
        self.connect_pool(self.domain)
        info = self.agent.client.call("StoragePool.getInfo", storagepoolID=self.pool)
        self.assertEqual(list(info["dominfo"]), [self.domain])
        self.assertEqual(info["info"]["spm_id"], 1)

    def test_half_removed_images(self):
        image, volume = self.create()
        removed = self.path("images", "_remove_me_" + image)
        os.rename(self.path("images", image), removed)
        wiped = self.path("images", "_remove_me_ZERO_" + str(uuid.uuid4()))
        os.mkdir(wiped)
        call = self.agent.client.call
        self.assertEqual(call("StorageDomain.getImages", storagedomainID=self.domain), [])
        self.assertEqual(call("StorageDomain.getVolumes", storagepoolID=self.pool,
                              storagedomainID=self.domain, imageID=ZERO), [])
        call("StoragePool.spmStop", storagepoolID=self.pool)
        self.start_spm()
        self.wait_until(lambda: not os.listdir(self.path("images")))

    def wait_until(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_creations_that_were_cut_short_elsewhere(self):
        kept_image, kept = self.create()
        half_image, half, fresh_image, fresh = [str(uuid.uuid4()) for _ in range(4)]
        for image, volume in ((half_image, half), (fresh_image, fresh), (kept_image, half)):
            os.makedirs(self.path("images", image), exist_ok=True)
            open(self.path("images", image, volume), "w").close()
            open(self.path("images", image, volume + ".lease"), "w").close()
        old = time.time() - 4000
        left = self.path("images", kept_image, half + ".0123abcd.new")
        open(left, "w").close()
        for path in (self.path("images", half_image, half), self.path("images", half_image), left,
                     self.path("images", kept_image, half)):
            os.utime(path, (old, old))
        self.agent.client.call("StoragePool.spmStop", storagepoolID=self.pool)
        self.start_spm()
        self.wait_until(lambda: not os.path.exists(self.path("images", half_image)))
        self.wait_until(lambda: set(os.listdir(self.path("images", kept_image))) ==
                        {kept, kept + ".meta"})
        # Younger than an hour: somebody may be at it.
        self.assertEqual(set(os.listdir(self.path("images", fresh_image))),
                         {fresh, fresh + ".lease"})

    def test_modes_of_old_releases(self):
        image, volume = self.create()
        path = self.path("images", image, volume)
        os.chmod(path, 0o600)
        self.agent.client.call("Image.prepare", **self.volume(image, volume))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)

    def test_moved_domain_is_found_again(self):
        other = self.directory + "/other"
        self.agent.client.call("StoragePool.spmStop", storagepoolID=self.pool)
        self.agent.client.call("StoragePool.disconnect", storagepoolID=self.pool, hostID=1,
                               scsiKey="")
        shutil.move(self.local, other)
        self.assertEqual(self.connect(other)["status"], 0)
        info = self.agent.client.call("StorageDomain.getInfo", storagedomainID=self.domain)
        self.assertEqual(info["uuid"], self.domain)


main()
