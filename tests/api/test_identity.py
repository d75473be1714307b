#!/usr/bin/env python3
"""Users, roles, permissions, groups and domains, as administrators and others see them."""

import base64
import concurrent.futures
import urllib.parse

import vireo_test

EVERYONE = 'eee00000-0000-0000-0000-123456789eee'
SUPER_USER = '00000000-0000-0000-0000-000000000001'
USER_ROLE = '00000000-0000-0000-0001-000000000001'


class IdentityTest(vireo_test.ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = cls.user('plain')
        cls.root = cls.admin.get('/')['authenticated_user']['id']
        cls.me = cls.plain.get('/')['authenticated_user']['id']

    def test_users_as_the_administrator_sees_them(self):
        users = {one['id']: one for one in self.admin.list('/users', 'user')}
        self.assertEqual(set(users), {self.root, self.me})
        admin = users[self.root]
        self.assertEqual((admin['user_name'], admin['principal'], admin['namespace']),
                         ('admin@internal-authz', 'admin', '*'))
        self.assertEqual(users[self.me]['user_name'], 'plain@internal-authz')
        for secret in ('password', 'password_hash', 'failures', 'role'):
            self.assertNotIn(secret, admin)
        root = self.admin.xml('GET', '/users/' + self.me).xml
        self.assertEqual((root.findtext('principal'), root.find('domain').get('id')),
                         ('plain', admin['domain']['id']))
        self.assert_fault(self.admin.json('GET', '/users/' + vireo_test.NOBODY), 404)

    def test_names_of_new_users(self):
        def add(name):
            return self.manager.control(command='user-add', name=name, role='UserRole',
                                        password=vireo_test.PASSWORD)
        for name in ('', 'a b', 'a@b', 'a\nb', 'a\x7f', 'x' * 65, None):
            answer = add(name)
            self.assertFalse(answer['ok'], name)
            self.assertIn('name: ', answer['error'])
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(add, ['twin'] * 8))
        self.assertEqual([answer['ok'] for answer in answers].count(True), 1, answers)
        self.assertEqual(self.manager.control(command='user-remove', name='twin'), {'ok': True})
        self.assertFalse(self.manager.control(command='user-remove', name='twin')['ok'])

    def test_users_see_only_themselves(self):
        self.assertEqual([one['id'] for one in self.plain.list('/users', 'user')], [self.me])
        self.assertEqual(self.plain.get('/users/' + self.me)['principal'], 'plain')
        self.assert_fault(self.plain.json('GET', '/users/' + self.root), 404)

    def test_what_lies_below_users(self):
        home = '/users/' + self.me
        self.assertEqual([one['name'] for one in self.admin.list(home + '/roles', 'role')],
                         ['UserRole'])
        self.assertEqual(self.admin.get(f'{home}/roles/{USER_ROLE}')['name'], 'UserRole')
        self.assert_fault(self.admin.json('GET', f'{home}/roles/{SUPER_USER}'), 404)
        self.assertEqual(self.admin.json('GET', home + '/groups').json, {})
        permission, = self.admin.list(home + '/permissions', 'permission')
        self.assertEqual((permission['user']['id'], permission['role']['id']),
                         (self.me, USER_ROLE))
        followed = self.admin.get(home + '?follow=roles.permits,permissions')
        permits = followed['roles']['role'][0]['permits']['permit']
        self.assertIn('run_vm', [one['name'] for one in permits])

    def test_roles(self):
        roles = {one['name']: one for one in self.admin.list('/roles', 'role')}
        self.assertEqual((roles['SuperUser']['id'], roles['SuperUser']['administrative'],
                          roles['SuperUser']['mutable']), (SUPER_USER, 'true', 'false'))
        self.assertEqual(roles['UserRole']['administrative'], 'false')
        permits = {one['name']: one
                   for one in self.admin.list(f'/roles/{USER_ROLE}/permits', 'permit')}
        self.assertIn('connect_to_vm', permits)
        self.assertNotIn('create_vm', permits)
        self.assertEqual(permits['login']['id'], '1300')
        self.assertEqual(self.admin.get(permits['login']['href'])['role']['id'], USER_ROLE)
        self.assert_fault(self.admin.json('GET', f'/roles/{USER_ROLE}/permits/1'), 404)
        self.assert_fault(self.admin.json('GET', f'/roles/{vireo_test.NOBODY}/permits'), 404)
        whole = self.plain.get('/roles?follow=permits')['role']
        self.assertEqual(len(whole), len(roles))
        self.assertGreater(len(whole[0]['permits']['permit']), 90)

    def test_permissions_of_the_system(self):
        permissions = {one['user']['id']: one
                       for one in self.admin.list('/permissions', 'permission')}
        self.assertEqual(permissions[self.root]['role']['id'], SUPER_USER)
        mine = permissions[self.me]
        self.assertEqual(self.admin.get(mine['href']), mine)
        root = self.admin.xml('GET', mine['href']).xml
        self.assertEqual(root.find('user').get('href'), f'{vireo_test.PREFIX}/users/{self.me}')
        self.assert_fault(self.admin.json('GET', '/permissions/' + vireo_test.NOBODY), 404)

    def test_who_is_no_administrator_learns_it(self):
        self.assertEqual(self.admin.json('GET', '/permissions', Filter='false').status, 200)
        self.assert_fault(self.plain.json('GET', '/permissions', Filter='false'), 403)
        shown = self.plain.json('GET', '/permissions', Filter='true').json['permission']
        self.assertEqual([one['user']['id'] for one in shown], [self.me])
        strange = self.admin.list(f'/users/{self.root}/permissions', 'permission')[0]
        self.assert_fault(self.plain.json('GET', strange['href']), 404)

    def test_objects_inherit_them(self):
        for path in ('/clusters', '/datacenters', '/networks', '/vnicprofiles', '/macpools'):
            one = next(iter(self.admin.get(path).values()))[0]
            home = one['href'] + '/permissions'
            self.assertEqual(len(self.admin.list(home, 'permission')), 2, path)
            self.assertEqual(len(self.plain.list(home, 'permission')), 1, path)
            self.assert_fault(self.admin.json('GET', f'{path}/{vireo_test.NOBODY}/permissions'),
                              404)
        followed = self.admin.get('/clusters?follow=networks,permissions')['cluster'][0]
        self.assertEqual(len(followed['permissions']['permission']), 2)

    def test_groups(self):
        group, = self.admin.list('/groups', 'group')
        self.assertEqual((group['id'], group['name']), (EVERYONE, 'Everyone'))
        self.assertEqual(self.admin.get('/groups/' + EVERYONE)['namespace'], '*')
        for below in ('roles', 'permissions', 'tags'):
            self.assertEqual(self.admin.json('GET', f'/groups/{EVERYONE}/{below}').json, {})
            self.assert_fault(self.admin.json('GET', f'/groups/{vireo_test.NOBODY}/{below}'), 404)
        self.assert_fault(self.admin.json('GET', '/groups/' + vireo_test.NOBODY), 404)

    def test_domains(self):
        domain, = self.admin.list('/domains', 'domain')
        self.assertEqual((domain['name'], bytes.fromhex(domain['id']).decode()),
                         ('internal-authz', 'internal-authz'))
        self.assertEqual(self.admin.get(domain['href'])['name'], 'internal-authz')
        self.assert_fault(self.admin.json('GET', '/domains/00'), 404)

    def test_login_names_that_nobody_has(self):
        """They would be in events and logs."""
        for name in ('a\nb', '\x1b[31mroot', 'x' * 300):
            body = urllib.parse.urlencode({'grant_type': 'password', 'username': name,
                                           'scope': 'ovirt-app-api', 'password': 'x'})
            answer = self.admin.send('POST', '/ovirt-engine/sso/oauth/token', body, {
                'Content-Type': 'application/x-www-form-urlencoded',
                'Accept': 'application/json'})
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(b'control character', answer.body)
            basic = base64.b64encode(f'{name}:x'.encode()).decode()
            stranger = vireo_test.Client(self.manager, user=None)
            answer = stranger.send('GET', '/vms', headers={'Authorization': f'Basic {basic}',
                                                           'Accept': 'application/json'})
            stranger.close()
            self.assertEqual(answer.status, 400, answer)
        texts = [event['description'] for event in self.admin.list('/events', 'event')]
        self.assertFalse([text for text in texts if 'root' in text or 'xxx' in text], texts)


if __name__ == '__main__':
    vireo_test.main()
