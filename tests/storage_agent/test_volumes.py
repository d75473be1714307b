"""Volumes and images: chains, templates, sizes, removal."""
import json
import os
import stat
import subprocess
import uuid

from support import MIB, StorageTest, ZERO, main, metadata, read, tree


def qemu(*words):
    return subprocess.run(["qemu-img", *words], check=True, capture_output=True).stdout


class Volumes(StorageTest):
    def setUp(self):
        super().setUp()
        self.set_up_pool()

    def image_path(self, image, *names):
        return self.path("images", image, *names)

    def check_chain(self, image, leaf):
        answer = json.loads(qemu("check", "--output", "json", "-f", "qcow2",
                                 self.image_path(image, leaf)))
        self.assertEqual((answer["check-errors"], answer.get("leaks", 0)), (0, 0))

    def test_raw_sparse(self):
        image, volume = self.create(size=5 * MIB + 1)
        path = self.image_path(image, volume)
        info = os.stat(path)
        self.assertEqual((info.st_size, info.st_blocks * 512), (5 * MIB + 4096, 4096))
        self.assertEqual(stat.S_IMODE(info.st_mode), 0o660)
        self.assertEqual(tree(self.image_path(image)).keys(), {volume, volume + ".meta"})
        text = read(path + ".meta").decode()
        ctime = metadata(path + ".meta")["CTIME"]
        self.assertEqual(text, (
            "CAP=5246976\nCTIME=%s\nDESCRIPTION={\"DiskAlias\":\"d1\",\"DiskDescription\":\"\"}\n"
            "DISKTYPE=DATA\nDOMAIN=%s\nFORMAT=RAW\nGEN=0\nIMAGE=%s\nLEGALITY=LEGAL\nPUUID=%s\n"
            "SEQ=0\nTYPE=SPARSE\nVOLTYPE=LEAF\nEOF\n") % (ctime, self.domain, image, ZERO))
        told = self.info(image, volume)
        self.assertEqual((told["capacity"], told["status"], told["voltype"], told["format"]),
                         (5246976, "OK", "LEAF", "RAW"))

    def test_raw_preallocated(self):
        image, volume = self.create(preallocate=1, initialSize=str(8 * MIB))
        self.assertGreaterEqual(os.stat(self.image_path(image, volume)).st_blocks * 512, 8 * MIB)
        self.assertFalse(any(read(self.image_path(image, volume))))

    def test_cow(self):
        image, volume = self.create(volFormat=4)
        answer = self.agent.client.call("Volume.getQemuImageInfo", **self.volume(image, volume))
        self.assertEqual(answer, {"format": "qcow2", "virtualsize": 8 * MIB, "clustersize": 65536,
                                  "compat": "1.1"})
        info = json.loads(qemu("info", "--output", "json", self.image_path(image, volume)))
        self.assertEqual(info["format-specific"]["data"]["refcount-bits"], 16)
        image, volume = self.create(volFormat=4, preallocate=1)
        self.assertGreaterEqual(os.stat(self.image_path(image, volume)).st_size, 8 * MIB)
        self.check_chain(image, volume)

    def test_chain_of_snapshots(self):
        image, base = self.create()
        with open(self.image_path(image, base), "r+b") as file:
            file.write(b"base" * 1000)
        chain = [base]
        for number in range(3):
            _, volume = self.create(image=image, volFormat=4, srcImgUUID=image,
                                    srcVolUUID=chain[-1], sequence=number + 1)
            chain.append(volume)
        roles = [self.info(image, volume)["voltype"] for volume in chain]
        self.assertEqual(roles, ["INTERNAL", "INTERNAL", "INTERNAL", "LEAF"])
        info = json.loads(qemu("info", "--backing-chain", "--output", "json",
                               self.image_path(image, chain[-1])))
        self.assertEqual([node.get("backing-filename") for node in info],
                         [chain[2], chain[1], base, None])
        self.assertEqual([node.get("backing-filename-format") for node in info],
                         ["qcow2", "qcow2", "raw", None])
        self.assertEqual(info[0]["format-specific"]["data"]["compat"], "1.1")
        self.check_chain(image, chain[-1])
        call = self.agent.client.call
        path = call("Image.prepare", **self.volume(image, chain[-1]))["path"]
        self.assertTrue(path.startswith(self.directory + "/rhev/mnt/"))
        link = "%s/run/storage/%s/%s" % (self.directory, self.domain, image)
        self.assertTrue(os.path.samefile(os.path.join(link, chain[-1]), path))
        self.assertEqual(call("Image.reconcileVolumeChain", storagepoolID=self.pool,
                              storagedomainID=self.domain, imageID=image, leafVolID=chain[-1]),
                         chain)
        call("Image.teardown", **self.volume(image, chain[-1]))
        self.assertFalse(os.path.lexists(link))
        # Removing the leaf makes its parent the leaf again.
        self.delete_volumes(image, [chain[-1]])
        self.assertEqual(self.info(image, chain[2])["voltype"], "LEAF")
        self.delete_volumes(image, [base], expected="cleanSuccess")  # others build on it
        self.assertEqual(self.info(image, base)["status"], "OK")

    def delete_volumes(self, image, volumes, expected="success", **more):
        task = self.agent.client.call("Image.deleteVolumes", imageID=image,
                                      storagepoolID=self.pool, storagedomainID=self.domain,
                                      volumeList=volumes, **more)
        return self.agent.client.wait_task(task, expected)

    def delete_image(self, image, expected="success", **more):
        task = self.agent.client.call("Image.delete", **dict(dict(
            imageID=image, storagepoolID=self.pool, storagedomainID=self.domain, postZero=False,
            force=False), **more))
        return self.agent.client.wait_task(task, expected)

    def template(self):
        """An image whose one volume is a template."""
        image, volume = self.create(volFormat=4)
        job = str(uuid.uuid4())
        self.agent.client.call("SDM.update_volume", job_id=job, vol_attr={"type": "SHARED"},
                               vol_info={"sd_id": self.domain, "img_id": image, "vol_id": volume,
                                         "generation": 0})
        self.agent.client.wait_job(job)
        return image, volume

    def test_template_is_linked(self):
        image, base = self.template()
        child_image, child = self.create(volFormat=4, srcImgUUID=image, srcVolUUID=base)
        self.assertEqual(set(os.listdir(self.image_path(child_image))),
                         {child, child + ".meta", base, base + ".meta"})
        for name in (base, base + ".meta"):
            self.assertTrue(os.path.samefile(self.image_path(image, name),
                                             self.image_path(child_image, name)))
        self.assertEqual(metadata(self.image_path(child_image, base + ".meta"))["IMAGE"], image)
        self.assertEqual(self.info(image, base)["voltype"], "SHARED")
        self.check_chain(child_image, child)
        self.refused(223, "Image.delete", imageID=image, storagepoolID=self.pool,
                     storagedomainID=self.domain, postZero=False, force=False)
        self.refused(215, "Volume.setDescription", description="x",
                     **self.volume(child_image, base))
        # A change of the template's metadata shows in all images.
        self.agent.client.call("Volume.setDescription", description="new",
                               **self.volume(image, base))
        self.assertTrue(os.path.samefile(self.image_path(image, base + ".meta"),
                                         self.image_path(child_image, base + ".meta")))
        volumes = self.agent.client.call("StorageDomain.getVolumes", storagepoolID=self.pool,
                                         storagedomainID=self.domain, imageID=child_image)
        self.assertEqual(set(volumes), {base, child})
        self.assertEqual(set(self.agent.client.call(
            "StorageDomain.getVolumes", storagepoolID=self.pool, storagedomainID=self.domain,
            imageID=ZERO)), {base, child})
        self.delete_image(child_image)
        self.delete_image(image)
        self.assertEqual(os.listdir(self.path("images")), [])

    def test_what_can_not_be_a_volume(self):
        image, base = self.create()
        create = lambda code, **more: self.refused(code, "Volume.create",
                                                   **self.create_parameters(**more))
        create(202, srcVolUUID=base, image=image)           # raw on a parent
        create(202, volFormat=9)
        create(231, preallocate=9)
        create(1000, diskType="XXXX")
        create(229, size=0)
        create(1000, initialSize="4096")                    # sparse
        create(1000, initialSize=str(9 * MIB), preallocate=1)
        create(1000, volFormat=4, initialSize="1")
        create(75, addBitmaps=True)
        create(75, bitmap=str(uuid.uuid4()))                # raw
        create(1000, sequence=-1)
        result = lambda **more: self.agent.client.wait_task(self.agent.client.call(
            "Volume.create", **self.create_parameters(**more)), "cleanSuccess")["code"]
        self.assertEqual(result(image=image, volume=base), 212)
        self.assertEqual(result(image=image, volFormat=4, srcVolUUID=base, size=MIB), 1000)
        self.assertEqual(result(volFormat=4, srcImgUUID=image, srcVolUUID=base), 214)
        self.assertEqual(result(image=image, volFormat=4, srcVolUUID=str(uuid.uuid4())), 201)
        self.assertEqual(result(desc="x\nLEGALITY=LEGAL"), 1000)
        self.assertEqual(result(desc="\u20ac" * 200), 756)
        self.agent.client.call("Volume.setLegality", legality="ILLEGAL", **self.volume(image, base))
        self.assertEqual(result(image=image, volFormat=4, srcVolUUID=base), 226)
        self.assertEqual(self.agent.client.call("StorageDomain.getImages",
                                                storagedomainID=self.domain), [image])
        self.assertEqual(set(os.listdir(self.image_path(image))), {base, base + ".meta"})

    def test_illegal_volumes(self):
        image, volume = self.create(legal=False)
        self.assertEqual(self.info(image, volume)["status"], "ILLEGAL")
        self.refused(227, "Image.prepare", **self.volume(image, volume))
        self.agent.client.call("Image.prepare", allowIllegal=True, **self.volume(image, volume))
        self.agent.client.call("Volume.setLegality", legality="LEGAL",
                               **self.volume(image, volume))
        self.assertEqual(self.info(image, volume)["legality"], "LEGAL")
        self.refused(1000, "Volume.setLegality", legality="MAYBE", **self.volume(image, volume))

    def extend(self, image, volume, size, expected="success"):
        task = self.agent.client.call("Volume.extendSize", newSize=str(size),
                                      **self.volume(image, volume))
        return self.agent.client.wait_task(task, expected)

    def test_growing(self):
        image, raw = self.create()
        self.extend(image, raw, 16 * MIB)
        self.assertEqual(os.path.getsize(self.image_path(image, raw)), 16 * MIB)
        self.assertEqual(self.info(image, raw)["capacity"], 16 * MIB)
        self.extend(image, raw, 16 * MIB)
        self.assertEqual(self.extend(image, raw, 8 * MIB, "cleanSuccess")["code"], 232)
        image, full = self.create(preallocate=1)
        self.extend(image, full, 16 * MIB)
        self.assertGreaterEqual(os.stat(self.image_path(image, full)).st_blocks * 512, 16 * MIB)
        image, cow = self.create(volFormat=4)
        self.extend(image, cow, 16 * MIB)
        self.assertEqual(json.loads(qemu("info", "--output", "json", self.image_path(image, cow)))
                         ["virtual-size"], 16 * MIB)
        self.assertEqual(self.info(image, cow)["capacity"], 16 * MIB)
        _, child = self.create(image=image, volFormat=4, srcVolUUID=cow, size=16 * MIB)
        self.assertEqual(self.extend(image, cow, 32 * MIB, "cleanSuccess")["code"], 213)
        self.extend(image, child, 32 * MIB)
        self.check_chain(image, child)

    def test_growing_what_a_vm_writes(self):
        image, cow = self.create(volFormat=4)
        path = self.image_path(image, cow)
        server = subprocess.Popen(["qemu-nbd", "-t", "-f", "qcow2", "-k",
                                   self.directory + "/nbd.sock", path])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        while not os.path.exists(self.directory + "/nbd.sock"):
            self.assertIsNone(server.poll())
        self.extend(image, cow, 16 * MIB)  # the VM grows it itself
        self.assertEqual(self.info(image, cow)["capacity"], 8 * MIB)

    def test_removed_images_vanish(self):
        image, base = self.create()
        with open(self.image_path(image, base), "r+b") as file:
            file.write(b"secret" * 100000)
        keep = self.directory + "/kept"
        descriptor = os.open(self.image_path(image, base), os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        self.delete_image(image, postZero=True)
        self.assertEqual(os.listdir(self.path("images")), [])
        self.assertFalse(any(os.pread(descriptor, 8 * MIB, 0)))  # wiped before it was unlinked
        self.refused(268, "Image.delete", imageID=image, storagepoolID=self.pool,
                     storagedomainID=self.domain, postZero=False, force=False)
        image, base = self.create()
        os.link(self.image_path(image, base), keep)
        with open(keep, "r+b") as file:
            file.write(b"mine")
        self.delete_image(image, postZero=True)
        self.assertEqual(read(keep)[:4], b"mine")  # somebody else has it too

    def test_bitmaps(self):
        first = str(uuid.uuid4())
        image, base = self.create(volFormat=4, bitmap=first)
        _, child = self.create(image=image, volFormat=4, srcVolUUID=base, addBitmaps=True)
        answer = self.agent.client.call("Volume.getQemuImageInfo", **self.volume(image, child))
        self.assertEqual([bitmap["name"] for bitmap in answer["bitmaps"]], [first])

    def test_measure(self):
        image, base = self.create()
        _, child = self.create(image=image, volFormat=4, srcVolUUID=base)
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 1M", self.image_path(image, child)],
                       check=True, capture_output=True)
        measure = lambda **more: self.agent.client.call("Volume.measure", dstVolFormat=4,
                                                        **self.volume(image, child, **more))
        self.assertGreater(measure()["required"], MIB)
        self.assertGreater(measure(backing_chain=False)["required"], MIB)
        self.assertGreater(measure(baseID=base)["required"], MIB)
        self.refused(75, "Volume.measure", dstVolFormat=4, baseID=str(uuid.uuid4()),
                     **self.volume(image, child))

    def test_untrusted_images(self):
        image, volume = self.create(volFormat=4)
        path = self.image_path(image, volume)
        verify = lambda: self.agent.client.call("Volume.verify_untrusted",
                                                **self.volume(image, volume))
        refused = lambda: self.refused(484, "Volume.verify_untrusted",
                                       **self.volume(image, volume))
        verify()
        qemu("create", "-q", "-f", "qcow2", path, "16M")
        refused()  # too large
        qemu("create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", path, "1M")
        refused()
        qemu("create", "-q", "-f", "raw", path, "1M")
        refused()
        qemu("create", "-q", "-f", "qcow2", "-o", "data_file=" + self.directory + "/data", path,
             "1M")
        refused()
        with open(path, "wb") as file:
            file.write(b"QFI\xfb" + b"\xff" * 1000)
        refused()

    def test_capacity_is_repaired(self):
        image, volume = self.create(volFormat=4)
        qemu("resize", "-q", "-f", "qcow2", self.image_path(image, volume), "32M")
        self.agent.client.call("Image.prepare", **self.volume(image, volume))
        self.assertEqual(self.info(image, volume)["capacity"], 32 * MIB)

    def test_tasks_as_they_are_shown(self):
        call = self.agent.client.call
        task = call("Volume.create", **self.create_parameters())
        self.agent.client.wait_task(task, clear=False)
        self.assertEqual(call("Task.getInfo", taskID=task), {"id": task, "verb": "createVolume"})
        self.assertEqual(call("Host.getAllTasksInfo"), {task: {"id": task, "verb": "createVolume"}})
        status = {"taskID": task, "taskState": "finished", "taskResult": "success", "code": 0,
                  "message": "Done"}
        self.assertEqual(call("Host.getAllTasksStatuses"), {task: status})
        details = call("Host.getAllTasks")[task]
        self.assertEqual((details["state"], details["tag"], details["verb"]),
                         ("finished", "spm", "createVolume"))
        call("Task.clear", taskID=task)
        self.assertEqual(call("Host.getAllTasksStatuses"), {})
        self.refused(401, "Task.getStatus", taskID=task)
        self.refused(401, "Task.clear", taskID=task)

    def test_reverted_creation(self):
        image, base = self.create()
        parameters = self.create_parameters(image=image, volFormat=4, srcVolUUID=base)
        task = self.agent.client.call("Volume.create", **parameters)
        self.agent.client.wait_task(task, clear=False)
        self.assertEqual(self.info(image, base)["voltype"], "INTERNAL")
        self.agent.client.call("Task.revert", taskID=task)
        self.agent.client.wait_task(task, "cleanSuccess")
        self.assertEqual(set(os.listdir(self.image_path(image))), {base, base + ".meta"})
        self.assertEqual(self.info(image, base)["voltype"], "LEAF")

    def test_only_the_manager_changes(self):
        image, volume = self.create()
        self.agent.client.call("StoragePool.spmStop", storagepoolID=self.pool)
        self.refused(654, "Volume.create", **self.create_parameters())
        self.refused(654, "Image.delete", imageID=image, storagepoolID=self.pool,
                     storagedomainID=self.domain, postZero=False, force=False)
        self.refused(654, "Volume.setDescription", description="x", **self.volume(image, volume))
        self.refused(309, "Volume.create", **dict(self.create_parameters(),
                                                  storagepoolID=str(uuid.uuid4())))
        self.agent.client.call("Image.prepare", **self.volume(image, volume))


main()
