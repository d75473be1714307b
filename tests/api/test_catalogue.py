#!/usr/bin/env python3
"""What nobody adds: levels, operating systems, icons, options, and the templates and instance types
that every installation begins with."""

import base64
import xml.etree.ElementTree as ElementTree

import vireo_test


class ClusterLevelTest(vireo_test.ApiTest):
    def test_levels(self):
        levels = self.admin.list('/clusterlevels', 'cluster_level')
        self.assertEqual([level['id'] for level in levels],
                         ['4.2', '4.3', '4.4', '4.5', '4.6', '4.7', '4.8'])
        types = {one['name']: one for one in levels[-1]['cpu_types']['cpu_type']}
        self.assertEqual(types['AMD EPYC-Genoa'], {'name': 'AMD EPYC-Genoa', 'level': '9',
                                                   'architecture': 'x86_64'})
        self.assertEqual(types['IBM POWER10']['architecture'], 'ppc64')
        older = [one['name'] for one in levels[0]['cpu_types']['cpu_type']]
        self.assertIn('Intel Conroe Family', older)
        self.assertNotIn('AMD EPYC-Genoa', older)
        permits = {one['name']: one for one in levels[0]['permits']['permit']}
        self.assertEqual((permits['create_vm']['id'], permits['create_vm']['administrative']),
                         ('1', 'false'))
        self.assertEqual(permits['create_cluster']['administrative'], 'true')

    def test_one_level(self):
        root = self.admin.xml('GET', '/clusterlevels/4.5').xml
        self.assertEqual(root.get('id'), '4.5')
        self.assertEqual(len(root.findall('cpu_types/cpu_type')), 30)
        self.assertEqual(self.admin.json('GET', '/clusterlevels/4.5/clusterfeatures').json, {})
        for wrong in ('4.1', '4.9', '4', 'x'):
            self.assert_fault(self.admin.json('GET', f'/clusterlevels/{wrong}'), 404)
            self.assert_fault(self.admin.json('GET', f'/clusterlevels/{wrong}/clusterfeatures'),
                              404)


class OperatingSystemTest(vireo_test.ApiTest):
    def test_the_catalogue(self):
        systems = {one['name']: one
                   for one in self.admin.list('/operatingsystems', 'operating_system')}
        self.assertGreater(len(systems), 50)
        windows = systems['windows_11']
        self.assertEqual((windows['id'], windows['architecture'], windows['tpm_support'],
                          windows['description']), ('36', 'x86_64', 'required', 'Windows 11'))
        root = self.admin.xml('GET', windows['href']).xml
        self.assertEqual((root.tag, root.findtext('name')), ('operating_system', 'windows_11'))
        for wrong in ('12345', 'x', '036'):
            self.assert_fault(self.admin.json('GET', f'/operatingsystems/{wrong}'), 404)

    def test_each_has_icons_that_are_pictures(self):
        icons = {one['id']: one for one in self.admin.list('/icons', 'icon')}
        for system in self.admin.list('/operatingsystems', 'operating_system'):
            for size in ('small_icon', 'large_icon'):
                self.assertIn(system[size]['id'], icons)
        for icon in icons.values():
            self.assertEqual(icon['media_type'], 'image/svg+xml')
            ElementTree.fromstring(base64.b64decode(icon['data']))
            self.assertEqual(self.admin.get(icon['href']), icon)


class SystemOptionTest(vireo_test.ApiTest):
    def values(self, path):
        return self.admin.get('/options/' + path)['values']['system_option_value']

    def test_what_the_portal_asks_for(self):
        for name in ('AlwaysFilterResultsForWebUi', 'MaxNumOfVmSockets', 'MaxNumOfCpuPerSocket',
                     'MaxNumOfThreadsPerCpu', 'MaxNumOfVmCpus', 'DefaultGeneralTimeZone',
                     'DefaultWindowsTimeZone', 'SpiceUsbAutoShare', 'UserSessionTimeOutInterval',
                     'WebSocketProxy', 'ClientModeConsoleDefault', 'ClientModeVncDefault'):
            for value in self.values(name):
                self.assertTrue(value['value'] and value['version'], name)
        self.assertEqual(self.values('DefaultGeneralTimeZone'),
                         [{'value': 'Etc/GMT', 'version': 'general'}])

    def test_values_for_one_level(self):
        self.assertEqual(len(self.values('MaxNumOfVmSockets')), 7)
        self.assertEqual(self.values('MaxNumOfVmSockets?version=4.5'),
                         [{'value': '16', 'version': '4.5'}])
        for wrong in ('Nonsense', 'MaxNumOfVmSockets?version=3.6'):
            self.assert_fault(self.admin.json('GET', '/options/' + wrong), 404)
        self.assert_fault(self.admin.json('GET', '/options'), 405)


class TemplateTest(vireo_test.ApiTest):
    def test_blank(self):
        blank, = self.admin.list('/templates', 'template')
        self.assertEqual((blank['name'], blank['id'], blank['status']),
                         ('Blank', vireo_test.ZERO, 'ok'))
        self.assertEqual(blank['cpu']['topology'], {'sockets': '1', 'cores': '1', 'threads': '1'})
        self.assertEqual(blank['version']['version_number'], '1')
        self.assertEqual(self.admin.xml('GET', '/templates/' + vireo_test.ZERO).xml.findtext('name'),
                         'Blank')

    def test_blank_has_no_devices(self):
        for name in ('nics', 'diskattachments', 'cdroms', 'graphicsconsoles', 'watchdogs',
                     'mediateddevices', 'tags'):
            path = f'/templates/{vireo_test.ZERO}/{name}'
            self.assertEqual(self.admin.json('GET', path).json, {}, name)
            self.assert_fault(self.admin.json('GET', f'{path}/{vireo_test.NOBODY}'), 404)
        followed = self.admin.get(f'/templates/{vireo_test.ZERO}?follow=nics,disk_attachments.disk,'
                                  'permissions')
        self.assertEqual(followed['nics'], {'nic': []})
        self.assertEqual(len(followed['permissions']['permission']), 1)


class InstanceTypeTest(vireo_test.ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = cls.user('plain')

    def test_five_are_built_in(self):
        sizes = {one['name']: (int(one['memory']) >> 20, one['cpu']['topology']['sockets'])
                 for one in self.admin.list('/instancetypes', 'instance_type')}
        self.assertLessEqual({'Tiny': (512, '1'), 'Small': (2048, '1'), 'Medium': (4096, '2'),
                              'Large': (8192, '2'), 'XLarge': (16384, '4')}.items(), sizes.items())

    def test_common_life(self):
        gib = str(1 << 30)
        self.check_common('/instancetypes', {'name': 'life', 'memory': gib},
                          {'description': 'other', 'memory': str(2 << 30)},
                          [({'memory': gib}, 'name'),
                           ({'name': 'x', 'memory': '1'}, 'instance_type.memory'),
                           ({'name': 'x', 'cpu': {'topology': {'sockets': 0}}}, 'sockets'),
                           ({'name': 'x', 'cpu': {'topology': {'sockets': 100, 'cores': 100}}},
                            'all CPUs'),
                           ({'name': 'x', 'memory': gib, 'memory_policy': {'guaranteed': 2 << 30}},
                            'Physical Memory Guaranteed cannot exceed Memory Size'),
                           ({'name': 'x', 'memory': gib, 'memory_policy': {'max': 1 << 20}},
                            'Maximum Memory')],
                          self.plain)

    def test_sizes_follow_the_memory(self):
        made = self.admin.add('/instancetypes', {'name': 'sized', 'memory': 1 << 30,
                                                 'cpu': {'topology': {'sockets': 2, 'cores': 3}}})
        self.assertEqual((made['memory_policy']['guaranteed'], made['memory_policy']['max']),
                         (str(1 << 30), str(4 << 30)))
        self.assertEqual(made['cpu']['topology'], {'sockets': '2', 'cores': '3', 'threads': '1'})
        changed = self.admin.change(made['href'], {'memory': 2 << 30})
        self.assertEqual(changed['memory_policy']['guaranteed'], str(2 << 30))
        for name in ('nics', 'watchdogs', 'graphicsconsoles'):
            self.assertEqual(self.admin.json('GET', f'{made["href"]}/{name}').json, {})
        self.admin.remove(made['href'])

    def test_a_used_one_stays(self):
        made = self.admin.add('/instancetypes', {'name': 'used', 'memory': 1 << 30})
        vm = self.admin.add('/vms', {'name': 'typed', 'cluster': {'name': 'Default'},
                                     'template': {'name': 'Blank'},
                                     'instance_type': {'id': made['id']}})
        self.assertEqual(vm['memory'], str(1 << 30))
        self.assert_fault(self.admin.json('DELETE', made['href']), 409, 'typed')


if __name__ == '__main__':
    vireo_test.main()
