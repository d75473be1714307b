#!/usr/bin/env python3
"""Every URL and method of the contract, from its tables: who may not, what is not there, what is
not implemented and what is no method at all must be told as such, and nothing may break."""

import os
import sys

import vireo_test

sys.path.insert(0, os.path.join(vireo_test.HOUSE, 'tools', 'generate'))
import model  # noqa: E402

VERBS = {'get': 'GET', 'post': 'POST', 'put': 'PUT', 'delete': 'DELETE', 'action': 'POST'}
# Ids that are no UUIDs; one of them as another's id is simply unknown.
UNKNOWN = vireo_test.NOBODY


class Call:
    """One method at one URL."""

    def __init__(self, contract, path, service, method):
        self.path = path.replace('{id}', UNKNOWN)
        if method.verb == 'action':
            self.path += '/' + method.action
        self.template, self.service, self.method = path, service, method
        self.verb = VERBS[method.verb]
        self.has_id = '{id}' in path
        self.type = contract.types['Action'] if method.verb == 'action' else \
            contract.types.get(method.body.type) if method.body else None

    @property
    def body(self):
        """The element alone: what is missing in it is told after what is missing in the URL."""
        return f'<{self.type.one}/>' if self.type and self.verb in ('POST', 'PUT') else None

    def __str__(self):
        return f'{self.service.name}.{self.method.name} ({self.verb} {self.path})'


def calls(contract):
    for path, name in model.url_templates(contract):
        service = contract.services[name]
        for method in service.methods:
            if not method.variant:
                yield Call(contract, '' if path == '/' else path, service, method)


class RoutesTest(vireo_test.ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.contract = model.load(os.path.join(vireo_test.HOUSE, 'api'))
        cls.calls = list(calls(cls.contract))
        cls.nobody = cls.client(user=None)

    def ask(self, client, call, body=None, content='application/xml'):
        return client.send(call.verb, call.path, body,
                           {'Accept': 'application/xml', 'Content-Type': content})

    def test_the_walk_sees_the_whole_contract(self):
        self.assertGreater(len(self.calls), 800)
        seen = {call.service.name for call in self.calls}
        reachable = {name for _, name in model.url_templates(self.contract)}
        self.assertEqual(seen, {name for name in reachable
                                if self.contract.services[name].methods})

    def test_nobody_gets_in_without_a_login(self):
        for call in self.calls:
            answer = self.ask(self.nobody, call, call.body)
            self.assertEqual(answer.status, 401, f'{call}: {answer}')
            self.assertIn('WWW-Authenticate', answer.headers)

    def test_what_is_not_there_is_not_found_and_what_is_not_done_says_so(self):
        for call in self.calls:
            if call.verb == 'GET' and not call.has_id or call.template == '':
                continue
            answer = self.ask(self.admin, call, call.body)
            if not call.method.handler:
                self.assert_fault(answer, 501, call.service.name, call.method.name)
            elif call.has_id and not (call.method.needs and call.body):
                self.assert_fault(answer, 404)
            else:
                self.assertIn(answer.status, (400, 404, 409), f'{call}: {answer}')
                self.assert_fault(answer, answer.status)

    def test_collections_answer_in_both_formats(self):
        for call in self.calls:
            if call.verb != 'GET' or call.has_id or not call.method.handler:
                continue
            xml = self.admin.xml('GET', call.path)
            json = self.admin.json('GET', call.path)
            self.assertEqual((xml.status, json.status), (200, 200), f'{call}: {xml} {json}')
            self.assertTrue(xml.xml.tag)
            self.assertIsInstance(json.json, dict)

    def first_ids(self):
        """An id of each top-level collection that has objects."""
        ids = {}
        for call in self.calls:
            parts = call.template.split('/')
            if len(parts) == 2 and call.method.name == 'list' and call.method.handler:
                found = next(iter(self.admin.get(call.path).values()), [])
                if found:
                    ids[parts[1]] = found[0]['id']
        return ids

    def test_what_lies_below_objects_that_are_there_answers(self):
        ids = self.first_ids()
        self.assertGreater(len(ids), 15)
        walked = 0
        for call in self.calls:
            top = (call.template + '/').split('/')[1]
            if call.verb != 'GET' or not call.has_id or top not in ids:
                continue
            path = call.template.replace('{id}', ids[top], 1)
            answer = self.admin.xml('GET', path.replace('{id}', UNKNOWN))
            walked += 1
            if not call.method.handler:
                self.assert_fault(answer, 501, call.service.name)
            elif '{id}' in path:
                self.assert_fault(answer, 404)
            elif answer.status == 501:  # a collection that many share, not there for this one
                self.assert_fault(answer, 501, 'not implemented')
            else:
                self.assertEqual(answer.status, 200, f'{call}: {answer}')
                self.assertTrue(answer.xml.tag)
        self.assertGreater(walked, 100)

    def test_bodies_must_be_what_the_method_takes(self):
        for call in self.calls:
            if not call.method.handler or call.verb not in ('POST', 'PUT'):
                continue
            wrong = self.ask(self.admin, call, '<nonsense/>')
            self.assert_fault(wrong, 400, 'nonsense')
            broken = self.ask(self.admin, call, '<unclosed>')
            self.assert_fault(broken, 400, 'malformed')
            other = self.ask(self.admin, call, 'text', 'text/plain')
            self.assert_fault(other, 415)

    def test_needed_members_are_named(self):
        for call in self.calls:
            needs = call.method.needs
            if not call.method.handler or not needs or call.verb not in ('POST', 'PUT'):
                continue
            self.assert_fault(self.ask(self.admin, call, call.body), 400, needs[0])

    def test_methods_that_do_not_exist_are_told(self):
        have = {}
        for call in self.calls:
            if call.method.verb != 'action':
                have.setdefault(call.path, set()).add(call.verb)
        for path, verbs in have.items():
            for verb in {'GET', 'POST', 'PUT', 'DELETE'} - verbs:
                answer = self.admin.xml(verb, path)
                self.assert_fault(answer, 405)

    def test_paths_that_do_not_exist_are_told(self):
        for path in ('/nonsense', f'/vms/{UNKNOWN}/nonsense', '/clusters/x/y/z'):
            self.assert_fault(self.admin.xml('GET', path), 404)


if __name__ == '__main__':
    vireo_test.main()
