"""The agent is killed at every single change of the file system, and started again."""
import os
import shutil
import tempfile
import time
import uuid

from support import Agent, MIB, StorageTest, main, metadata, seal_is_right, tree

# What a kill -9 does to a socket under way.
GONE = (ConnectionError, BrokenPipeError)


class Crash(StorageTest):
    def setUp(self):
        pass  # each round has a fresh directory

    def fresh(self, crash_after):
        self.directory = tempfile.mkdtemp(prefix="vireo-storage-")
        os.chmod(self.directory, 0o755)
        self.local = self.directory + "/local"
        os.mkdir(self.local)
        self.agent = Agent(self.directory, *self.options)
        self.agent.start(crash_after)

    def clean_up(self):
        if self.agent.process:
            self.agent.kill()
        shutil.rmtree(self.directory)

    def settle(self):
        """Waits until no task is under way; returns their results."""
        deadline = time.monotonic() + 60
        while True:
            tasks = self.agent.client.call("Host.getAllTasksStatuses")
            if all(task["taskState"] == "finished" for task in tasks.values()):
                return {task: tasks[task]["taskResult"] for task in tasks}
            self.assertLess(time.monotonic(), deadline, tasks)
            time.sleep(0.01)

    def everywhere(self, prepare, act, check):
        """prepare(); then act() with a kill at the N-th change, for every N; then check(answer,
        results): what act() returned, or None when it got no answer, and the tasks' results."""
        rounds = 0
        while True:
            rounds += 1
            self.fresh(rounds)
            try:
                self.assertEqual(self.connect()["status"], 0)
                prepare()
                self.agent.arm()
                answer = None
                try:
                    answer = act()
                    self.settle()
                    died = False
                    self.agent.kill()
                except GONE:
                    died = True
                    self.agent.ended()
                self.agent.start()
                with self.subTest(kill=rounds):
                    check(answer, self.settle())
            finally:
                self.clean_up()
            if not died:
                self.assertGreater(rounds, 3)  # otherwise nothing was counted
                return

    def prepare_pool(self):
        self.make_pool(self.make_domain())

    def images(self):
        return tree(self.path("images"))

    def complete(self, image, volume):
        """All of the volume is there and usable."""
        self.agent.client.call("Image.prepare", **self.volume(image, volume))
        self.assertEqual(self.info(image, volume)["status"], "OK")

    # ---- volumes

    def check_created(self, answer, results):
        image, volume = self.request["imageID"], self.request["volumeID"]
        if answer:
            self.assertEqual(results[answer], "success")
        if "success" in results.values():
            self.complete(image, volume)
            self.assertEqual({name for name in self.images() if volume in name},
                             {"%s/%s%s" % (image, volume, end) for end in ("", ".meta")})
        else:
            self.assertEqual(self.images(), self.before)
        parent = self.request["srcVolUUID"]
        if parent in str(self.before) and self.request["srcImgUUID"] == image:
            self.assertEqual(self.info(image, parent)["voltype"],
                             "INTERNAL" if results else "LEAF")

    def create_volume(self):
        return self.agent.client.call("Volume.create", **self.request)

    def test_creation(self):
        def prepare():
            self.prepare_pool()
            self.request = self.create_parameters(preallocate=1)
            self.before = self.images()

        self.everywhere(prepare, self.create_volume, self.check_created)

    def test_creation_of_a_snapshot(self):
        def prepare():
            self.prepare_pool()
            image, base = self.create()
            self.request = self.create_parameters(image=image, volFormat=4, srcImgUUID=image,
                                                  srcVolUUID=base)
            self.before = self.images()

        self.everywhere(prepare, self.create_volume, self.check_created)

    def test_creation_from_a_template(self):
        def prepare():
            self.prepare_pool()
            image, base = self.create(volFormat=4)
            job = str(uuid.uuid4())
            self.agent.client.call("SDM.update_volume", job_id=job, vol_attr={"type": "SHARED"},
                                   vol_info={"sd_id": self.domain, "img_id": image,
                                             "vol_id": base})
            self.agent.client.wait_job(job)
            self.request = self.create_parameters(volFormat=4, srcImgUUID=image, srcVolUUID=base)
            self.before = self.images()

        self.everywhere(prepare, self.create_volume, self.check_created)

    def test_creation_that_is_stopped(self):
        """It fails, so that the kills hit its being undone too."""
        def prepare():
            self.prepare_pool()
            self.request = self.create_parameters(desc="\u20ac" * 200)  # too long for metadata
            self.before = self.images()

        def check(answer, results):
            self.assertLessEqual(set(results.values()), {"cleanSuccess"})
            if answer:
                self.assertEqual(list(results), [answer])
            self.assertEqual(self.images(), self.before)

        self.everywhere(prepare, self.create_volume, check)

    def test_growing(self):
        def prepare():
            self.prepare_pool()
            self.image, self.one = self.create(preallocate=1)

        def act():
            return self.agent.client.call("Volume.extendSize", newSize=str(16 * MIB),
                                          **self.volume(self.image, self.one))

        def check(answer, results):
            size = os.path.getsize(self.path("images", self.image, self.one))
            self.assertEqual(size, 16 * MIB if results else 8 * MIB)
            self.assertEqual(self.info(self.image, self.one)["capacity"], size)
            if answer:
                self.assertEqual(results, {answer: "success"})

        self.everywhere(prepare, act, check)

    def test_removal_of_a_volume(self):
        def prepare():
            self.prepare_pool()
            self.image, self.base = self.create()
            _, self.child = self.create(image=self.image, volFormat=4, srcVolUUID=self.base)
            self.before = self.images()

        def act():
            return self.agent.client.call("Image.deleteVolumes", imageID=self.image,
                                          storagepoolID=self.pool, storagedomainID=self.domain,
                                          volumeList=[self.child], postZero=True)

        def check(answer, results):
            self.complete(self.image, self.base)
            if answer:
                self.assertEqual(results, {answer: "success"})
            if results:
                self.assertEqual({name for name in self.images() if self.child in name}, set())
                self.assertEqual(self.info(self.image, self.base)["voltype"], "LEAF")
            else:
                self.assertEqual(self.images(), self.before)
                self.complete(self.image, self.child)

        self.everywhere(prepare, act, check)

    def test_removal_of_an_image(self):
        def prepare():
            self.prepare_pool()
            self.image, base = self.create(preallocate=1)
            self.create(image=self.image, volFormat=4, srcVolUUID=base)
            self.before = self.images()

        def act():
            return self.agent.client.call("Image.delete", imageID=self.image,
                                          storagepoolID=self.pool, storagedomainID=self.domain,
                                          postZero=True, force=False)

        def check(answer, results):
            if answer:
                self.assertEqual(results, {answer: "success"})
            self.assertEqual(self.images(), {} if results else self.before)

        self.everywhere(prepare, act, check)

    # ---- domains and pools: no task, so the manager asks again

    def domains_on_disk(self):
        return [name for name in os.listdir(self.local) if not name.startswith(".")]

    def test_creation_of_a_domain(self):
        def act():
            self.domain = self.make_domain()

        def check(answer, results):
            if not self.domains_on_disk():
                self.domain = self.make_domain()
            self.assertEqual(len(self.domains_on_disk()), 1)
            self.domain = self.domains_on_disk()[0]
            self.assertTrue(seal_is_right(self.path("dom_md/metadata")))
            self.assertEqual(len(tree(self.path())), 7)
            self.make_pool(self.domain)

        self.everywhere(lambda: None, act, check)

    def test_removal_of_a_domain(self):
        def prepare():
            self.domain = self.make_domain()

        def act():
            self.agent.client.call("StorageDomain.format", storagedomainID=self.domain,
                                   autoDetach=False)

        def check(answer, results):
            if self.domains_on_disk():
                act()
            self.assertEqual(self.domains_on_disk(), [])
            self.make_domain()

        self.everywhere(prepare, act, check)

    def test_creation_of_a_pool(self):
        def prepare():
            self.domain = self.make_domain()

        def check(answer, results):
            now = metadata(self.path("dom_md/metadata"))
            self.assertTrue(seal_is_right(self.path("dom_md/metadata")))
            if now["POOL_UUID"]:
                self.assertEqual((now["POOL_UUID"], now["ROLE"]), (self.pool, "Master"))
                self.connect_pool(self.domain)
                if self.agent.client.call("StoragePool.getSpmStatus",
                                          storagepoolID=self.pool)["spmStatus"] == "Free":
                    self.start_spm()
            else:
                self.make_pool(self.domain)
            self.create()

        self.everywhere(prepare, lambda: self.make_pool(self.domain), check)

    # ---- more than one at a time

    def test_many_tasks_at_once(self):
        """Killed in the middle of twenty creations in four images: each comes to its end."""
        self.fresh(0)
        self.addCleanup(self.clean_up)
        self.connect()
        self.prepare_pool()
        images = [str(uuid.uuid4()) for _ in range(4)]
        tasks, volumes = [], []
        for number in range(20):
            request = self.create_parameters(image=images[number % 4], volFormat=4)
            tasks.append(self.agent.client.call("Volume.create", **request))
            volumes.append((request["imageID"], request["volumeID"]))
        self.agent.kill()
        self.agent.start()
        results = self.settle()
        self.assertEqual(results, {task: "success" for task in tasks}, self.agent.log())
        for image, volume in volumes:
            self.complete(image, volume)
        self.agent.kill()
        self.agent.start()
        self.assertEqual(len(self.settle()), 20)  # until they are cleared
        for task in tasks:
            self.agent.client.call("Task.clear", taskID=task)
        self.agent.kill()
        self.agent.start()
        self.assertEqual(self.settle(), {})

    def test_after_a_reboot_tasks_are_not_done_again(self):
        self.fresh(0)
        self.addCleanup(self.clean_up)
        self.connect()
        self.prepare_pool()
        task = self.agent.client.call("Volume.create", **self.create_parameters())
        self.agent.kill()
        record = "%s/state/storage/tasks/%s.json" % (self.directory, task)
        with open(record) as file:
            text = file.read()
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        state = "%s/state/storage/pool.json" % self.directory
        for path in (record, state):
            with open(path) as file:
                text = file.read()
            for phase in ("succeeded", "running"):
                text = text.replace('"phase":"%s"' % phase, '"phase":"waiting"')
            with open(path, "w") as file:
                file.write(text.replace(boot, str(uuid.uuid4())))
        self.agent.start()
        self.assertEqual(self.settle(), {task: "cleanFailure"})
        self.refused(309, "StoragePool.getSpmStatus", storagepoolID=self.pool)

    def test_tasks_wait_for_their_storage(self):
        self.fresh(0)
        self.addCleanup(self.clean_up)
        self.connect()
        self.prepare_pool()
        request = self.create_parameters()
        task = self.agent.client.call("Volume.create", **request)
        self.agent.client.wait_task(task, clear=False)
        self.agent.kill()
        record = "%s/state/storage/tasks/%s.json" % (self.directory, task)
        with open(record) as file:
            text = file.read().replace("succeeded", "running")
        with open(record, "w") as file:
            file.write(text)
        link = self.directory + "/rhev/mnt/" + os.listdir(self.directory + "/rhev/mnt")[0]
        os.unlink(link)
        shutil.rmtree(self.path("images", request["imageID"]))
        self.agent.start()
        time.sleep(0.3)
        status = self.agent.client.call("Task.getStatus", taskID=task)
        self.assertEqual(status["taskState"], "running")
        self.connect()
        self.agent.client.wait_task(task)
        self.complete(request["imageID"], request["volumeID"])


main()
