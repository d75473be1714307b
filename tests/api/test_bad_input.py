#!/usr/bin/env python3
"""What every route that is there says to wrong input: never a success, never a 500, always a fault
that names what is wrong. The routes and the types come from the contract; only what the contract
does not know (states, references, names) stands in tables here.

A new route needs no line here for types, parameters and rights. It needs one in REFUSED or a reason
in HARMLESS when it changes something: test_every_change_has_a_row says so."""

import os
import sys
import urllib.parse
import uuid
from xml.sax.saxutils import escape

import storage_lab
import vireo_test

sys.path.insert(0, os.path.join(vireo_test.HOUSE, 'tools', 'generate'))
import model  # noqa: E402

VERBS = {'get': 'GET', 'post': 'POST', 'put': 'PUT', 'delete': 'DELETE', 'action': 'POST'}
NOBODY = vireo_test.NOBODY
NAME = 'taken'

# A value that a kind can't have. Enumerations and structures are added below.
WRONG = {'integer': 'seven', 'boolean': 'perhaps', 'decimal': 'much', 'date': 'yesterday'}

# Which object of a collection stands for {id}: member and value. Else the first one.
PICKS = {
    '/bookmarks': ('name', NAME),
    '/clusters': ('name', 'Default'),
    '/datacenters': ('name', 'Default'),
    '/disks': ('alias', NAME),
    '/hosts': ('name', 'host1'),
    '/instancetypes': ('name', NAME),
    '/macpools': ('name', 'Default'),
    '/networks': ('name', NAME),
    '/tags': ('name', NAME),
    '/vnicprofiles': ('name', NAME),
}

# What exists before the tests. {NAME} are ids of what was made before: (name, path, body).
MADE = (
    ('bookmark', '/bookmarks', {'name': NAME, 'value': 'vms:'}),
    ('tag', '/tags', {'name': NAME}),
    ('mac_pool', '/macpools', {'name': NAME, 'ranges': {'range': [
        {'from': '02:00:00:00:00:01', 'to': '02:00:00:00:00:09'}]}}),
    ('remote', '/datacenters', {'name': NAME, 'local': 'false'}),
    ('cluster', '/clusters', {'name': NAME, 'data_center': {'id': '{remote}'}}),
    ('network', '/networks', {'name': NAME, 'data_center': {'name': 'Default'}}),
    ('instance_type', '/instancetypes', {'name': NAME, 'memory': str(1 << 30)}),
    ('vm', '/vms', {'name': NAME, 'cluster': {'name': 'Default'}, 'template': {'name': 'Blank'}}),
    ('locked', '/vms', {'name': 'protected', 'delete_protected': 'true',
                        'cluster': {'name': 'Default'}, 'template': {'name': 'Blank'}}),
    ('nic', '/vms/{vm}/nics', {'name': NAME}),
    ('assigned', '/vms/{vm}/tags', {'id': '{tag}'}),
    ('attachment', '/vms/{vm}/diskattachments', {
        'interface': 'virtio', 'bootable': 'true', 'disk': {'id': '{disk}'}}),
    ('job', '/jobs', {'description': NAME}),
    ('step', '/jobs/{job}/steps', {'description': NAME, 'type': 'validating'}),
    ('label', '/networks/{network}/networklabels', {'id': NAME}),
)
LOST = {'id': NOBODY}

# What must be refused though every type is right: method, path, body, status, words of the detail.
REFUSED = (
    # names in use
    ('POST', '/bookmarks', {'name': NAME, 'value': 'x'}, 409, NAME),
    ('POST', '/tags', {'name': NAME}, 409, NAME),
    ('POST', '/macpools', {'name': NAME, 'ranges': {'range': [
        {'from': '02:00:00:00:01:01', 'to': '02:00:00:00:01:09'}]}}, 409, NAME),
    ('POST', '/datacenters', {'name': 'Default', 'local': 'false'}, 409, 'Default'),
    ('POST', '/clusters', {'name': 'Default', 'data_center': {'name': 'Default'}}, 409, 'Default'),
    ('POST', '/datacenters/{data_center}/clusters', {'name': 'Default'}, 409, 'Default'),
    ('POST', '/networks', {'name': NAME, 'data_center': {'name': 'Default'}}, 409, NAME),
    ('POST', '/datacenters/{data_center}/networks', {'name': NAME}, 409, NAME),
    ('POST', '/networks/{network}/vnicprofiles', {'name': NAME}, 409, NAME),
    ('POST', '/vnicprofiles', {'name': NAME, 'network': {'id': '{network}'}}, 409, NAME),
    ('POST', '/networks/{network}/networklabels', {'id': 'other'}, 409, 'label'),
    ('POST', '/instancetypes', {'name': NAME, 'memory': '1073741824'}, 409, NAME),
    ('POST', '/vms', {'name': NAME, 'cluster': {'name': 'Default'}}, 409, NAME),
    ('POST', '/vms/{vm}/nics', {'name': NAME}, 409, NAME),
    ('POST', '/hosts', {'name': 'host1', 'address': '192.0.2.1', 'root_password': 'x',
     'cluster': {'name': 'Default'}}, 409, 'Host name'),
    ('POST', '/storagedomains', {'name': 'local1', 'type': 'data', 'host': {'name': 'host1'},
     'storage': {'type': 'localfs', 'path': '/other'}}, 409, 'name'),
    ('POST', '/clusters/{default_cluster}/networks', {'name': 'ovirtmgmt'}, 409, 'ovirtmgmt'),
    ('POST', '/datacenters/{data_center}/storagedomains', {'id': '{domain}'}, 409, 'local1'),
    ('POST', '/vms/{vm}/diskattachments', {'interface': 'virtio', 'bootable': 'false',
     'disk': {'id': '{disk}'}}, 409, 'attached'),
    ('PUT', '/bookmarks/{spare_bookmark}', {'name': NAME}, 409, NAME),
    ('PUT', '/clusters/{cluster}', {'name': 'Default'}, 409, 'Default'),
    ('PUT', '/datacenters/{remote}', {'name': 'Default'}, 409, 'Default'),
    ('PUT', '/macpools/{mac_pool}', {'name': 'Default'}, 409, 'Default'),
    ('PUT', '/networks/{management}', {'name': NAME}, 409, ''),
    ('PUT', '/datacenters/{data_center}/networks/{management}', {'name': NAME}, 409, ''),
    ('PUT', '/vms/{locked}', {'name': NAME}, 409, NAME),
    ('PUT', '/tags/{spare_tag}', {'name': NAME}, 409, NAME),
    # references to what is not there
    ('POST', '/vms', {'name': 'x', 'cluster': LOST}, 404, NOBODY),
    ('POST', '/vms', {'name': 'x', 'cluster': {'name': 'nowhere'}}, 404, 'nowhere'),
    ('POST', '/vms', {'name': 'x', 'cluster': {'id': 'bad'}}, 400, 'vm.cluster'),
    ('POST', '/vms', {'name': 'x', 'cluster': {'name': 'Default'}, 'template': LOST}, 404, NOBODY),
    ('POST', '/vms', {'name': 'x', 'cluster': {'name': 'Default'}, 'instance_type': LOST}, 404,
     NOBODY),
    ('POST', '/vms/{vm}/nics', {'name': 'x', 'vnic_profile': LOST}, 404, NOBODY),
    ('POST', '/vms/{vm}/diskattachments', {'interface': 'virtio', 'bootable': 'false',
     'disk': LOST}, 404, NOBODY),
    ('POST', '/vms/{vm}/tags', LOST, 404, NOBODY),
    ('POST', '/hosts/{host}/tags', LOST, 404, NOBODY),
    ('POST', '/users/{user}/tags', LOST, 404, NOBODY),
    ('POST', '/templates/{blank}/tags', LOST, 404, NOBODY),
    ('POST', '/tags', {'name': 'x', 'parent': LOST}, 404, NOBODY),
    ('POST', '/clusters', {'name': 'x', 'data_center': LOST}, 404, NOBODY),
    ('POST', '/networks', {'name': 'x', 'data_center': LOST}, 404, NOBODY),
    ('POST', '/vnicprofiles', {'name': 'x', 'network': LOST}, 404, NOBODY),
    ('POST', '/vnicprofiles', {'name': 'x', 'network': {'id': '{network}'},
     'network_filter': LOST}, 400, NOBODY),
    ('POST', '/datacenters', {'name': 'x', 'local': 'true', 'mac_pool': LOST}, 404, NOBODY),
    ('POST', '/clusters/{default_cluster}/networks', LOST, 404, NOBODY),
    ('POST', '/hosts', {'name': 'x', 'address': 'x.example', 'root_password': 'x',
     'cluster': LOST}, 404, NOBODY),
    ('POST', '/storagedomains', {'name': 'x', 'type': 'data', 'host': LOST,
     'storage': {'type': 'localfs', 'path': '/x'}}, 404, NOBODY),
    ('POST', '/datacenters/{data_center}/storagedomains', LOST, 404, NOBODY),
    ('POST', '/disks', {'name': 'x', 'format': 'raw', 'provisioned_size': '1073741824',
     'storage_domains': {'storage_domain': [LOST]}}, 404, NOBODY),
    ('POST', '/events', {'description': 'x', 'origin': 'x', 'severity': 'normal',
     'custom_id': '1', 'vm': LOST}, 404, NOBODY),
    ('POST', '/imagetransfers', {'disk': LOST, 'direction': 'download'}, 404, NOBODY),
    ('PUT', '/vms/{vm}', {'cluster': LOST}, 404, NOBODY),
    ('PUT', '/vms/{vm}/nics/{nic}', {'vnic_profile': LOST}, 404, NOBODY),
    ('PUT', '/vms/{vm}/cdroms/' + vireo_test.ZERO, {'file': {'id': 'no.iso'}}, 404, 'no.iso'),
    ('PUT', '/hosts/{host}', {'cluster': LOST}, 404, NOBODY),
    ('PUT', '/tags/{tag}', {'parent': LOST}, 404, NOBODY),
    # values that can't be
    ('POST', '/vms', {'name': 'a b', 'cluster': {'name': 'Default'}}, 400, 'name'),
    ('POST', '/vms', {'name': 'x', 'cluster': {'name': 'Default'}, 'memory': '1'}, 400, 'memory'),
    ('POST', '/vms', {'name': 'x', 'cluster': {'name': 'Default'}, 'memory': '-1'}, 400, 'memory'),
    ('POST', '/vms', {'id': 'x', 'name': 'x', 'cluster': {'name': 'Default'}}, 400, 'vm.id'),
    ('POST', '/vms/{vm}/nics', {'name': 'x', 'mac': {'address': 'nonsense'}}, 400, 'mac'),
    ('POST', '/vms/{vm}/diskattachments', {'interface': 'virtio', 'bootable': 'false'}, 400,
     'disk'),
    ('POST', '/vms/{vm}/graphicsconsoles', {'protocol': 'vnc'}, 409, 'vnc'),
    ('POST', '/disks', {'name': 'x', 'format': 'raw', 'provisioned_size': '0',
     'storage_domains': {'storage_domain': [{'id': '{domain}'}]}}, 400, 'provisioned size'),
    ('POST', '/disks', {'name': 'x', 'format': 'raw', 'provisioned_size': '-5',
     'storage_domains': {'storage_domain': [{'id': '{domain}'}]}}, 400, 'provisioned size'),
    ('POST', '/disks', {'name': 'x', 'format': 'raw', 'provisioned_size': '1073741824'}, 400,
     'Storage Domain'),
    ('POST', '/hosts', {'name': 'x', 'address': 'a b', 'root_password': 'x',
     'cluster': {'name': 'Default'}}, 400, 'address'),
    ('POST', '/imagetransfers', {'direction': 'upload'}, 400, 'disk'),
    ('PUT', '/disks/{disk}', {'provisioned_size': '1'}, 400, 'larger than'),
    ('PUT', '/storagedomains/{domain}/disks/{disk}', {'provisioned_size': '1'}, 400,
     'larger than'),
    ('PUT', '/datacenters/{data_center}/storagedomains/{domain}/disks/{disk}',
     {'provisioned_size': '1'}, 400, 'larger than'),
    ('PUT', '/storagedomains/{domain}', {'name': 'a b/c'}, 400, 'name'),
    ('PUT', '/instancetypes/{instance_type}', {'memory': '5'}, 400, 'memory'),
    ('PUT', '/vnicprofiles/{profile}', {'name': ''}, 400, 'name'),
    ('PUT', '/networks/{network}', {'mtu': '1'}, 400, 'mtu'),
    ('PUT', '/clusters/{default_cluster}/networks/{network}', {'usages': {'usage': ['fun']}}, 400,
     'usage'),
    ('PUT', '/datacenters/{data_center}/clusters/{default_cluster}', {'name': ''}, 400, 'name'),
    ('PUT', '/vms/{vm}/diskattachments/{disk}', {'interface': 'scsi'}, 400, 'interface'),
    ('PUT', '/vms/{vm}/diskattachments/{disk}', {'bootable': 'x'}, 400, 'bootable'),
    ('POST', '/jobs/{job}/steps', {'description': 'x', 'type': 'fun'}, 400, 'step.type'),
    ('POST', '/jobs', {'description': ''}, 400, 'description'),
    ('POST', '/clusters/{default_cluster}/upgrade', {'upgrade_action': 'fun'}, 400,
     'upgrade_action'),
    # states
    ('POST', '/vms/{vm}/stop', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/shutdown', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/reboot', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/reset', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/freezefilesystems', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/thawfilesystems', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/ticket', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/screenshot', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/start', {}, 409, 'bootable disk'),
    ('POST', '/vms/{vm}/start', {'vm': {'placement_policy': {'hosts': {'host': [LOST]}}}}, 409,
     'Cannot run VM'),
    ('POST', '/vms/{vm}/graphicsconsoles/{console}/ticket', {}, 409, 'not running'),
    ('POST', '/vms/{vm}/graphicsconsoles/{console}/remoteviewerconnectionfile', {}, 409,
     'not running'),
    ('POST', '/hosts/{host}/activate', {}, 409, 'host1'),
    ('POST', '/datacenters/{data_center}/storagedomains/{domain}/activate', {}, 409, 'active'),
    ('POST', '/jobs/{job}/steps/{step}/end', {}, 400, 'succeeded'),
    ('DELETE', '/vms/{locked}', None, 409, 'Delete protection'),
    ('DELETE', '/hosts/{host}', None, 409, 'host1'),
    ('DELETE', '/clusters/{default_cluster}', None, 409, 'Default'),
    ('DELETE', '/datacenters/{data_center}/clusters/{default_cluster}', None, 409, 'Default'),
    ('DELETE', '/datacenters/{data_center}', None, 409, 'Default'),
    ('DELETE', '/storagedomains/{domain}', None, 409, 'local1'),
    ('DELETE', '/datacenters/{data_center}/storagedomains/{domain}', None, 409, 'active'),
    ('DELETE', '/storageconnections/{connection}', None, 409, 'local1'),
    ('DELETE', '/networks/{management}', None, 409, 'ovirtmgmt'),
    ('DELETE', '/datacenters/{data_center}/networks/{management}', None, 409, 'ovirtmgmt'),
    ('DELETE', '/clusters/{default_cluster}/networks/{management}', None, 409, 'ovirtmgmt'),
    ('DELETE', '/macpools/{default_pool}', None, 409, 'Default'),
    ('DELETE', '/tags/' + vireo_test.ZERO, None, 409, 'root'),
    ('DELETE', '/vnicprofiles/{used_profile}', None, 409, NAME),
    ('DELETE', '/networks/{network}/vnicprofiles/{used_profile}', None, 409, NAME),
)

# Changes that only an unknown id can make fail; test_routes sends that.
HARMLESS = {
    'Bookmark.remove', 'Disk.remove', 'StorageDomainDisk.remove', 'AttachedStorageDomainDisk.remove',
    'Event.remove', 'AssignedTag.remove', 'InstanceType.remove', 'VmNic.remove',
    'DiskAttachment.remove', 'VmGraphicsConsole.remove', 'NetworkLabel.remove',
    'VmNic.activate', 'VmNic.deactivate', 'Host.deactivate', 'Host.refresh', 'Job.clear', 'Job.end',
    'AttachedStorageDomain.deactivate', 'Cluster.upgrade',
    'ImageTransfer.extend', 'ImageTransfer.pause', 'ImageTransfer.resume', 'ImageTransfer.cancel',
    'ImageTransfer.finalize',
}


# They take search= as oVirt does, and find by the one name they have, or not at all.
NO_SEARCH = {'Groups.list', 'Files.list', 'InstanceTypeNics.list', 'InstanceTypeWatchdogs.list'}


def element(name, value):
    """XML of what json.dumps() would make JSON of, by the contract's rule for lists."""
    if isinstance(value, dict):
        attributes = f' id="{escape(value["id"])}"' if 'id' in value else ''
        inner = ''.join(element(key, one) for key, one in value.items() if key != 'id')
        return f'<{name}{attributes}>{inner}</{name}>'
    if isinstance(value, list):
        return ''.join(element(name, one) for one in value)
    return f'<{name}>{escape(str(value))}</{name}>'


def merged_methods(service):
    return [one for one in service.methods if one.handler and not one.variant]


class Route:
    """One method that is there, at a URL whose objects are there."""

    def __init__(self, contract, template, path, service, method):
        ending = '/' + method.action if method.verb == 'action' else ''
        self.template, self.path = template + ending, path + ending
        self.service, self.method, self.verb = service, method, VERBS[method.verb]
        self.type = None
        if method.verb == 'action':
            self.type = contract.types['Action']
        elif method.body and self.verb in ('POST', 'PUT'):
            self.type = contract.types[method.body.type]

    @property
    def name(self):
        return f'{self.service.name}.{self.method.name}'

    def members(self):
        """The members a body can have; of an action only its own parameters."""
        if self.method.verb != 'action':
            return self.type.attributes
        own = {one.name for one in self.method.parameters if one.place == 'param'}
        return [one for one in self.type.attributes if one.name in own]

    def __str__(self):
        return f'{self.name} ({self.verb} {self.path})'


class BadInputTest(storage_lab.SharedStorageTest):
    @classmethod
    def prepare(cls):
        cls.make_objects()
        cls.contract = model.load(os.path.join(vireo_test.HOUSE, 'api'))
        cls.routes = list(cls.find_routes())
        cls.plain = cls.user('plain')

    @classmethod
    def make_objects(cls):
        domain = cls.lab.add_local_domain()
        cls.ids = {'data_center': cls.lab.data_center, 'domain': domain,
                   'disk': cls.lab.add_disk(domain, name=NAME), 'host': cls.lab.host.id,
                   'blank': vireo_test.ZERO}
        for name, path, body in MADE:
            cls.ids[name] = cls.admin.add(cls.fill(path), cls.fill(body))['id']
        cls.ids['spare_bookmark'] = cls.admin.add('/bookmarks', {'name': 's', 'value': 'x'})['id']
        cls.ids['spare_tag'] = cls.admin.add('/tags', {'name': 'spare'})['id']
        for name, path, one, wanted in (
                ('default_cluster', '/clusters', 'cluster', 'Default'),
                ('default_pool', '/macpools', 'mac_pool', 'Default'),
                ('management', '/datacenters/{data_center}/networks', 'network', 'ovirtmgmt'),
                ('profile', '/vnicprofiles', 'vnic_profile', NAME)):
            cls.ids[name] = cls.admin.named(cls.fill(path), one, wanted)['id']
        cls.ids['user'] = cls.admin.list('/users', 'user')[0]['id']
        cls.ids['connection'] = cls.admin.list('/storageconnections', 'storage_connection')[0]['id']
        cls.ids['console'] = cls.admin.list(cls.fill('/vms/{vm}/graphicsconsoles'),
                                            'graphics_console')[0]['id']
        cls.admin.add(cls.fill('/vms/{locked}/nics'),
                      {'name': 'n', 'vnic_profile': {'id': cls.ids['profile']}})
        cls.admin.add(cls.fill('/clusters/{default_cluster}/networks'), {'id': cls.ids['network']})
        cls.ids['used_profile'] = cls.ids['profile']

    @classmethod
    def fill(cls, value):
        """Puts ids for {names}, at any depth."""
        if isinstance(value, dict):
            return {name: cls.fill(one) for name, one in value.items()}
        if isinstance(value, list):
            return [cls.fill(one) for one in value]
        if not isinstance(value, str):
            return value
        for name, number in cls.ids.items():
            value = value.replace('{' + name + '}', number)
        return value

    # ---- routes and their objects

    @classmethod
    def find_routes(cls):
        """Every URL with ids of objects that are there, or of nothing where there is none."""
        known = {}
        for template, name in model.url_templates(cls.contract):
            path = cls.resolve('' if template == '/' else template, known)
            for method in merged_methods(cls.contract.services[name]):
                yield Route(cls.contract, template, path, cls.contract.services[name], method)

    @classmethod
    def resolve(cls, template, known):
        if template not in known:
            before, _, last = template.rpartition('/')
            if not template:
                known[template] = ''
            elif last == '{id}':
                known[template] = f'{known[before]}/{cls.pick(before, known[before])}'
            else:
                known[template] = f'{cls.resolve(before, known)}/{last}'
        return known[template]

    @classmethod
    def pick(cls, template, path):
        answer = cls.admin.json('GET', path)
        found = next(iter(answer.json.values()), []) if answer.status == 200 else []
        if not isinstance(found, list) or not found:
            return NOBODY
        member, wanted = PICKS.get(template, (None, None))
        return next((one['id'] for one in found if member and one.get(member) == wanted),
                    found[0]['id'])

    def changes(self):
        return [route for route in self.routes if route.verb != 'GET']

    # ---- asking in both formats

    def refused(self, method, path, body, root, status, *words):
        """XML and JSON are refused alike, with these words in the detail."""
        xml = None if body is None else element(root, body)
        for answer in (self.admin.json(method, path, body), self.admin.xml(method, path, xml)):
            with self.subTest(call=f'{method} {path}', body=body, answer=answer):
                self.assert_fault(answer, status, *words)

    def wrong_value(self, attribute):
        if attribute.type in self.contract.enums:
            return 'nonsense'
        return WRONG.get(attribute.type)

    # ---- the tests

    def test_wrong_types_of_members(self):
        asked = 0
        for route in self.changes():
            for member in route.members() if route.type else ():
                wrong = self.wrong_value(member)
                if wrong is None or 'internal' in member.flags or member.name in ('id', 'href'):
                    continue
                body = {member.wire: {member.item: [wrong]} if member.is_list else wrong}
                self.refused(route.verb, route.path, body, route.type.one, 400, member.wire, wrong)
                asked += 1
        self.assertGreater(asked, 500)

    def test_wrong_shapes_of_members(self):
        """Only JSON has them: an object for a text, a text for an object, for a list, for the body."""
        for route in self.changes():
            for member in route.members() if route.type else ():
                if 'internal' in member.flags:
                    continue
                plain = not member.is_list and (member.type in model.SCALARS
                                                or member.type in self.contract.enums)
                body = {member.wire: {'a': {'b': 'c'}} if plain else 'text'}
                answer = self.admin.json(route.verb, route.path, body)
                with self.subTest(call=str(route), body=body, answer=answer):
                    self.assert_fault(answer, 400, member.wire)
            if route.type:
                for body in ('text', 7, [1], [{}]):
                    answer = self.admin.json(route.verb, route.path, body)
                    with self.subTest(call=str(route), body=body, answer=answer):
                        self.assert_fault(answer, 400, route.type.one)

    def test_bodies_that_are_no_bodies(self):
        for route in self.changes():
            if not route.type:
                continue
            one = route.type.one
            for text, words in (('{', 'malformed'), ('{"name": "\x01"}', 'malformed'),
                                ('<' + one, 'malformed'), (f'<{one}>&lol;</{one}>', 'malformed'),
                                ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', ''),
                                (f'<{one}><name>\xff</name></{one}>'.encode('latin-1'), '')):
                kind = 'json' if text[:1] == '{' else 'xml'
                answer = self.admin.send(route.verb, route.path, text, {
                    'Content-Type': f'application/{kind}', 'Accept': f'application/{kind}'})
                with self.subTest(call=str(route), body=text, answer=answer):
                    self.assert_fault(answer, 400, words)

    def test_missing_members(self):
        for route in self.changes():
            needs = route.method.needs if route.type else []
            if needs:
                body = {} if route.method.verb == 'action' else {'comment': 'x'}
                self.refused(route.verb, route.path, body, route.type.one, 400, *needs)

    def test_wrong_parameters_of_urls(self):
        asked = 0
        for route in self.routes:
            wrong = {one.name: self.wrong_value(one) for one in route.method.parameters
                     if one.place == 'query'}
            if route.method.verb == 'get' and route.method.name.startswith('list'):
                wrong['max'] = 'many'
            for name, value in wrong.items():
                if value is None:
                    continue
                for path in (f'{route.path}?{name}={value}', f'{route.path};{name}={value}'):
                    for client in (self.admin.json, self.admin.xml):
                        answer = client(route.verb, path)
                        with self.subTest(call=f'{route.verb} {path}', answer=answer):
                            self.assert_fault(answer, 400, name, value)
                asked += 1
        self.assertGreater(asked, 100)

    def test_searches_that_mean_nothing(self):
        for route in self.routes:
            if not any(one.name == 'search' for one in route.method.parameters) \
                    or route.name in NO_SEARCH or route.method.handler == 'nothing_list' \
                    or NOBODY in route.path:
                continue
            for search in ('nonsense=1', 'name=', '(name=a', 'name = a and', 'sortby nonsense'):
                path = f'{route.path}?search={urllib.parse.quote(search)}'
                for client in (self.admin.json, self.admin.xml):
                    answer = client('GET', path)
                    with self.subTest(call=path, answer=answer):
                        self.assert_fault(answer, 400)

    def test_who_has_no_right(self):
        for route in self.changes():
            if self.plain_may(route.method.permit):
                continue
            for client in (self.plain.json, self.plain.xml):
                answer = client(route.verb, route.path)
                with self.subTest(call=str(route), answer=answer):
                    self.assert_fault(answer, 403, 'plain@internal', route.method.permit)

    def plain_may(self, permit):
        role, = [one for one in self.admin.list('/roles', 'role') if one['name'] == 'UserRole']
        names = {one['name'] for one in self.admin.list(role['href'] + '/permits', 'permit')}
        return permit.lower() in names

    def test_ids_that_are_none(self):
        """Ids of another noun, of nothing, of no form at all, in the last place of the path."""
        wrong = (NOBODY, str(uuid.UUID(self.ids['vm'])).upper() + 'x', 'x' * 300, '%00', '..%2F',
                 '%F0%9F%92%A9', "'--")
        for route in self.routes:
            parts = route.template.split('/')
            if '{id}' not in parts or route.verb in ('POST', 'PUT') and route.method.needs:
                continue
            last = len(parts) - 1 - parts[::-1].index('{id}')
            for bad in wrong:
                path = '/'.join([*route.path.split('/')[:last], bad,
                                 *route.path.split('/')[last + 1:]])
                body = f'<{route.type.one}/>' if route.type else None
                answer = self.admin.xml(route.verb, path, body)
                with self.subTest(call=f'{route.verb} {path}', answer=answer):
                    self.assertIn(answer.status, (400, 404))
                    self.assert_fault(answer, answer.status)

    def test_what_can_not_be(self):
        for method, path, body, status, words in REFUSED:
            path = self.fill(path)
            type_ = self.route_of(method, path).type
            self.refused(method, path, self.fill(body), type_ and type_.one, status, words)

    def route_of(self, method, path):
        for route in self.routes:
            pattern = route.template.split('/')
            parts = path.split('/')
            if route.verb == method and len(pattern) == len(parts) and all(
                    one in ('{id}', other) for one, other in zip(pattern, parts)):
                return route
        raise AssertionError(f'{method} {path} is no route')

    def test_every_change_has_a_row(self):
        have = {self.route_of(method, self.fill(path)).name for method, path, *_ in REFUSED}
        lack = {route.name for route in self.changes()} - have - HARMLESS
        self.assertEqual(lack, set(), 'these need a row in REFUSED')

    def test_zz_nothing_broke(self):
        """Runs last: no request ended in an internal error, and the manager is the same process."""
        self.assertIsNone(self.manager.process.poll())
        failed = [line for line in self.manager.log().splitlines()
                  if 'request.failed' in line and 'not implemented' not in line]
        self.assertEqual(failed, [])


if __name__ == '__main__':
    vireo_test.main()
