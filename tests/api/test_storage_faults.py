#!/usr/bin/env python3
"""Storage operations while hosts refuse, fall silent, break connections, forget and die.

Whatever happens, the end is one of two: it is done, or nothing of it is left."""

import unittest

from storage_lab import GIB, ApiError, StorageTest, wait_until

# What may happen to a call, and whether the operation must succeed all the same.
FAULTS = {
    "cut after": lambda faults, verb: faults.cut(verb, done=True),
    "cut before": lambda faults, verb: faults.cut(verb, done=False),
    "twice": lambda faults, verb: faults.repeat(verb),
    "late": lambda faults, verb: faults.delay(verb, 1),
}


class FaultTest(StorageTest):
    def survive(self, verb, name, operation, check):
        with self.subTest(verb=verb, fault=name):
            self.wait_host(self.host)
            before = self.host.accepted
            FAULTS[name](self.host.faults, verb)
            operation()
            self.wait_ended()
            check()
            if name.startswith("cut"):  # until it has noticed, the manager takes the host for up
                wait_until(lambda: self.host.accepted > before, what="a new connection")
            self.assertEqual(self.host.faults.left(), [], "the fault was not met")

    def agent_dies(self, verb, done, operation, check):
        with self.subTest(verb=verb, fault="agent dies", done=done):
            self.host.faults.kill(verb, done=done)
            operation()
            wait_until(lambda: not self.host.server, what="the agent's death")
            self.host.start()
            self.wait_ended()
            check()
            self.wait_host(self.host)


class DiskFaultTest(FaultTest):
    def setUp(self):
        super().setUp()
        self.domain = self.add_local_domain()

    def begin_add(self):
        self.current = self.add_disk(self.domain, wait=False)

    def check_added(self):
        self.wait_disk(self.current)
        volume, = self.images(self.domain)[self.current].values()
        self.assertEqual((volume.capacity, volume.legality), (GIB, "LEGAL"))

    def check_not_added(self):
        self.wait_gone(f"/disks/{self.current}")
        self.assertNotIn(self.current, self.images(self.domain))

    def test_add(self):
        for verb in ("Volume.getInfo", "Volume.create", "Task.getStatus", "Task.clear"):
            for name in FAULTS:
                self.survive(verb, name, self.begin_add, self.check_added)
        self.wait_idle()

    def test_add_while_the_agent_dies(self):
        for verb in ("Volume.getInfo", "Volume.create", "Task.getStatus"):
            for done in (False, True):
                self.agent_dies(verb, done, self.begin_add, self.check_added)
        self.wait_idle()

    def test_add_refused(self):
        self.host.faults.fail("Volume.create", 205)
        self.begin_add()
        self.check_not_added()
        self.host.faults.fail_task("Volume.create", 205)
        self.begin_add()
        self.check_not_added()
        # The undo does not give up.
        self.host.faults.fail_task("Volume.create", 205)
        self.host.faults.fail("Volume.getInfo", 1000, times=0)
        self.begin_add()
        self.check_not_added()
        self.wait_idle()

    def test_task_forgotten(self):
        self.host.task_seconds = 3600
        self.begin_add()
        wait_until(lambda: self.host.called("Task.getStatus"))
        self.host.task_seconds = 0.02
        self.host.tasks.clear()  # as after a restart of a host that keeps none
        self.check_added()

    def test_manager_of_storage_lost(self):
        self.host.spm = False
        self.storage.spm_of.clear()
        self.begin_add()
        self.check_added()
        self.host.reboot()
        self.host.start()
        self.begin_add_again()
        self.check_added()

    def begin_add_again(self):
        def added():
            try:
                self.begin_add()
            except ApiError as error:
                self.assertEqual(error.code, 409)
                return False
            return True
        wait_until(added, what="the storage active again")

    def test_resize(self):
        disk = self.add_disk(self.domain)
        volume, = self.images(self.domain)[disk].values()
        size = GIB

        def grow():
            nonlocal size
            size += GIB
            self.manager.put(f"/disks/{disk}", {"provisioned_size": str(size)})

        def check():
            self.wait_disk(disk)
            self.assertEqual(self.disk(disk)["provisioned_size"], str(size))
            self.assertEqual(volume.capacity, size)
        for verb in ("Volume.getInfo", "Volume.extendSize", "Task.getStatus"):
            for name in FAULTS:
                self.survive(verb, name, grow, check)
        self.wait_idle()
        self.host.faults.fail_task("Volume.extendSize", 206)
        self.manager.put(f"/disks/{disk}", {"provisioned_size": str(size + GIB)})
        check()

    def test_remove(self):
        def add_and_remove():
            self.current = self.add_disk(self.domain)
            self.manager.delete(f"/disks/{self.current}")
        for verb in ("Image.delete",):
            for name in FAULTS:
                self.survive(verb, name, add_and_remove, self.check_not_added)
        self.wait_idle()
        self.host.faults.fail_task("Image.delete", 256)
        add_and_remove()
        self.wait_disk(self.current)
        self.assertIn(self.current, self.images(self.domain))
        self.manager.delete(f"/disks/{self.current}")
        self.check_not_added()


class DomainFaultTest(FaultTest):
    def setUp(self):
        super().setUp()
        self.count = 0

    def test_add(self):
        def add():
            self.count += 1
            path = self.storage.serve(f"/storage/{self.count}")
            self.current = self.manager.post("/storagedomains", {
                "name": f"posix{self.count}", "type": "data", "host": {"id": self.host.id},
                "storage": {"type": "posixfs", "path": path, "vfs_type": "xfs"}})["id"]

        def check():
            shown = self.manager.get(f"/storagedomains/{self.current}")
            self.assertEqual(shown["status"], "unattached")
            self.assertEqual(list(self.storage.paths[f"/storage/{self.count}"]), [self.current])
            self.assertEqual(self.host.connected, set())
        for verb in ("StoragePool.connectStorageServer", "StorageDomain.getInfo",
                     "StorageDomain.create", "StoragePool.disconnectStorageServer"):
            for name in FAULTS:
                self.survive(verb, name, add, check)

    def test_add_refused(self):
        body = {"name": "local", "type": "data", "host": {"id": self.host.id},
                "storage": {"type": "localfs", "path": "/storage/local"}}
        for verb, code in (("StoragePool.connectStorageServer", 452),
                           ("StorageDomain.create", 351)):
            self.storage.serve("/storage/local")
            self.host.faults.fail(verb, code)
            with self.assertRaises(ApiError) as raised:
                self.manager.post("/storagedomains", body)
            self.assertEqual(raised.exception.code, 409)
            self.assertEqual(self.manager.get("/storagedomains"), {})
            self.assertEqual(self.manager.get("/storageconnections"), {})
            self.assertEqual(self.storage.paths["/storage/local"], {})
            self.assertEqual(self.host.connected, set())

    def test_attach_first(self):
        def attach():
            self.manager.post(self.attached(), {"id": self.current})

        def check():
            self.wait_domain(self.current)
            self.assertTrue(self.host.spm)
            self.assertEqual(self.storage.domain(self.current).pools, [self.data_center])
            self.manager.post(self.attached(self.current) + "/deactivate")
            self.wait_domain(self.current, "maintenance")
            self.assertIsNone(self.host.pool)
            self.manager.delete(self.attached(self.current))
            self.wait_gone(self.attached(self.current))
            self.assertEqual(self.storage.domain(self.current).pools, [])
        self.current = self.add_posix_domain("first", attach=False)
        for verb in ("StoragePool.connectStorageServer", "StorageDomain.getInfo",
                     "StoragePool.create", "StoragePool.connect", "StoragePool.getSpmStatus",
                     "StoragePool.spmStart"):
            for name in FAULTS:
                self.survive(verb, name, attach, check)
        self.wait_idle()

    def test_attach_first_refused(self):
        self.current = self.add_posix_domain("first", attach=False)
        for verb, code in (("StoragePool.connectStorageServer", 450), ("StoragePool.create", 301),
                           ("StoragePool.connect", 302), ("StoragePool.spmStart", 650)):
            with self.subTest(verb=verb):
                self.host.faults.fail(verb, code)
                self.manager.post(self.attached(), {"id": self.current})
                self.wait_ended()
                self.wait_gone(self.attached(self.current))
                self.assertEqual(self.storage.domain(self.current).pools, [])
                self.assertEqual(self.storage.domain(self.current).role, "Regular")
                self.assertEqual((self.host.connected, self.host.pool), (set(), None))
                self.assertEqual(self.host.faults.left(), [])
        self.attach(self.current)

    def test_attach_second(self):
        self.add_posix_domain("first")
        self.current = self.add_posix_domain("second", attach=False)

        def attach():
            self.manager.post(self.attached(), {"id": self.current})

        def check():
            self.wait_domain(self.current)
            self.assertEqual(self.host.pool["domains"][self.current], "active")
            self.manager.post(self.attached(self.current) + "/deactivate")
            self.wait_domain(self.current, "maintenance")
            self.assertEqual(self.host.pool["domains"][self.current], "attached")
            self.manager.delete(self.attached(self.current))
            self.wait_gone(self.attached(self.current))
            self.assertEqual(self.storage.domain(self.current).pools, [])
        for verb in ("StoragePool.connectStorageServer", "StorageDomain.getInfo",
                     "StorageDomain.attach", "StorageDomain.activate", "StoragePool.connect",
                     "StoragePool.getInfo", "StorageDomain.deactivate", "StorageDomain.detach"):
            for name in FAULTS:
                self.survive(verb, name, attach, check)
        for verb in ("StorageDomain.attach", "StorageDomain.activate"):
            self.host.faults.fail(verb, 354)
            attach()
            self.wait_ended()
            self.wait_gone(self.attached(self.current))
            self.assertEqual(self.storage.domain(self.current).pools, [])

    def test_remove(self):
        def add_and_remove():
            self.count += 1
            self.current = self.add_posix_domain(f"posix{self.count}", attach=False)
            self.manager.delete(f"/storagedomains/{self.current}", host=self.host.name,
                                format="true")

        def check():
            self.assertTrue(self.manager.gone(f"/storagedomains/{self.current}"))
            self.assertEqual(self.storage.paths[f"/storage/posix{self.count}"], {})
            self.assertEqual(self.host.connected, set())
        for name in FAULTS:
            self.survive("StorageDomain.format", name, add_and_remove, check)


if __name__ == "__main__":
    unittest.main()
