"""Connections, domains and pools from beginning to end."""
import os
import stat
import uuid

from support import CallError, StorageTest, ZERO, main, metadata, read, seal_is_right, tree


class LocalLife(StorageTest):
    def test_from_nothing_to_nothing(self):
        call = self.agent.start().call
        status = self.connect()
        self.assertEqual(status["status"], 0)
        self.assertEqual(self.connect()["status"], 0)  # again
        link = self.directory + "/rhev/mnt/" + self.local.replace("_", "__").replace("/", "_")
        self.assertEqual(os.readlink(link), self.local)
        domain = self.make_domain()
        self.assertEqual(call("Host.getStorageDomains"), [domain])
        self.make_pool(domain)
        self.assertEqual(os.path.realpath("%s/rhev/%s/mastersd" % (self.directory, self.pool)),
                         os.path.realpath(self.path()))
        self.refused(656, "StoragePool.disconnect", storagepoolID=self.pool, hostID=1, scsiKey="")
        self.refused(392, "StorageDomain.format", storagedomainID=domain, autoDetach=False)
        call("StoragePool.destroy", storagepoolID=self.pool, hostID=1, scsiKey=self.pool)
        self.assertEqual(call("Host.getConnectedStoragePools"), [])
        self.assertFalse(os.path.exists("%s/rhev/%s" % (self.directory, self.pool)))
        now = metadata(self.path("dom_md/metadata"))
        self.assertEqual((now["POOL_UUID"], now["ROLE"]), ("", "Regular"))
        call("StorageDomain.format", storagedomainID=domain, autoDetach=False)
        self.assertEqual(os.listdir(self.local), [])
        self.assertEqual(call("Host.getStorageDomains"), [])
        gone = call("StoragePool.disconnectStorageServer", storagepoolID=ZERO, domainType=4,
                    connectionParams=[{"id": str(uuid.uuid4()), "connection": self.local}])
        self.assertEqual(gone[0]["status"], 0)
        self.assertFalse(os.path.lexists(link))

    def test_files_of_a_local_domain(self):
        self.agent.start()
        self.connect()
        self.domain = self.make_domain()
        names = tree(self.path())
        self.assertEqual(names, {
            "dom_md": "directory", "images": "directory", "dom_md/ids": (0, 1),
            "dom_md/leases": (0, 1), "dom_md/inbox": (16 << 20, 1), "dom_md/outbox": (16 << 20, 1),
            "dom_md/metadata": (os.stat(self.path("dom_md/metadata")).st_size, 1)})
        mode = lambda *name: stat.S_IMODE(os.stat(self.path(*name)).st_mode)
        self.assertEqual([mode(), mode("dom_md"), mode("images")], [0o755, 0o775, 0o755])
        self.assertEqual([mode("dom_md", name) for name in ("ids", "leases", "inbox", "metadata")],
                         [0o660, 0o660, 0o660, 0o644])
        self.assertTrue(seal_is_right(self.path("dom_md/metadata")))
        block = metadata(self.path("dom_md/metadata"))["BLOCK_SIZE"]
        self.assertIn(block, ("512", "4096"))
        wanted = ["ALIGNMENT=1048576", "BLOCK_SIZE=" + block, "CLASS=Data", "DESCRIPTION=data1",
                  "IOOPTIMEOUTSEC=10", "LEASERETRIES=3", "LEASETIMESEC=60", "LOCKPOLICY=",
                  "LOCKRENEWALINTERVALSEC=5", "POOL_UUID=", "REMOTE_PATH=" + self.local,
                  "ROLE=Regular", "SDUUID=" + self.domain, "TYPE=LOCALFS", "VERSION=5"]
        self.assertEqual(read(self.path("dom_md/metadata")).decode().splitlines()[:-1], wanted)

    def test_only_one_domain_on_a_path(self):
        self.agent.start()
        self.connect()
        self.make_domain()
        with self.assertRaises(CallError) as caught:
            self.make_domain()
        self.assertEqual(caught.exception.code, 361)

    def test_bad_paths_and_types(self):
        self.agent.start()
        self.assertEqual(self.connect(self.local + "/missing")["status"], 1000)
        self.assertIn("Make it", self.connect(self.local + "/missing")["message"])
        self.assertEqual(self.connect("relative")["status"], 453)
        self.assertEqual(self.connect(kind=3)["status"], 468)
        create = dict(storagedomainID=str(uuid.uuid4()), name="d", domainClass=1, version="5")
        self.refused(390, "StorageDomain.create", **dict(create, domainType=4, typeArgs="/a/../b"))
        self.refused(360, "StorageDomain.create", **dict(create, domainType=4, typeArgs="/nowhere"))
        self.refused(372, "StorageDomain.create", **dict(create, domainType=2, typeArgs="x"))
        self.refused(394, "StorageDomain.create",
                     **dict(create, domainType=4, typeArgs=self.local, version="2"))
        self.refused(358, "StorageDomain.getInfo", storagedomainID=str(uuid.uuid4()))
        self.refused(309, "StoragePool.getInfo", storagepoolID=str(uuid.uuid4()))

    def test_what_is_told(self):
        self.set_up_pool()
        call = self.agent.client.call
        info = call("StorageDomain.getInfo", storagedomainID=self.domain)
        self.assertEqual((info["type"], info["class"], info["role"], info["pool"], info["version"]),
                         ("LOCALFS", "Data", "Master", [self.pool], 5))
        stats = call("StorageDomain.getStats", storagedomainID=self.domain)
        self.assertGreater(stats["disktotal"], stats["diskfree"])
        pool = call("StoragePool.getInfo", storagepoolID=self.pool)
        self.assertEqual(pool["info"]["domains"], self.domain + ":Active")
        self.assertEqual((pool["info"]["spm_id"], pool["info"]["name"]), (1, "dc1"))
        status = call("StoragePool.getSpmStatus", storagepoolID=self.pool)
        self.assertEqual((status["spmStatus"], status["spmId"]), ("SPM", 1))
        lver = status["spmLver"]
        self.refused(656, "StoragePool.spmStart", storagepoolID=self.pool, prevID=-1,
                     prevLver="-1", enableScsiFencing="false")
        call("StoragePool.spmStop", storagepoolID=self.pool)
        status = call("StoragePool.getSpmStatus", storagepoolID=self.pool)
        self.assertEqual((status["spmStatus"], status["spmId"]), ("Free", -1))
        self.start_spm()
        self.assertGreater(call("StoragePool.getSpmStatus", storagepoolID=self.pool)["spmLver"],
                           lver)

    def test_pool_survives_the_agent(self):
        self.set_up_pool()
        before = self.agent.client.call("StoragePool.getSpmStatus", storagepoolID=self.pool)
        self.agent.kill()
        call = self.agent.start().call
        self.assertEqual(call("StoragePool.getSpmStatus", storagepoolID=self.pool), before)
        self.connect_pool(self.domain)  # the manager does so again
        self.assertEqual(call("StoragePool.getSpmStatus", storagepoolID=self.pool), before)
        self.create()

    def second_domain(self):
        """Beside a pool: its path, its id, and what calls about it name."""
        other = self.directory + "/other"
        os.mkdir(other)
        self.set_up_pool()
        self.connect(other)
        second = self.make_domain(other)
        return other, second, dict(storagedomainID=second, storagepoolID=self.pool)

    def test_another_domain_in_and_out(self):
        other, second, place = self.second_domain()
        call = self.agent.client.call
        self.refused(375, "StorageDomain.activate", **place)
        call("StorageDomain.attach", **place)
        call("StorageDomain.attach", **place)
        meta = os.path.join(other, second, "dom_md/metadata")
        self.assertEqual(metadata(meta)["POOL_UUID"], self.pool)
        self.assertEqual(call("StoragePool.getInfo", storagepoolID=self.pool)["dominfo"][second]
                         ["status"], "Attached")
        call("StorageDomain.activate", **place)
        self.assertTrue(os.path.islink("%s/rhev/%s/%s" % (self.directory, self.pool, second)))
        self.refused(347, "StorageDomain.detach", **place)
        busy = call("StoragePool.disconnectStorageServer", storagepoolID=self.pool, domainType=4,
                    connectionParams=[{"id": str(uuid.uuid4()), "connection": other}])
        self.assertEqual(busy[0]["status"], 452)
        call("StorageDomain.deactivate", masterSdUUID=ZERO, masterVersion=1, **place)
        self.assertFalse(os.path.islink("%s/rhev/%s/%s" % (self.directory, self.pool, second)))
        call("StorageDomain.detach", masterSdUUID=ZERO, masterVersion=1, **place)
        self.assertEqual(metadata(meta)["POOL_UUID"], "")
        self.assertTrue(seal_is_right(meta))
        self.refused(383, "StorageDomain.detach", storagedomainID=self.domain,
                     storagepoolID=self.pool)

    def test_forced_detach_of_a_foreign_domain(self):
        self.set_up_pool()
        call = self.agent.client.call
        call("StoragePool.spmStop", storagepoolID=self.pool)
        call("StoragePool.disconnect", storagepoolID=self.pool, hostID=1, scsiKey="")
        self.refused(391, "StorageDomain.format", storagedomainID=self.domain, autoDetach=False)
        call("StorageDomain.detach", storagedomainID=self.domain, storagepoolID=ZERO, force=True)
        now = metadata(self.path("dom_md/metadata"))
        self.assertEqual((now["POOL_UUID"], now["ROLE"]), ("", "Regular"))
        call("StorageDomain.format", storagedomainID=self.domain, autoDetach=False)

    def test_another_master(self):
        other, second, place = self.second_domain()
        call = self.agent.client.call
        call("StorageDomain.attach", **place)
        switch = dict(storagepoolID=self.pool, oldMasterUUID=self.domain, newMasterUUID=second,
                      masterVersion=2)
        self.agent.client.wait_task(call("StoragePool.switchMaster", **switch), "cleanSuccess")
        call("StorageDomain.activate", **place)
        open(self.path("master/vms/note"), "w").close()
        self.agent.client.wait_task(call("StoragePool.switchMaster", **switch))
        new, old = metadata(os.path.join(other, second, "dom_md/metadata")), metadata(
            self.path("dom_md/metadata"))
        self.assertEqual((new["ROLE"], old["ROLE"]), ("Master", "Regular"))
        self.assertEqual((new["MASTER_VERSION"], new["POOL_DESCRIPTION"]), ("2", "dc1"))
        self.assertTrue(os.path.exists(os.path.join(other, second, "master/vms/note")))
        self.assertEqual(call("StoragePool.getInfo", storagepoolID=self.pool)["info"]
                         ["master_uuid"], second)

    def test_reconstructed_master(self):
        self.agent.start()
        self.connect()
        self.domain = self.make_domain()
        call = self.agent.client.call
        self.pool = str(uuid.uuid4())
        call("StoragePool.reconstructMaster", storagepoolID=self.pool, hostId=1, name="dc1",
             masterSdUUID=self.domain, masterVersion=7, domainDict={self.domain: "active"},
             lockRenewalIntervalSec=5, leaseTimeSec=60, ioOpTimeoutSec=10, leaseRetries=3)
        now = metadata(self.path("dom_md/metadata"))
        self.assertEqual((now["ROLE"], now["MASTER_VERSION"], now["POOL_UUID"]),
                         ("Master", "7", self.pool))
        self.refused(324, "StoragePool.connect", storagepoolID=self.pool, hostID=1, scsiKey="",
                     masterSdUUID=self.domain, masterVersion=6)  # read from the master
        call("StoragePool.connect", storagepoolID=self.pool, hostID=1, scsiKey="",
             masterSdUUID=self.domain, masterVersion=7)

    def test_connecting_twice(self):
        self.set_up_pool()
        connect = dict(storagepoolID=self.pool, hostID=1, scsiKey="", masterSdUUID=self.domain,
                       masterVersion=1, domainDict={self.domain: "active"})
        self.refused(325, "StoragePool.connect", **dict(connect, hostID=2))
        self.refused(323, "StoragePool.connect", **dict(connect, storagepoolID=str(uuid.uuid4())))
        self.refused(324, "StoragePool.connect",
                     **dict(connect, domainDict={self.domain: "attached"}))

    def test_monitor(self):
        self.set_up_pool()
        call = self.agent.client.call
        stats = call("Host.getStorageRepoStats")[self.domain]
        self.assertTrue(stats["acquired"])
        self.assertEqual(stats["code"], 0)
        self.assertLess(float(stats["lastCheck"]), 11)

    def test_names(self):
        self.set_up_pool()
        call = self.agent.client.call
        call("StorageDomain.setDescription", storagedomainID=self.domain,
             description="Daten \u00e4\u20ac\U0001f600")
        self.assertEqual(call("StorageDomain.getInfo", storagedomainID=self.domain)["name"],
                         "Daten \u00e4\u20ac\U0001f600")
        self.assertTrue(seal_is_right(self.path("dom_md/metadata")))
        self.refused(387, "StorageDomain.setDescription", storagedomainID=self.domain,
                     description="x" * 51)
        self.refused(1000, "StorageDomain.setDescription", storagedomainID=self.domain,
                     description="a\nROLE=Master")


main()
