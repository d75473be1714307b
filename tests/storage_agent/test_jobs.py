"""Jobs of the host: copies and changes of volumes."""
import os
import subprocess
import time
import uuid

from support import MIB, StorageTest, main, read


class Jobs(StorageTest):
    def setUp(self):
        super().setUp()
        self.set_up_pool()

    def place(self, image, volume, **more):
        return dict({"endpoint_type": "div", "sd_id": self.domain, "img_id": image,
                     "vol_id": volume}, **more)

    def copy(self, source, target, expected="done", **more):
        job = str(uuid.uuid4())
        self.agent.client.call("SDM.copy_data", job_id=job, source=source, destination=target,
                               **more)
        return self.agent.client.wait_job(job, expected)

    def update(self, image, volume, expected="done", generation=0, **attributes):
        job = str(uuid.uuid4())
        self.agent.client.call("SDM.update_volume", job_id=job, vol_attr=attributes,
                               vol_info={"sd_id": self.domain, "img_id": image, "vol_id": volume,
                                         "generation": generation})
        return self.agent.client.wait_job(job, expected)

    def write(self, image, volume, format_name, *commands):
        words = [word for command in commands for word in ("-c", command)]
        subprocess.run(["qemu-io", "-f", format_name, *words,
                        self.path("images", image, volume)], check=True, capture_output=True)

    def same(self, first, second):
        subprocess.run(["qemu-img", "compare", self.path("images", *first),
                        self.path("images", *second)], check=True, capture_output=True)

    def test_state_that_takes_no_records(self):
        tasks = next(root for root, _, _ in os.walk(self.directory)
                     if os.path.basename(root) == "tasks")
        os.rename(tasks, tasks + ".away")
        image, volume = str(uuid.uuid4()), str(uuid.uuid4())
        message = self.refused(413, "Volume.create", **self.create_parameters(image, volume))
        self.assertIn(tasks, message)
        self.assertNotIn("storage domain", message)
        os.rename(tasks + ".away", tasks)
        self.create()

    def test_copies(self):
        image, base = self.create(volFormat=4)
        self.write(image, base, "qcow2", "write -P 1 0 1M")
        _, top = self.create(image=image, volFormat=4, srcVolUUID=base)
        self.write(image, top, "qcow2", "write -P 2 512k 1M")
        for parameters in (dict(volFormat=5), dict(volFormat=5, preallocate=1), dict(volFormat=4)):
            with self.subTest(**parameters):
                target = self.create(**parameters)
                inode = os.stat(self.path("images", *target)).st_ino
                info = self.copy(self.place(image, top), self.place(*target, generation=0))
                self.assertEqual((info["progress"], info["job_type"], info["description"]),
                                 (100, "storage", "copy_data"))
                self.same((image, top), target)
                now = self.info(*target)
                self.assertEqual((now["legality"], now["generation"]), ("LEGAL", 1))
                self.assertEqual(os.stat(self.path("images", *target)).st_ino, inode)
                if "preallocate" in parameters:
                    self.assertGreaterEqual(os.stat(self.path("images", *target)).st_blocks * 512,
                                            8 * MIB)
                # Again, over what is there now.
                self.copy(self.place(image, base), self.place(*target, generation=1))
                self.same((image, base), target)

    def test_copy_below_a_parent(self):
        image, base = self.create(volFormat=4)
        self.write(image, base, "qcow2", "write -P 1 0 1M")
        _, top = self.create(image=image, volFormat=4, srcVolUUID=base)
        self.write(image, top, "qcow2", "write -P 2 512k 1M")
        other, other_base = self.create(volFormat=4)
        self.copy(self.place(image, base), self.place(other, other_base))
        _, other_top = self.create(image=other, volFormat=4, srcVolUUID=other_base)
        self.copy(self.place(image, top), self.place(other, other_top))
        self.same((image, top), (other, other_top))
        self.assertLess(os.stat(self.path("images", other, other_top)).st_size, 4 * MIB)

    def test_generations_fence(self):
        source, target = self.create(), self.create()
        info = self.copy(self.place(*source), self.place(*target, generation=5), "failed")
        self.assertEqual(info["error"]["code"], 911)
        self.assertEqual(self.info(*target)["legality"], "LEGAL")  # untouched

    def test_failing_copies(self):
        source, target = self.create(), self.create(size=4 * MIB, preallocate=1)
        info = self.copy(self.place(*source), self.place(*target), "failed")
        self.assertIn("qemu-img", info["error"]["message"])
        now = self.info(*target)
        self.assertEqual((now["legality"], now["generation"]), ("ILLEGAL", 0))
        missing = self.place(source[0], str(uuid.uuid4()))
        self.assertEqual(self.copy(missing, self.place(*target), "failed")["error"]["code"], 201)
        illegal = self.create(legal=False)
        info = self.copy(self.place(*illegal), self.place(*source), "failed")
        self.assertEqual(info["error"]["code"], 227)
        self.refused(75, "SDM.copy_data", job_id=str(uuid.uuid4()), destination=self.place(*target),
                     source={"endpoint_type": "external", "url": "nbd:x"})
        self.refused(1000, "SDM.copy_data", job_id=str(uuid.uuid4()), source={}, destination={})

    def test_a_killed_copy(self):
        """The volume stays illegal at its generation, and can be written again."""
        source = self.create(size=256 * MIB)
        with open(self.path("images", *source), "r+b") as file:
            for _ in range(256):
                file.write(os.urandom(MIB))
        target = self.create(size=256 * MIB)
        job = str(uuid.uuid4())
        self.agent.client.call("SDM.copy_data", job_id=job, source=self.place(*source),
                               destination=self.place(*target, generation=0))
        path = self.path("images", *target)
        deadline = time.monotonic() + 20
        while not self.writers(path):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)
        self.agent.kill()
        while self.writers(path):  # the copy dies with the agent, its locks a little later
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.agent.start()
        now = self.info(*target)
        self.assertEqual((now["legality"], now["generation"]), ("ILLEGAL", 0))
        self.assertEqual(self.agent.client.call("Host.getJobs"), {})
        self.copy(self.place(*source), self.place(*target, generation=0))
        self.same(source, target)

    def writers(self, path):
        """Locks on the file: a process that is ending has no command line and keeps them still."""
        file = ":%d " % os.stat(path).st_ino
        return [line for line in read("/proc/locks").decode().splitlines() if file in line]

    def test_updates(self):
        image, volume = self.create()
        self.update(image, volume, legality="ILLEGAL")
        now = self.info(image, volume)
        self.assertEqual((now["legality"], now["generation"]), ("ILLEGAL", 1))
        self.update(image, volume, generation=1, legality="LEGAL", description="new")
        self.update(image, volume, generation=2, type="SHARED")
        now = self.info(image, volume)
        self.assertEqual((now["voltype"], now["description"], now["generation"]),
                         ("SHARED", "new", 3))
        self.assertEqual(self.update(image, volume, "failed", 3, type="SHARED")["error"]["code"],
                         235)
        self.assertEqual(self.update(image, volume, "failed", 0, description="x")["error"]["code"],
                         911)
        self.update(image, volume, generation=3, **{"description": "y"})
        self.refused(1000, "SDM.update_volume", job_id=str(uuid.uuid4()), vol_attr={},
                     vol_info=self.place(image, volume))
        self.refused(1000, "SDM.update_volume", job_id=str(uuid.uuid4()),
                     vol_attr={"type": "LEAF"}, vol_info=self.place(image, volume))

    def test_events_and_lists(self):
        image, volume = self.create()
        job = str(uuid.uuid4())
        self.agent.client.call("SDM.update_volume", job_id=job, vol_attr={"description": "x"},
                               vol_info=self.place(image, volume))
        self.agent.client.wait_job(job)
        self.refused(69, "SDM.update_volume", job_id=job, vol_attr={"description": "x"},
                     vol_info=self.place(image, volume))
        call = self.agent.client.call
        self.assertEqual(list(call("Host.getJobs", job_type="storage")), [job])
        self.assertEqual(call("Host.getJobs", job_type="v2v"), {})
        self.assertEqual(call("Host.getJobs", job_ids=[str(uuid.uuid4())]), {})
        events = [event for event in self.agent.client.events
                  if event["method"] == "|jobs|status|" + job]
        self.assertEqual([event["params"]["status"] for event in events], ["running", "done"])
        self.assertIn("notify_time", events[0]["params"])


main()
