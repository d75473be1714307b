#!/usr/bin/env python3
"""MAC pools."""

import vireo_test


def ranges(*pairs):
    return {'ranges': {'range': [{'from': start, 'to': end} for start, end in pairs]}}


ONE = ranges(('02:00:00:01:00:00', '02:00:00:01:00:ff'))


class MacPoolTest(vireo_test.ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = cls.user('plain')

    def test_common_life(self):
        self.check_common('/macpools', {'name': 'life', 'description': 'd', **ONE},
                          {'description': 'other', 'allow_duplicates': 'true'},
                          [({'name': 'x'}, 'ranges'), (ONE, 'name'),
                           ({'name': 'x', 'ranges': {'range': []}}, 'ranges'),
                           ({'name': 'x', 'ranges': {'range': [{'from': '02:00:00:01:00:00'}]}},
                            'ranges[].to'),
                           ({'name': 'x', **ranges(('x', '02:00:00:01:00:00'))}, 'range.from'),
                           ({'name': 'x', **ranges(('03:00:00:01:00:00', '03:00:00:01:00:01'))},
                            'unicast'),
                           ({'name': 'x', **ranges(('02:00:00:01:00:01', '02:00:00:01:00:00'))},
                            'comes after'),
                           ({'name': 'x', **ranges(('02:00:00:02:00:00', '02:00:00:02:00:10'),
                                                   ('02:00:00:02:00:10', '02:00:00:02:00:20'))},
                            'overlap'),
                           ({'name': 'x', 'default_pool': 'true', **ONE}, 'default_pool')],
                          self.plain)
        self.assert_event(10704)

    def test_a_new_one(self):
        made = self.admin.add('/macpools', {'name': 'fresh', **ONE})
        self.assert_event(10700)
        self.assertEqual((made['allow_duplicates'], made['default_pool']), ('false', 'false'))
        self.assertEqual(made['ranges'], ONE['ranges'])
        changed = self.admin.xml('PUT', made['href'], '<mac_pool><ranges><range>'
                                 '<from>02:00:00:03:00:00</from><to>02:00:00:03:00:01</to></range>'
                                 '</ranges></mac_pool>')
        self.assert_event(10702)
        self.assertEqual([e.text for e in changed.xml.find('ranges/range')],
                         ['02:00:00:03:00:00', '02:00:00:03:00:01'])
        self.admin.remove(made['href'])

    def test_pools_do_not_overlap(self):
        default = self.admin.named('/macpools', 'mac_pool', 'Default')
        theirs = default['ranges']['range'][0]
        self.assert_fault(self.admin.json('POST', '/macpools', {
            'name': 'over', **ranges((theirs['to'], theirs['to']))}), 409, 'Default')
        self.admin.change(default['href'], {'ranges': default['ranges']})

    def test_the_default_one_stays(self):
        default = self.admin.named('/macpools', 'mac_pool', 'Default')
        self.assertEqual(default['default_pool'], 'true')
        self.assert_fault(self.admin.json('DELETE', default['href']), 409, 'default')
        self.assert_fault(self.admin.json('PUT', default['href'], {'default_pool': 'false'}), 400,
                          'default_pool')

    def test_a_used_one_stays(self):
        pool = self.admin.add('/macpools', {'name': 'used', **ONE})
        cluster = self.admin.add('/clusters', {'name': 'user', 'data_center': {'name': 'Default'},
                                               'mac_pool': {'id': pool['id']}})
        self.assert_fault(self.admin.json('DELETE', pool['href']), 409, 'cluster user')
        self.admin.remove(cluster['href'])
        self.admin.remove(pool['href'])

    def nic(self, vm, **members):
        answer = self.admin.json('POST', vm['href'] + '/nics', members)
        if answer.status == 501:
            self.skipTest('VMs have no NICs yet')
        return answer

    def test_nics_take_their_addresses_from_it(self):
        pool = self.admin.add('/macpools', {'name': 'small', **ranges(
            ('02:00:00:05:00:00', '02:00:00:05:00:01'))})
        cluster = self.admin.add('/clusters', {'name': 'small', 'data_center': {'name': 'Default'},
                                               'mac_pool': {'id': pool['id']}})
        vm = self.admin.add('/vms', {'name': 'small', 'cluster': {'id': cluster['id']},
                                     'template': {'name': 'Blank'}})
        taken = [self.nic(vm, name=f'nic{i}').json['mac']['address'] for i in range(2)]
        self.assertEqual(taken, ['02:00:00:05:00:00', '02:00:00:05:00:01'])
        self.assert_fault(self.nic(vm, name='nic9'), 409, 'Not enough MAC addresses')
        self.assert_fault(self.nic(vm, name='nic9', mac={'address': taken[0]}), 409, 'in use')
        self.admin.change(pool['href'], {'allow_duplicates': 'true'})
        self.assertEqual(self.nic(vm, name='nic9', mac={'address': taken[0]}).status, 201)
        self.assert_fault(self.admin.json('PUT', pool['href'], {'allow_duplicates': 'false'}), 409,
                          taken[0])


if __name__ == '__main__':
    vireo_test.main()
