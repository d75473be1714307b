#!/usr/bin/env python3
# time limit: 900 s
"""The oVirt Python SDK, as it is, against a manager with a real host: everything scripts do in
their first hour. Without the SDK (a Python package named ovirtsdk4) it is skipped; PYTHONPATH or
OVIRT_SDK, a folder, may say where it lies."""

import os
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))
sys.path[:0] = [os.environ["OVIRT_SDK"]] if "OVIRT_SDK" in os.environ else []

try:
    import ovirtsdk4 as sdk
    from ovirtsdk4 import types
except ImportError:
    sdk = types = None

from tools.datacentre.datacentre import DataCentre  # noqa: E402

MIB, GIB = 1 << 20, 1 << 30
ZERO = "00000000-0000-0000-0000-000000000000"


def wait_until(condition, seconds=100):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"it did not come true within {seconds} s")


@unittest.skipUnless(sdk, "the SDK (ovirtsdk4) is not there")
@unittest.skipUnless(os.geteuid() == 0, "hosts need root")
class SdkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.state = pathlib.Path(tempfile.mkdtemp(prefix="vireo-sdk-"))
        cls.addClassCleanup(shutil.rmtree, cls.state)
        cls.centre = DataCentre(cls.state)
        cls.addClassCleanup(cls.centre.stop)
        cls.centre.start()
        cls.connection = cls.connect()
        cls.addClassCleanup(cls.connection.close)
        cls.system = cls.connection.system_service()
        cls.vms, cls.disks = cls.system.vms_service(), cls.system.disks_service()

    @classmethod
    def connect(cls, **changes):
        facts = cls.centre.connection
        return sdk.Connection(**{"url": facts["url"], "username": facts["user"],
                                 "password": facts["password"], "ca_file": facts["ca_file"],
                                 **changes})

    def refused(self, code, words, function, *arguments, **parameters):
        with self.assertRaises(sdk.NotFoundError if code == 404 else sdk.Error) as raised:
            function(*arguments, **parameters)
        self.assertEqual(raised.exception.code, code, raised.exception)
        if words:
            self.assertIn(words, raised.exception.fault.detail)

    def add_vm(self, name, **members):
        vm = self.vms.add(types.Vm(name=name, cluster=types.Cluster(name="Default"),
                                   template=types.Template(name="Blank"), memory=256 * MIB,
                                   **members))
        service = self.vms.vm_service(vm.id)
        self.addCleanup(self.remove_vm, service)
        return vm, service

    def remove_vm(self, service):
        if service.get().status != types.VmStatus.DOWN:
            service.stop()
            self.wait_status(service, types.VmStatus.DOWN)
        service.remove()

    def wait_status(self, service, status):
        wait_until(lambda: service.get().status == status)

    def add_disk(self, name, **members):
        disk = self.disks.add(types.Disk(**{
            "name": name, "format": types.DiskFormat.COW, "provisioned_size": GIB, "sparse": True,
            "storage_domains": [types.StorageDomain(name="local")], **members}))
        service = self.disks.disk_service(disk.id)
        self.wait_status(service, types.DiskStatus.OK)
        return disk, service

    # ---- the system

    def test_system(self):
        api = self.system.get()
        self.assertTrue(self.connection.test())
        self.assertEqual((api.product_info.version.major, api.product_info.version.minor), (4, 5))
        self.assertEqual(api.special_objects.blank_template.id, ZERO)
        self.assertEqual(api.summary.hosts.active, 1)
        self.assertEqual(self.connection.follow_link(api.special_objects.blank_template).name,
                         "Blank")
        self.assertEqual(self.connection.follow_link(api.authenticated_user).principal, "admin")

    def test_logins(self):
        wrong = self.connect(password="wrong")
        self.assertRaises(sdk.AuthError, wrong.system_service().get)
        self.assertFalse(wrong.test())
        second = self.connect(username=None, password=None, token=self.connection.authenticate())
        self.assertTrue(second.test())
        second.close(logout=False)

    def test_several_requests_at_once(self):
        futures = [self.system.hosts_service().list(wait=False) for _ in range(20)]
        self.assertEqual([len(future.wait()) for future in futures], [1] * 20)

    def test_what_is_not_there(self):
        self.refused(404, "", self.vms.vm_service(ZERO).get)
        self.refused(400, "nonsense", self.system.hosts_service().list, search="nonsense=1")
        self.refused(501, "not implemented", self.system.scheduling_policies_service().list)

    # ---- data centers, hosts, storage

    def test_data_center_and_cluster(self):
        centers, clusters = self.system.data_centers_service(), self.system.clusters_service()
        center = centers.add(types.DataCenter(name="sdk", description="d", local=False))
        service = centers.data_center_service(center.id)
        self.assertEqual(service.update(types.DataCenter(comment="c")).description, "d")
        self.refused(409, "already", centers.add, types.DataCenter(name="sdk", local=False))
        cluster = clusters.add(types.Cluster(
            name="sdk", data_center=types.DataCenter(id=center.id),
            cpu=types.Cpu(architecture=types.Architecture.X86_64, type="Intel Nehalem Family")))
        one = clusters.cluster_service(cluster.id)
        one.update(types.Cluster(memory_policy=types.MemoryPolicy(
            over_commit=types.MemoryOverCommit(percent=150))))
        self.assertEqual(one.get().memory_policy.over_commit.percent, 150)
        self.assertEqual([it.name for it in service.clusters_service().list()], ["sdk"])
        networks = self.connection.follow_link(service.get().networks)
        self.assertEqual([it.name for it in networks], ["ovirtmgmt"])
        one.remove()
        service.remove()
        self.refused(404, "", service.get)

    def test_host(self):
        host, = self.system.hosts_service().list(search="status=up", all_content=True)
        service = self.system.hosts_service().host_service(host.id)
        self.assertEqual(host.status, types.HostStatus.UP)
        self.assertGreater(host.memory, 0)
        self.assertIn("memory.total", [it.name for it in service.statistics_service().list()])
        self.assertIn("ovirtmgmt", [it.name for it in service.nics_service().list()])
        self.refused(409, "up already", service.activate)

    def test_storage(self):
        domain, = self.system.storage_domains_service().list(search="name=local")
        service = self.system.storage_domains_service().storage_domain_service(domain.id)
        self.assertEqual((domain.type, domain.storage.type),
                         (types.StorageDomainType.DATA, types.StorageType.LOCALFS))
        self.assertGreater(service.get().available, 0)
        self.assertTrue(service.storage_connections_service().list()[0].path)
        service.update(types.StorageDomain(warning_low_space_indicator=7))
        self.assertEqual(service.get().warning_low_space_indicator, 7)
        center = self.system.data_centers_service().list(search="name=Default")[0]
        attached, = self.connection.follow_link(center.storage_domains)
        self.assertEqual(attached.status, types.StorageDomainStatus.ACTIVE)

    def test_disk(self):
        disk, service = self.add_disk("sdkdisk")
        service.update(types.Disk(alias="renamed"))
        self.assertEqual([it.id for it in self.disks.list(search="alias=renamed")], [disk.id])
        service.update(types.Disk(provisioned_size=2 * GIB))
        wait_until(lambda: service.get().status == types.DiskStatus.OK
                   and service.get().provisioned_size == 2 * GIB)
        transfers = self.system.image_transfers_service()
        transfer = transfers.add(types.ImageTransfer(
            disk=types.Disk(id=disk.id), direction=types.ImageTransferDirection.DOWNLOAD,
            format=types.DiskFormat.RAW))
        one = transfers.image_transfer_service(transfer.id)
        wait_until(lambda: one.get().phase == types.ImageTransferPhase.TRANSFERRING)
        self.assertTrue(one.get().transfer_url.startswith("https://"))
        one.finalize()
        self.wait_status(service, types.DiskStatus.OK)
        service.remove()
        wait_until(lambda: not self.disks.list(search="alias=renamed"))

    def test_network(self):
        networks = self.system.networks_service()
        network = networks.add(types.Network(
            name="sdknet", data_center=types.DataCenter(name="Default"), vlan=types.Vlan(id=12),
            usages=[types.NetworkUsage.VM], mtu=1500))
        service = networks.network_service(network.id)
        cluster = self.system.clusters_service().list(search="name=Default")[0]
        self.system.clusters_service().cluster_service(cluster.id).networks_service().add(
            types.Network(id=network.id, required=False))
        self.assertEqual([it.name for it in service.vnic_profiles_service().list()], ["sdknet"])
        service.remove()

    def test_events_jobs_and_tags(self):
        events, jobs = self.system.events_service(), self.system.jobs_service()
        event = events.add(types.Event(description="sdk event", custom_id=7, origin="sdk",
                                       severity=types.LogSeverity.WARNING))
        self.assertEqual(events.list(max=1)[0].description, "sdk event")
        newest = events.list(max=3)
        self.assertEqual([it.id for it in events.list(from_=int(newest[2].id))],
                         [it.id for it in newest[:2]])
        events.event_service(event.id).remove()
        job = jobs.job_service(jobs.add(types.Job(description="sdk job", auto_cleared=True)).id)
        step = job.steps_service().add(types.Step(description="s", type=types.StepEnum.VALIDATING))
        job.steps_service().step_service(step.id).end(succeeded=True)
        job.end(succeeded=True)
        self.assertEqual(job.get().status, types.JobStatus.FINISHED)
        _, vm = self.add_vm("sdktagged")
        tag = self.system.tags_service().add(types.Tag(name="sdktag"))
        vm.tags_service().add(types.Tag(name="sdktag"))
        self.assertEqual([it.name for it in self.vms.list(search="tag=sdktag")], ["sdktagged"])
        self.system.tags_service().tag_service(tag.id).remove()

    # ---- a VM

    def test_life_of_a_vm(self):
        disk, _ = self.add_disk("sdkboot")
        vm, service = self.add_vm(
            "sdkvm", description="d", type=types.VmType.SERVER,
            cpu=types.Cpu(topology=types.CpuTopology(cores=1, sockets=2)),
            os=types.OperatingSystem(type="other_linux",
                                     boot=types.Boot(devices=[types.BootDevice.HD])),
            display=types.Display(type=types.DisplayType.VNC))
        self.assertEqual(vm.status, types.VmStatus.DOWN)
        self.refused(409, "already", self.vms.add, types.Vm(
            name="sdkvm", cluster=types.Cluster(name="Default")))
        self.refused(400, "cluster", self.vms.add, types.Vm(name="other"))
        self.refused(409, "not running", service.stop)
        self.check_nics(service)
        self.check_attachments(vm, service, disk)
        service.start(query={"correlation_id": "sdk-start"})
        self.refused(409, "", service.start)
        self.wait_status(service, types.VmStatus.UP)
        self.check_running(service)
        service.stop()
        self.wait_status(service, types.VmStatus.DOWN)
        self.assertIsNone(service.get().host)
        self.check_run_once(service)

    def check_nics(self, vm):
        nics, profile = vm.nics_service(), self.system.vnic_profiles_service().list()[0]
        nic = nics.add(types.Nic(name="nic1", interface=types.NicInterface.VIRTIO,
                                 vnic_profile=types.VnicProfile(id=profile.id)))
        service = nics.nic_service(nic.id)
        service.update(types.Nic(linked=False))
        self.assertEqual((service.get().linked, service.get().plugged), (False, True))
        self.assertTrue(nic.mac.address)
        nics.nic_service(nics.add(types.Nic(name="nic2")).id).remove()
        self.assertEqual([it.name for it in nics.list()], ["nic1"])

    def check_attachments(self, vm, service, disk):
        attachments = service.disk_attachments_service()
        attachments.add(types.DiskAttachment(
            disk=types.Disk(id=disk.id), interface=types.DiskInterface.VIRTIO_SCSI, bootable=True,
            active=True))
        made = attachments.add(types.DiskAttachment(
            disk=types.Disk(name="sdkdata", provisioned_size=64 * MIB, format=types.DiskFormat.RAW,
                            storage_domains=[types.StorageDomain(name="local")]),
            interface=types.DiskInterface.VIRTIO, bootable=False, active=True))
        self.wait_status(self.disks.disk_service(made.disk.id), types.DiskStatus.OK)
        found = attachments.list(follow="disk")
        self.assertEqual({it.disk.alias for it in found}, {"sdkboot", "sdkdata"})
        self.assertEqual({it.vm.id for it in found}, {vm.id})

    def check_running(self, service):
        found, = self.vms.list(search="name=sdkvm and status=up",
                               follow="nics,disk_attachments.disk,cluster.data_center,host")
        self.assertEqual((found.cluster.data_center.name, found.nics[0].name, len(
            found.disk_attachments)), ("Default", "nic1", 2))
        self.assertEqual(found.host.status, types.HostStatus.UP)
        self.assertTrue(found.display.port)
        self.assertIn("memory.installed", [it.name for it in service.statistics_service().list()])
        consoles = service.graphics_consoles_service()
        console, = consoles.list(current=True)
        self.assertEqual(console.protocol, types.GraphicsType.VNC)
        one = consoles.console_service(console.id)
        self.assertTrue(one.ticket().value)
        self.assertTrue(one.remote_viewer_connection_file().startswith("[virt-viewer]"))
        self.assertEqual(service.ticket(ticket=types.Ticket(value="secret", expiry=60)).expiry, 60)
        service.update(types.Vm(description="running"))
        self.assertEqual(service.get().description, "running")
        self.refused(409, "running", service.remove)
        events = self.system.events_service().list(search="correlation_id=sdk-start")
        self.assertIn(153, [it.code for it in events])
        self.assertIn("Starting VM sdkvm",
                      [it.description for it in self.system.jobs_service().list()])

    def check_run_once(self, service):
        service.start(pause=True, vm=types.Vm(os=types.OperatingSystem(
            boot=types.Boot(devices=[types.BootDevice.NETWORK]))))
        self.wait_status(service, types.VmStatus.PAUSED)
        self.assertTrue(service.get().run_once)
        service.stop()
        self.wait_status(service, types.VmStatus.DOWN)


if __name__ == "__main__":
    unittest.main(verbosity=1)
