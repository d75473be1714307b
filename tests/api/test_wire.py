#!/usr/bin/env python3
"""What clients of the oVirt API take for granted on the wire: negotiation, headers, versions,
representation, faults, single sign-on, the pages beside the API."""

import base64
import gzip
import json
import re
import socket
import ssl
import urllib.parse

import storage_lab
import vireo_test
from vireo_test import NOBODY, PASSWORD, PREFIX, ZERO

SSO = '/ovirt-engine/sso/oauth'
FORM = {'Content-Type': 'application/x-www-form-urlencoded', 'Accept': 'application/json'}
XML_TYPE = r'^\s*(application|text)/xml\s*(;.*)?$'
JSON_TYPE = r'^\s*(application|text)/json\s*(;.*)?$'
SDK_HEADERS = {'User-Agent': 'PythonSDK/4.6.3', 'Version': '4', 'Content-Type': 'application/xml',
               'Accept': 'application/xml'}


def new_vm(name, **members):
    return {'name': name, 'cluster': {'name': 'Default'}, 'template': {'name': 'Blank'}, **members}


class WireTest(vireo_test.ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nobody = cls.client(user=None)
        cls.vm = cls.admin.add('/vms', new_vm('wire', description='d'))['id']

    def ask(self, path, method='GET', body=None, **headers):
        return self.admin.send(method, path, body,
                               {name.replace('_', '-'): value for name, value in headers.items()})

    # ---- formats

    def test_the_format_that_is_accepted(self):
        rows = (({}, 'xml'), ({'Accept': 'application/xml'}, 'xml'), ({'Accept': '*/*'}, 'xml'),
                ({'Accept': 'application/json'}, 'json'), ({'Accept': 'text/xml'}, 'xml'),
                ({'Accept': 'application/json; version=4'}, 'json'),
                ({'Accept': 'application/json, text/plain, */*'}, 'json'),
                ({'Accept': 'text/html,application/xhtml+xml,application/xml;q=0.9'}, 'xml'))
        for headers, expected in rows:
            answer = self.ask('/vms', **headers)
            self.assertEqual(answer.status, 200, headers)
            self.assertRegex(answer.headers['Content-Type'],
                             JSON_TYPE if expected == 'json' else XML_TYPE, headers)
        self.assert_fault(self.ask('/vms', Accept='image/png'), 406, 'image/png')

    def test_what_is_not_there_answers_in_the_accepted_format(self):
        for path in ('/nothing', f'/vms/{NOBODY}/nothing', '/vms/%zz', '/vms?max=x'):
            answer = self.ask(path, accept='application/json')
            self.assertEqual(answer.headers['Content-Type'], 'application/json', path)
            self.assert_fault(answer, answer.status)

    def test_the_format_in_the_url(self):
        answer = self.ask('/vms?accept=application/json', Accept='application/xml')
        self.assertRegex(answer.headers['Content-Type'], JSON_TYPE)
        answer = self.ask('/vms;accept=application%2Fjson')
        self.assertRegex(answer.headers['Content-Type'], JSON_TYPE)

    def test_xml_and_json_in_any_combination(self):
        for content, body in (('application/xml', '<tag><name>{}</name></tag>'),
                              ('text/xml', '<tag><name>{}</name></tag>'),
                              ('application/json', '{{"name":"{}"}}'),
                              ('application/json;charset=UTF-8', '{{"name":"{}"}}')):
            for accept in ('application/xml', 'application/json'):
                name = re.sub(r'\W', '', content + accept)[-40:]
                answer = self.ask('/tags', 'POST', body.format(name), Content_Type=content,
                                  Accept=accept)
                self.assertEqual(answer.status, 201, answer)
                made = answer.json['href'] if 'json' in accept else answer.xml.get('href')
                self.assertEqual(answer.headers['Location'].split('//')[-1].split('/', 1)[-1],
                                 made.lstrip('/').split('//')[-1], answer.headers['Location'])
                self.admin.remove(made)

    def test_requests_as_the_sdk_sends_them(self):
        for path in ('', '/', '/vms', '/vms/', f'/vms/{self.vm}', '/v4', '/v4/', '/v4/vms'):
            answer = self.ask(path, **SDK_HEADERS)
            self.assertEqual(answer.status, 200, path)
            self.assertRegex(answer.headers['Content-Type'], XML_TYPE)
            self.assertTrue(answer.body)
        made = self.ask('/tags', 'POST', '<tag>\n  <name>sdk</name>\n</tag>\n', **SDK_HEADERS)
        self.assertEqual(made.status, 201, made)
        gone = self.ask(made.xml.get('href'), 'DELETE', **SDK_HEADERS)
        self.assertEqual((gone.status, gone.xml.tag, gone.xml.findtext('status')),
                         (200, 'action', 'complete'))

    def test_head(self):
        for path in ('', '/', '/vms', f'/vms/{self.vm}'):
            answer = self.ask(path, 'HEAD')
            self.assertEqual((answer.status, answer.body), (200, b''), path)
            self.assertRegex(answer.headers['Content-Type'], XML_TYPE)
        self.assertEqual(self.ask(f'/vms/{NOBODY}', 'HEAD').status, 404)
        self.assertEqual(self.admin.get(f'/vms/{self.vm}')['id'], self.vm)  # connection in order

    def test_the_root_lists_its_links_in_a_header(self):
        answer = self.ask('', 'HEAD')
        links = ', '.join(answer.headers.get_all('Link') or [])
        self.assertRegex(links, rf'<[^>]*{PREFIX}/vms>; *rel="?vms')
        self.assertRegex(links, r'<[^>]*/vms\?search=\{query\}>; *rel="?vms/search')

    # ---- versions

    def test_versions(self):
        self.assertEqual(self.ask('/vms', Version='4').status, 200)
        self.assert_fault(self.ask('/vms', Version='3'), 400, '3')
        root = self.ask(f'/v4/vms/{self.vm}?follow=cluster').xml
        self.assertEqual(root.get('href'), f'{PREFIX}/v4/vms/{self.vm}')
        for one in root.iter():
            if one.get('href'):
                self.assertTrue(one.get('href').startswith(PREFIX + '/v4/'), one.get('href'))
        self.assertEqual(self.ask('/v4').xml.find('link').get('href')[:len(PREFIX) + 4],
                         PREFIX + '/v4/')
        self.assert_fault(self.ask('/v3/vms'), 404)
        made = self.ask('/v4/tags', 'POST', '<tag><name>v4</name></tag>')
        self.assertIn('/v4/tags/', made.headers['Location'])
        self.admin.remove(made.xml.get('href'))

    # ---- the root

    def test_the_root(self):
        root = self.ask('/').xml
        self.assertEqual(root.tag, 'api')
        links = {one.get('rel'): one.get('href') for one in root.findall('link')}
        self.assertEqual((links['vms'], links['vms/search']),
                         (PREFIX + '/vms', PREFIX + '/vms?search={query}'))
        for name in ('events', 'hosts', 'storagedomains', 'disks', 'clusters', 'jobs'):
            self.assertEqual(links[name], f'{PREFIX}/{name}')
        version = root.find('product_info/version')
        self.assertEqual((version.findtext('major'), version.findtext('minor')), ('4', '5'))
        for name in ('build', 'revision', 'full_version'):
            self.assertTrue(version.findtext(name))
        for name in ('blank_template', 'root_tag'):
            self.assertEqual(root.find('special_objects/' + name).get('id'), ZERO)
        for name in ('vms', 'hosts', 'storage_domains', 'users'):
            self.assertTrue(root.findtext(f'summary/{name}/total').isdigit())
            self.assertTrue(root.findtext(f'summary/{name}/active').isdigit())
        for name in ('authenticated_user', 'effective_user'):
            one = root.find(name)
            self.assertEqual(one.get('href'), f'{PREFIX}/users/{one.get("id")}')
        plain = self.user('rootless')
        self.assertNotIn('summary', plain.get('/'))
        self.assertIsInstance(self.admin.get('/')['time'], int)

    # ---- representation

    def test_scalars_in_json(self):
        vm = self.admin.get(f'/vms/{self.vm}')
        self.assertEqual((vm['memory'], vm['delete_protected'], vm['cpu']['topology']['sockets']),
                         (str(1 << 30), 'false', '1'))
        self.assertIsInstance(vm['creation_time'], int)
        self.assertEqual(vm['os']['boot'], {'devices': {'device': ['hd']}})
        self.assertEqual(vm['cluster']['href'], f'{PREFIX}/clusters/{vm["cluster"]["id"]}')
        self.assertIsInstance(vm['link'], list)
        self.assertIn({'href': f'{PREFIX}/vms/{self.vm}/nics', 'rel': 'nics'}, vm['link'])
        self.assertIn({'href': f'{PREFIX}/vms/{self.vm}/start', 'rel': 'start'},
                      vm['actions']['link'])
        self.assertEqual(self.admin.json('GET', '/vms?search=name%3Dnone').json, {})
        self.assertIsInstance(self.admin.get('/vms')['vm'], list)
        for memory in (2 << 30, str(2 << 30)):
            vm = self.admin.change(vm['href'], {'memory': memory, 'delete_protected': False})
            self.assertEqual(vm['memory'], str(2 << 30))

    def test_scalars_in_xml(self):
        vm = self.ask(f'/vms/{self.vm}').xml
        self.assertEqual(set(vm.keys()), {'id', 'href'})
        self.assertRegex(vm.findtext('creation_time'), r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}'
                                                       r'(Z|[+-]\d\d:\d\d)$')
        self.assertEqual(vm[0].tag, 'actions')  # libgovirt looks for them in front
        self.assertEqual([one.text for one in vm.findall('os/boot/devices/device')], ['hd'])
        self.assertEqual(set(vm.find('cluster').keys()), {'id', 'href'})
        empty = self.ask('/vms?search=name%3Dnone')
        self.assertRegex(empty.body.decode(), r'<vms/>$')
        for link in vm.findall('link'):
            self.assertNotIn('_', link.get('rel'))

    # ---- switches

    def test_all_content(self):
        made = self.admin.add('/vms', new_vm('whole', initialization={'host_name': 'h'}))
        path = made['href']
        for answer in (self.ask(path + '?all_content=true'), self.ask(path, All_Content='true'),
                       self.ask(path + ';all_content=true')):
            self.assertIsNotNone(answer.xml.find('initialization'), answer)
        self.assert_fault(self.ask(path + '?all_content=perhaps'), 400, 'all_content')
        self.admin.remove(path)

    def test_follow(self):
        path = f'/vms/{self.vm}?follow='
        vm = self.admin.get(path + 'cluster.data_center,disk_attachments.disk,permissions.role')
        self.assertEqual((vm['cluster']['name'], vm['cluster']['data_center']['name']),
                         ('Default', 'Default'))
        self.assertTrue(vm['permissions']['permission'][0]['role']['name'])
        self.assertEqual(vm['disk_attachments'], {'disk_attachment': []})
        # Names as in links do, too, as do names that are not there.
        vm = self.admin.get(path + 'diskattachments,nonsense,cluster.nonsense')
        self.assertIn('disk_attachments', vm)
        self.assertEqual(vm['cluster']['name'], 'Default')
        listed = self.admin.get('/vms?follow=cluster,nics&search=name%3Dwire')['vm']
        self.assertEqual([one['cluster']['name'] for one in listed], ['Default'])
        deep = '.'.join(['cluster.data_center.clusters'] * 20)
        self.assertEqual(self.admin.json('GET', path + deep).status, 200)

    def test_max_and_search(self):
        for name in ('page1', 'page2', 'Page3'):
            self.admin.add('/vms', new_vm(name))

        def names(**query):
            found = self.admin.get('/vms?' + urllib.parse.urlencode(query))
            return [one['name'] for one in found.get('vm', [])]
        self.assertEqual(names(search='name=page*', max=2), ['page1', 'page2'])
        self.assertEqual(names(search='name=page* sortby name desc', max=1), ['Page3'])
        self.assertEqual(names(search='name=page* page 2', max=2), ['Page3'])
        self.assertEqual(names(max=0), [])
        self.assertEqual(len(names(max=-1)), len(names()))
        self.assertEqual(names(search='name=PAGE1', case_sensitive='true'), [])
        self.assertEqual(names(search='name=PAGE1', case_sensitive='false'), ['page1'])
        matrix = self.admin.get('/vms;max=1?search=name%3Dpage*')['vm']
        self.assertEqual([one['name'] for one in matrix], ['page1'])
        for name in ('page1', 'page2', 'Page3'):
            self.admin.remove(self.admin.named('/vms', 'vm', name)['href'])

    def test_tags_are_found(self):
        top = self.admin.add('/tags', {'name': 'wiretop'})
        below = self.admin.add('/tags', {'name': 'wirebelow', 'parent': {'id': top['id']}})
        self.admin.add(f'/vms/{self.vm}/tags', {'name': 'wirebelow'})
        for search, count in (('tag=wirebelow', 1), ('tag=wiretop', 1), ('tag=wire', 0)):
            found = self.admin.list(f'/vms?search={urllib.parse.quote(search)}', 'vm')
            self.assertEqual(len(found), count, search)
        self.admin.remove(f'/vms/{self.vm}/tags/{below["id"]}')
        self.assertEqual(self.admin.list('/vms?search=tag%3Dwiretop', 'vm'), [])
        self.admin.remove(top['href'])

    def test_a_display_type_is_the_only_console(self):
        for kind in ('vnc', 'spice'):
            vm = self.admin.add('/vms', new_vm('shown', display={'type': kind}))
            consoles = self.admin.list(vm['href'] + '/graphicsconsoles', 'graphics_console')
            self.assertEqual([one['protocol'] for one in consoles], [kind])
            other = 'vnc' if kind == 'spice' else 'spice'
            self.admin.change(vm['href'], {'display': {'type': other}})
            consoles = self.admin.list(vm['href'] + '/graphicsconsoles', 'graphics_console')
            self.assertEqual([one['protocol'] for one in consoles], [other])
            self.admin.remove(vm['href'])

    def test_correlation(self):
        for number, (path, headers) in enumerate((
                ('/tags', {'Correlation_Id': 'header-{}'}),
                ('/tags?correlation_id=query-{}', {}), ('/tags;correlation_id=matrix-{}', {}))):
            wanted = (list(headers.values()) or [path.split('=')[1]])[0].format(number)
            answer = self.ask(path.format(number), 'POST', f'<tag><name>c{number}</name></tag>',
                              **{name: value.format(number) for name, value in headers.items()})
            self.assertEqual((answer.status, answer.headers['Correlation-Id']), (201, wanted))
            self.assertEqual(self.admin.newest_event()['correlation_id'], wanted)
            found = self.admin.list(f'/events?search=correlation_id%3D{wanted}', 'event')
            self.assertEqual([one['correlation_id'] for one in found], [wanted])
            self.admin.remove(answer.xml.get('href'))

    def test_filter(self):
        plain = self.user('filtered')
        for value in ('true', 'false'):
            self.assertEqual(self.ask('/vms', Filter=value).status, 200)
            self.assertEqual(self.ask('/vms?filter=' + value).status, 200)
        self.assertEqual(plain.json('GET', '/vms', Filter='true').status, 200)

    # ---- faults

    def test_faults(self):
        xml = self.ask(f'/vms/{NOBODY}', Accept='application/xml')
        self.assertEqual(xml.xml.tag, 'fault')
        self.assertEqual({one.tag for one in xml.xml}, {'reason', 'detail'})
        self.assertEqual(set(self.ask(f'/vms/{NOBODY}', Accept='application/json').json),
                         {'reason', 'detail'})
        action = self.ask(f'/vms/{self.vm}/stop', 'POST', '<action/>')
        self.assertEqual((action.status, action.xml.tag, action.xml.findtext('status')),
                         (409, 'action', 'failed'))
        self.assertTrue(action.xml.findtext('fault/reason'))
        self.assertRegex(action.xml.findtext('fault/detail'), r'^\[.*\]$')
        for answer in (xml, action, self.nobody.send('GET', '/vms')):
            self.assertRegex(answer.headers['Content-Type'], XML_TYPE)

    def test_actions_without_bodies(self):
        for headers in ({}, {'Content_Type': 'application/xml'},
                        {'Content_Type': 'application/json'}):
            for body in (None, '', '  \n'):
                answer = self.ask(f'/vms/{self.vm}/stop', 'POST', body, **headers)
                self.assertEqual(answer.status, 409, answer)  # understood, but it is down

    # ---- HTTP

    def raw(self, text):
        context = ssl.create_default_context(cadata=self.manager.authority)
        with socket.create_connection(('localhost', self.manager.port), timeout=20) as plain, \
                context.wrap_socket(plain, server_hostname='localhost') as peer:
            peer.sendall(text.encode())
            data = b''
            while chunk := peer.recv(65536):
                data += chunk
        return data

    def test_expect(self):
        body = '<tag><name>expected</name></tag>'
        answer = self.raw(f'POST {PREFIX}/tags HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
                          f'Authorization: Bearer {self.admin.token}\r\nExpect: 100-continue\r\n'
                          'Content-Type: application/xml\r\nAccept: application/xml\r\n'
                          f'Content-Length: {len(body)}\r\n\r\n{body}')
        self.assertIn(b'100 Continue\r\n\r\n', answer)
        self.assertIn(b'HTTP/1.1 201', answer)
        self.admin.remove(self.admin.named('/tags', 'tag', 'expected')['href'])

    def test_gzip(self):
        plain = self.ask('/operatingsystems', Accept='application/json')
        self.assertIsNone(plain.headers['Content-Encoding'])
        packed = self.ask('/operatingsystems', Accept='application/json',
                          Accept_Encoding='deflate, gzip, br, zstd')
        self.assertEqual(packed.headers['Content-Encoding'], 'gzip')
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(packed.body), len(plain.body) // 3)
        none = self.ask('/operatingsystems', Accept_Encoding='gzip;q=0, identity')
        self.assertIsNone(none.headers['Content-Encoding'])

    # ---- single sign-on

    def form(self, path, headers=None, method='POST', **members):
        body = urllib.parse.urlencode(members)
        if method == 'GET':
            return self.nobody.send('GET', f'{path}?{body}', None, headers or {})
        return self.nobody.send('POST', path, body, {**FORM, **(headers or {})})

    def login(self, **more):
        return self.form(SSO + '/token', grant_type='password', scope='ovirt-app-api',
                         username='admin@internal', password=PASSWORD, **more)

    def test_tokens(self):
        answer = self.login()
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.headers['Content-Type'], JSON_TYPE)
        token = answer.json
        self.assertEqual((token['token_type'], token['scope']), ('bearer', 'ovirt-app-api'))
        self.assertIsInstance(token['exp'], str)
        bearer = {'Authorization': 'Bearer ' + token['access_token']}
        self.assertEqual(self.nobody.send('GET', '', None, bearer).status, 200)
        info = self.form(SSO + '/token-info', token=token['access_token']).json
        self.assertEqual((info['active'], info['user_name']), (True, 'admin@internal'))
        out = self.form('/ovirt-engine/services/sso-logout', scope='ovirt-app-api',
                        token=token['access_token'])
        self.assertEqual((out.status, out.json), (200, {}))
        self.assertRegex(out.headers['Content-Type'], JSON_TYPE)
        again = self.nobody.send('GET', '', None, bearer)
        self.assert_fault(again, 401)
        self.assertIn('Bearer', again.headers['WWW-Authenticate'])
        self.assertEqual(self.form(SSO + '/token-info', token=token['access_token']).status, 400)
        other = self.login().json['access_token']
        self.assertEqual(self.form(SSO + '/revoke', token=other).json, {})
        self.assertEqual(self.nobody.send('GET', '', None,
                                          {'Authorization': 'Bearer ' + other}).status, 401)

    def test_refused_logins(self):
        rows = (('wrong', 'ovirt-app-api', 'access_denied'),
                ('wrong', 'ovirt-app-portal ovirt-ext=token:password-access', None))
        for password, scope, code in rows:
            answer = self.form(SSO + '/token', grant_type='password', scope=scope,
                               username='admin@internal', password=password)
            self.assertEqual(answer.status, 400)
            self.assertRegex(answer.headers['Content-Type'], JSON_TYPE)
            if code:
                self.assertEqual(answer.json['error_code'], code)
                self.assertIn('not correct', answer.json['error'])
            else:
                self.assertEqual(answer.json['error'], 'access_denied')
                self.assertIn('not correct', answer.json['error_description'])
        for members in ({}, {'grant_type': 'password'}, {'grant_type': 'nonsense'}):
            self.assertEqual(self.form(SSO + '/token', **members).status, 400)

    def test_tokens_for_basic_logins(self):
        basic = 'Basic ' + base64.b64encode(f'admin@internal:{PASSWORD}'.encode()).decode()
        grant = 'urn:ovirt:params:oauth:grant-type:http'
        for path, method in (('/token', 'GET'), ('/token', 'POST'), ('/token-http-auth', 'POST')):
            answer = self.form(SSO + path, {'Authorization': basic, 'Accept': 'application/json'},
                               method, grant_type=grant, scope='ovirt-app-api')
            self.assertEqual(answer.status, 200, (path, answer))
            self.assertTrue(answer.json['access_token'])

    def test_basic_and_persistent_sessions(self):
        def basic(user, password):
            return {'Authorization': 'Basic ' +
                    base64.b64encode(f'{user}:{password}'.encode()).decode()}
        good = basic('admin@internal', PASSWORD)
        answer = self.nobody.send('GET', '/vms', None, good)
        self.assertEqual((answer.status, answer.headers['Set-Cookie']), (200, None))
        self.assert_fault(self.nobody.send('GET', '/vms', None, basic('admin@internal', 'x')), 401)
        answer = self.nobody.send('GET', '/vms', None, {
            **good, 'Prefer': 'persistent-auth', 'Session-TTL': '30'})
        cookie = answer.headers['Set-Cookie']
        self.assertRegex(cookie, rf'^JSESSIONID=[^;]+;.*[Pp]ath={PREFIX}(;|$)')
        kept = {'Cookie': cookie.split(';')[0], 'Prefer': 'persistent-auth'}
        self.assertEqual(self.nobody.send('GET', '/vms', None, kept).status, 200)
        # The last request of a session says so by leaving the preference out.
        self.assertEqual(self.nobody.send('GET', '/vms', None,
                                          {'Cookie': cookie.split(';')[0]}).status, 200)
        self.assert_fault(self.nobody.send('GET', '/vms', None, kept), 401)

    def test_the_scope_of_the_api_is_needed(self):
        token = self.form(SSO + '/token', grant_type='password', scope='ovirt-app-portal',
                          username='admin@internal', password=PASSWORD).json['access_token']
        answer = self.nobody.send('GET', '/vms', None, {'Authorization': 'Bearer ' + token})
        self.assert_fault(answer, 401, 'ovirt-app-api')

    # ---- pages beside the API

    def page(self, path):
        self.nobody.connection.request('GET', path)
        answer = self.nobody.connection.getresponse()
        return vireo_test.Answer(answer.status, answer.headers, answer.read())

    def test_pages(self):
        page = '/ovirt-engine/services/pki-resource?resource='
        for path in (page + 'ca-certificate&format=X509-PEM-CA', page + 'ca-certificate', '/ca.crt'):
            answer = self.page(path)
            self.assertEqual(answer.status, 200, path)
            self.assertIn('BEGIN CERTIFICATE', answer.body.decode())
        key = self.page(page + 'engine-certificate&format=OPENSSH-PUBKEY')
        self.assertRegex(key.body.decode(), r'^(ssh|ecdsa)-\S+ \S+')
        self.assertEqual(self.page(page + 'nonsense').status, 404)
        health = self.page('/ovirt-engine/services/health')
        self.assertEqual((health.status, b'DB Up!' in health.body), (200, True))
        usb = self.page('/ovirt-engine/services/files/usbfilter.txt')
        self.assertEqual(usb.status, 200)
        for path in ('/nonsense', '/ovirt-engine/nonsense', '/ovirt-engine/apix'):
            self.assertEqual(self.page(path).status, 404)


class AsyncTest(storage_lab.SharedStorageTest):
    """What takes longer than its request. It needs storage."""

    @classmethod
    def prepare(cls):
        cls.domain = cls.lab.add_local_domain()

    def body(self, name):
        return json.dumps(self.lab.disk_body(self.domain, name=name))

    def add(self, name, path='/disks', **headers):
        return self.admin.send('POST', path, self.body(name), {
            'Content-Type': 'application/json', 'Accept': 'application/json', **headers})

    def test_creation_goes_on_behind_the_answer(self):
        self.lab.host.task_seconds = 2
        answer = self.add('later')
        self.lab.host.task_seconds = 0.02
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual((answer.json['status'], answer.json['creation_status']),
                         ('locked', 'in_progress'))
        locked = self.admin.json('DELETE', answer.json['href'])
        self.assert_fault(locked, 409, 'is locked. Related operation is currently in progress')
        self.lab.wait_disk(answer.json['id'])
        self.assertNotIn('creation_status', self.admin.get(answer.json['href']))

    def test_clients_may_wait(self):
        for name, path, headers in (('now1', '/disks?async=false', {}),
                                    ('now2', '/disks;async=false', {}),
                                    ('now3', '/disks', {'Expect': '201-created'})):
            answer = self.add(name, path, **headers)
            self.assertEqual((answer.status, answer.json['status']), (201, 'ok'), answer)
            self.assertTrue(answer.headers['Location'].endswith(answer.json['href']))
            self.assertNotIn('creation_status', answer.json)

    def test_actions_name_their_job(self):
        path = f'/datacenters/{self.lab.data_center}/storagedomains/{self.domain}'
        answer = self.admin.xml('POST', path + '/deactivate', '<action><async>true</async></action>')
        self.assertEqual((answer.status, answer.xml.tag), (200, 'action'), answer)
        self.assertEqual(answer.xml.findtext('status'), 'complete')
        job = answer.xml.find('job')
        self.assertEqual(job.get('href'), f'{PREFIX}/jobs/{job.get("id")}')
        self.assertEqual(self.admin.json('GET', job.get('href')).status, 200)
        steps = f'/jobs/{job.get("id")}/steps'
        step = self.admin.list(steps, 'step')[0]
        self.assertEqual(self.admin.get(f'{steps}/{step["id"]}/statistics'), {})
        self.assert_fault(self.admin.json('GET', f'{steps}/{NOBODY}/statistics'), 404)
        self.assert_fault(self.admin.json('GET', f'{steps}/{step["id"]}/statistics/{NOBODY}'), 404)
        self.lab.wait_domain(self.domain, 'maintenance')
        answer = self.admin.xml('POST', path + '/activate', '<action><async>false</async></action>')
        self.assertEqual(answer.xml.findtext('status'), 'complete')
        self.assertEqual(self.lab.domain_status(self.domain), 'active')


if __name__ == '__main__':
    vireo_test.main()
