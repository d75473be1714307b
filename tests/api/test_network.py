#!/usr/bin/env python3
"""Networks, their labels, vNIC profiles and filters."""

import unittest

import vireo_test

HOME = {'data_center': {'name': 'Default'}}


class NetworkTest(vireo_test.ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = cls.user('plain')
        cls.data_center = cls.admin.named('/datacenters', 'data_center', 'Default')

    def network(self, name, **members):
        made = self.admin.add('/networks', {'name': name, **HOME, **members})
        self.addCleanup(self.admin.json, 'DELETE', made['href'])
        return made

    def test_common_life(self):
        self.check_common(
            '/networks', {'name': 'life', 'description': 'd', **HOME},
            {'description': 'other', 'comment': 'c', 'mtu': '9000'},
            [({'name': 'x'}, 'network.data_center'), (HOME, 'name'),
             ({'name': 'bond7', **HOME}, 'network.name'),
             ({'name': 'BONDING', **HOME}, 'network.name'),
             ({'name': ' x', **HOME}, 'network.name'),
             ({'name': 'n' * 257, **HOME}, 'network.name'),
             ({'name': 'x', 'mtu': '67', **HOME}, 'network.mtu'),
             ({'name': 'x', 'mtu': 'big', **HOME}, 'network.mtu'),
             ({'name': 'x', 'vlan': {'id': '4095'}, **HOME}, 'network.vlan.id'),
             ({'name': 'x', 'vlan': {'id': '1x'}, **HOME}, 'network.vlan.id'),
             ({'name': 'x', 'usages': {'usage': ['fun']}, **HOME}, 'network.usages'),
             ({'name': 'x', 'usages': {'usage': []}, 'stp': 'true', **HOME}, 'network.stp'),
             ({'name': 'x', 'usages': {'usage': []}, 'port_isolation': 'true', **HOME},
              'network.port_isolation'),
             ({'name': 'x', 'dns_resolver_configuration':
               {'name_servers': {'name_server': ['one']}}, **HOME}, 'name_servers')],
            self.plain)
        self.assert_event(944)

    def test_a_new_one_has_defaults_and_a_profile(self):
        made = self.network('fresh')
        self.assert_event(942)
        self.assertEqual((made['mtu'], made['stp'], made['port_isolation'], made['usages'],
                          made['vdsm_name'], made['data_center']['id']),
                         ('0', 'false', 'false', {'usage': ['vm']}, 'fresh',
                          self.data_center['id']))
        profile, = self.admin.list(made['href'] + '/vnicprofiles', 'vnic_profile')
        self.assertEqual((profile['name'], profile['pass_through'], profile['network']['id']),
                         ('fresh', {'mode': 'disabled'}, made['id']))
        bare = self.network('bare', profile_required='false')
        self.assertEqual(self.admin.list(bare['href'] + '/vnicprofiles', 'vnic_profile'), [])

    def test_xml_takes_what_clients_send(self):
        answer = self.admin.xml('POST', '/networks', f'''
            <network><data_center id="{self.data_center['id']}"/><name>xml</name>
            <vlan id="12"/><mtu>1400</mtu><usages/><dns_resolver_configuration><name_servers>
            <name_server>192.0.2.1</name_server><name_server>2001:db8::1</name_server>
            </name_servers></dns_resolver_configuration></network>''')
        self.assertEqual(answer.status, 201, answer)
        root = answer.xml
        self.addCleanup(self.admin.remove, root.get('href'))
        self.assertEqual((root.find('vlan').get('id'), root.findtext('mtu')), ('12', '1400'))
        self.assertEqual(root.findall('usages/usage'), [])
        self.assertEqual([e.text for e in root.iter('name_server')], ['192.0.2.1', '2001:db8::1'])
        untagged = self.admin.xml('PUT', root.get('href'), '<network><vlan/></network>')
        self.assertIsNone(untagged.xml.find('vlan'))
        tagged = self.admin.xml('PUT', root.get('href'), '<network><vlan id="13"/></network>')
        self.assertEqual(tagged.xml.find('vlan').get('id'), '13')

    def test_tags_may_come_as_numbers(self):
        made = self.network('number', vlan={'id': 7})
        self.assertEqual(made['vlan'], {'id': '7'})

    def test_names_that_no_bridge_can_have(self):
        made = self.network('a long name of a network')
        self.assertTrue(made['vdsm_name'].startswith('on'), made)
        self.assertEqual(len(made['vdsm_name']), 15)
        self.assert_fault(self.admin.json('POST', '/networks',
                                          {'name': made['vdsm_name'], **HOME}), 409, 'bridge')
        renamed = self.admin.change(made['href'], {'name': 'short'})
        self.assertEqual(renamed['vdsm_name'], 'short')

    def test_renaming_renames_its_profile(self):
        made = self.network('before')
        self.admin.change(made['href'], {'name': 'after'})
        profiles = self.admin.list(made['href'] + '/vnicprofiles', 'vnic_profile')
        self.assertEqual([profile['name'] for profile in profiles], ['after'])
        self.assert_event(1114)

    def test_names_are_unique_in_a_data_center(self):
        made = self.network('unique')
        other = self.admin.add('/datacenters', {'name': 'other', 'local': 'false'})
        twin = self.admin.add('/networks', {'name': 'unique', 'data_center': {'id': other['id']}})
        self.assertNotEqual(twin['id'], made['id'])
        self.assert_fault(self.admin.json('PUT', made['href'], {'name': 'ovirtmgmt'}), 409,
                          'already')
        self.admin.remove(other['href'])

    def test_what_can_not_change(self):
        made = self.network('fixed')
        self.assert_fault(self.admin.json('PUT', made['href'], {'port_isolation': 'true'}), 400,
                          'network.port_isolation')
        self.assert_fault(self.admin.json('PUT', made['href'],
                                          {'data_center': {'id': vireo_test.NOBODY}}), 400,
                          'network.data_center')
        changed = self.admin.change(made['href'], {'vdsm_name': 'mine', 'status': 'operational'})
        self.assertEqual(changed['vdsm_name'], 'fixed')
        self.assertNotIn('status', changed)

    def test_without_vms_it_loses_its_profiles(self):
        made = self.network('losing')
        self.admin.change(made['href'], {'usages': {'usage': []}})
        self.assertEqual(self.admin.list(made['href'] + '/vnicprofiles', 'vnic_profile'), [])
        self.assert_fault(self.admin.json('POST', made['href'] + '/vnicprofiles',
                                          {'name': 'none'}), 400, 'not for VMs')

    def test_below_its_data_center(self):
        home = self.data_center['href'] + '/networks'
        made = self.admin.add(home, {'name': 'below'})
        nested = f'{home}/{made["id"]}'
        self.assertEqual(made['href'], nested)
        self.assertEqual(self.admin.change(nested, {'comment': 'c'})['comment'], 'c')
        other = self.admin.add('/datacenters', {'name': 'another', 'local': 'false'})
        self.assert_fault(self.admin.json('GET', f'{other["href"]}/networks/{made["id"]}'), 404)
        self.assert_fault(self.admin.json('DELETE', f'{other["href"]}/networks/{made["id"]}'), 404)
        self.admin.remove(other['href'])
        self.admin.remove(nested)
        self.assert_fault(self.admin.json('GET', f'/networks/{made["id"]}'), 404)

    def test_foreign_things_are_refused(self):
        for member, status in (('qos', 404), ('external_provider', 501)):
            self.assert_fault(self.admin.json('POST', '/networks', {
                'name': 'foreign', member: {'id': vireo_test.NOBODY}, **HOME}), status)

    def test_the_management_network_stays(self):
        management = self.admin.named('/networks', 'network', 'ovirtmgmt')
        self.assert_fault(self.admin.json('DELETE', management['href']), 409, 'management network')

    def test_labels(self):
        made = self.network('labelled')
        home = made['href'] + '/networklabels'
        self.assertEqual(self.admin.json('GET', home).json, {})
        self.assert_fault(self.plain.json('POST', home, {'id': 'red'}), 403)
        label = self.admin.add(home, {'id': 'red'})
        self.assert_event(1132)
        self.assertEqual((label['id'], label['network']['id']), ('red', made['id']))
        self.assert_fault(self.admin.json('POST', home, {'id': 'blue'}), 409, 'red')
        self.assert_fault(self.admin.json('POST', home, {}), 400, 'id')
        self.assert_fault(self.admin.json('POST', home, {'id': 'a b'}), 400, 'network_label.id')
        self.assertEqual(self.admin.get(label['href'])['id'], 'red')
        followed = self.admin.get(made['href'] + '?follow=network_labels')
        self.assertEqual([one['id'] for one in followed['network_labels']['network_label']],
                         ['red'])
        self.assert_fault(self.admin.json('DELETE', home + '/blue'), 404)
        self.admin.remove(label['href'])
        self.assert_event(1134)
        self.assert_fault(self.admin.json('GET', label['href']), 404)


class VnicProfileTest(vireo_test.ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = cls.user('plain')
        cls.network = cls.admin.add('/networks', {'name': 'profiled', **HOME})
        cls.filters = cls.admin.list('/networkfilters', 'network_filter')

    def profile(self, name, **members):
        made = self.admin.add('/vnicprofiles', {'name': name, **members,
                                                'network': {'id': self.network['id']}})
        self.addCleanup(self.admin.remove, made['href'])
        return made

    def refuse(self, words, **members):
        self.assert_fault(self.admin.json('POST', '/vnicprofiles', {
            'name': 'refused', 'network': {'id': self.network['id']}, **members}), 400, words)

    def test_common_life(self):
        home = {'network': {'id': self.network['id']}}
        self.check_common('/vnicprofiles', {'name': 'life', 'description': 'd', **home},
                          {'description': 'other', 'comment': 'c'},
                          [({'name': 'x'}, 'network.id'), (home, 'name'),
                           ({'name': 'x' * 257, **home}, 'vnic_profile.name'),
                           ({'name': 'x', 'port_mirroring': '2', **home},
                            'vnic_profile.port_mirroring')],
                          self.plain)
        self.assert_event(1126)

    def test_filters(self):
        made = self.profile('filtered', network_filter={'id': self.filters[5]['id']})
        self.assert_event(1122)
        self.assertEqual(made['network_filter']['id'], self.filters[5]['id'])
        followed = self.admin.get(made['href'] + '?follow=network_filter,network')
        self.assertEqual(followed['network_filter']['name'], self.filters[5]['name'])
        self.assertEqual(followed['network']['name'], 'profiled')
        cleared = self.admin.xml('PUT', made['href'],
                                 '<vnic_profile><network_filter/></vnic_profile>')
        self.assertIsNone(cleared.xml.find('network_filter'))
        self.assert_event(1124)
        self.refuse('vnic_profile.network_filter', network_filter={'id': vireo_test.NOBODY})

    def test_pass_through(self):
        made = self.profile('passing', pass_through={'mode': 'enabled'})
        self.assertEqual((made['pass_through']['mode'], made['migratable']), ('enabled', 'true'))
        self.refuse('port_mirroring', pass_through={'mode': 'enabled'}, port_mirroring='true')
        self.refuse('network_filter', pass_through={'mode': 'enabled'},
                    network_filter={'id': self.filters[0]['id']})
        self.refuse('migratable', migratable='true')
        back = self.admin.change(made['href'], {'pass_through': {'mode': 'disabled'}})
        self.assertNotIn('migratable', back)

    def test_failover(self):
        spare = self.profile('spare')
        made = self.profile('failing', pass_through={'mode': 'enabled'},
                            failover={'id': spare['id']})
        self.assertEqual(made['failover']['id'], spare['id'])
        self.assert_fault(self.admin.json('DELETE', spare['href']), 409, 'failover')
        self.refuse('vnic_profile.failover', failover={'id': spare['id']})
        self.refuse('vnic_profile.failover', pass_through={'mode': 'enabled'},
                    failover={'id': made['id']})

    def test_custom_properties(self):
        made = self.profile('custom', custom_properties={'custom_property': [
            {'name': 'queues', 'value': '4'}]})
        self.assertEqual(made['custom_properties']['custom_property'],
                         [{'name': 'queues', 'value': '4'}])
        self.refuse('custom_property.name', custom_properties={'custom_property': [
            {'value': '4'}]})

    def test_below_its_network(self):
        home = self.network['href'] + '/vnicprofiles'
        made = self.admin.add(home, {'name': 'below'})
        self.assertEqual(made['network']['id'], self.network['id'])
        self.assertIn('below', [one['name'] for one in self.admin.list(home, 'vnic_profile')])
        self.assert_fault(self.admin.json('POST', home, {'name': 'below'}), 409, 'already')
        management = self.admin.named('/networks', 'network', 'ovirtmgmt')
        strange = f'{management["href"]}/vnicprofiles/{made["id"]}'
        self.assert_fault(self.admin.json('GET', strange), 404)
        self.assert_fault(self.admin.json('POST', home, {
            'name': 'x', 'network': {'id': management['id']}}), 400, 'vnic_profile.network')
        self.assert_fault(self.admin.json('PUT', f'/vnicprofiles/{made["id"]}',
                                          {'network': {'id': management['id']}}), 400, 'move')
        self.admin.remove(f'{home}/{made["id"]}')

    def test_nics_hold_it(self):
        made = self.profile('held')
        vm = self.admin.add('/vms', {'name': 'holder', 'cluster': {'name': 'Default'},
                                     'template': {'name': 'Blank'}})
        nic = self.admin.json('POST', vm['href'] + '/nics', {
            'name': 'nic1', 'vnic_profile': {'id': made['id']}})
        if nic.status == 501:
            raise unittest.SkipTest('VMs have no NICs yet')
        for call in ((made['href'], 'holder'), (self.network['href'], 'holder')):
            self.assert_fault(self.admin.json('DELETE', call[0]), 409, call[1])
        self.assert_fault(self.admin.json('PUT', made['href'], {'port_mirroring': 'true'}), 409,
                          'holder')
        self.assert_fault(self.admin.json('PUT', self.network['href'],
                                          {'usages': {'usage': []}}), 409, 'holder')
        self.admin.remove(nic.json['href'])
        self.admin.change(made['href'], {'port_mirroring': 'true'})


class NetworkFilterTest(vireo_test.ApiTest):
    def test_there_are_eighteen_with_ids_that_stay(self):
        filters = self.admin.list('/networkfilters', 'network_filter')
        names = [one['name'] for one in filters]
        self.assertEqual(len(set(names)), 18)
        self.assertIn('clean-traffic', names)
        by_name = {one['name']: one for one in filters}
        self.assertEqual(by_name['vdsm-no-mac-spoofing']['id'],
                         'd2370ab4-fee3-11e9-a310-8c1645ce738e')
        self.assertEqual(by_name['allow-arp']['version'], {'major': '3', 'minor': '6'})
        read = self.admin.get(by_name['allow-arp']['href'])
        self.assertEqual(read['name'], 'allow-arp')
        cluster = self.admin.named('/clusters', 'cluster', 'Default')
        self.assertEqual(self.admin.list(cluster['href'] + '/networkfilters', 'network_filter'),
                         filters)


if __name__ == '__main__':
    vireo_test.main()
