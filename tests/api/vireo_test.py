"""A real vireod for tests, and clients that speak XML and JSON to it.

    class ThingTest(vireo_test.ApiTest):
        def test_it(self):
            answer = self.admin.json('POST', '/tags', {'name': 'a'})
            self.assertEqual(answer.status, 201)

Each class gets a manager of its own: a fresh store in a temporary directory, a free port. The
program is VIREOD, or manager/vireod in the build folder VIREO_BUILD (build).
"""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import xml.etree.ElementTree as ElementTree

HOUSE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('VIREO_BUILD', os.path.join(HOUSE, 'build'))
PROGRAM = os.environ.get('VIREOD', os.path.join(BUILD, 'manager', 'vireod'))
PREFIX = '/ovirt-engine/api'
PASSWORD = 'correct horse battery'
START_SECONDS = 30
ZERO = '00000000-0000-0000-0000-000000000000'
NOBODY = '99999999-9999-4999-8999-999999999999'


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Manager:
    """One vireod. The directory outlives stop() and start(), for tests of restarts."""

    def __init__(self, **options):
        self.directory = tempfile.mkdtemp(prefix='vireo-api-')
        self.environment = {}
        self.options = options
        self.process = None
        self.port = 0
        self.start()

    def start(self):
        for _ in range(3):  # somebody may take the port between the probe and the start
            self.port = free_port()
            self.launch()
            if self.wait():
                return
        raise RuntimeError('vireod does not start:\n' + self.log())

    def launch(self):
        password = os.path.join(self.directory, 'password')
        with open(password, 'w', encoding='utf-8') as file:
            file.write(PASSWORD)
        options = {
            'state_directory': os.path.join(self.directory, 'state'),
            'listen_address': '127.0.0.1',
            'listen_port': self.port,
            'proxy_port': 0,
            'control_socket': os.path.join(self.directory, 'control'),
            'admin_password_file': password,
            'host_name': 'localhost',
            **self.options,
        }
        arguments = [PROGRAM, '--config', os.devnull]
        for name, value in options.items():
            arguments += ['--set', f'{name}={value}']
        with open(os.path.join(self.directory, 'log'), 'a', encoding='utf-8') as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**os.environ, **self.environment})

    def wait(self):
        """True when it answers; False when it has ended."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.trust()
                return True
            except OSError:
                time.sleep(0.02)
        self.kill()
        return False

    def trust(self):
        """Learns the authority, once without proof; from then on everything is verified."""
        blind = ssl.create_default_context()
        blind.check_hostname = False
        blind.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection('localhost', self.port, context=blind, timeout=10)
        try:
            connection.request('GET', '/ovirt-engine/services/pki-resource'
                                      '?resource=ca-certificate&format=X509-PEM-CA')
            self.authority = connection.getresponse().read().decode()
        finally:
            connection.close()

    def log(self):
        with open(os.path.join(self.directory, 'log'), encoding='utf-8') as file:
            return file.read()

    def control(self, **call):
        """One command over the control socket, as the command line tool sends it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(30)
            peer.connect(os.path.join(self.directory, 'control'))
            peer.sendall(json.dumps(call).encode() + b'\n')
            with peer.makefile('rb') as answer:
                return json.loads(answer.readline())

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self):
        """Ends it and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def close(self):
        code = self.stop() if self.process.poll() is None else self.process.returncode
        log = self.log()
        shutil.rmtree(self.directory, ignore_errors=True)
        if code != 0:
            raise RuntimeError(f'vireod ended with {code}:\n{log[-4000:]}')


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def xml(self):
        return ElementTree.fromstring(self.body)

    def __repr__(self):
        return f'{self.status} {self.body[:500]!r}'


class Client:
    """A user's connection. Paths are below the API's prefix unless they begin with it."""

    def __init__(self, manager, user='admin@internal', password=PASSWORD):
        self.manager, self.user, self.password = manager, user, password
        self.token = None
        self.connect()
        if user:
            self.login()

    def connect(self):
        context = ssl.create_default_context(cadata=self.manager.authority)
        self.connection = http.client.HTTPSConnection('localhost', self.manager.port,
                                                      context=context, timeout=30)

    def close(self):
        self.connection.close()

    def login(self):
        body = urllib.parse.urlencode({'grant_type': 'password', 'scope': 'ovirt-app-api',
                                       'username': self.user, 'password': self.password})
        answer = self.send('POST', '/ovirt-engine/sso/oauth/token', body, {
            'Content-Type': 'application/x-www-form-urlencoded', 'Accept': 'application/json'})
        if answer.status != 200:
            raise RuntimeError(f'{self.user} can not log in: {answer}')
        self.token = answer.json['access_token']

    def send(self, method, path, body=None, headers=None):
        whole = dict(headers or {})
        if self.token:
            whole['Authorization'] = 'Bearer ' + self.token
        if not path.startswith('/ovirt-engine'):
            path = PREFIX + path
        self.connection.request(method, path, body.encode() if isinstance(body, str) else body,
                                whole)
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def json(self, method, path, body=None, **headers):
        text = None if body is None else json.dumps(body)
        return self.send(method, path, text, {
            'Accept': 'application/json', 'Content-Type': 'application/json',
            **{name.replace('_', '-'): value for name, value in headers.items()}})

    def xml(self, method, path, body=None, **headers):
        return self.send(method, path, body, {
            'Accept': 'application/xml', 'Content-Type': 'application/xml',
            **{name.replace('_', '-'): value for name, value in headers.items()}})

    # What most tests want of a call that works.

    def get(self, path):
        answer = self.json('GET', path)
        assert answer.status == 200, f'GET {path}: {answer}'
        return answer.json

    def list(self, path, name):
        return self.get(path).get(name, [])

    def add(self, path, body, status=201):
        answer = self.json('POST', path, body)
        assert answer.status == status, f'POST {path}: {answer}'
        return answer.json

    def change(self, path, body):
        answer = self.json('PUT', path, body)
        assert answer.status == 200, f'PUT {path}: {answer}'
        return answer.json

    def remove(self, path):
        answer = self.json('DELETE', path)
        assert answer.status == 200, f'DELETE {path}: {answer}'

    def named(self, path, name, wanted):
        """The object of a collection with that name."""
        return next(one for one in self.list(path, name) if one['name'] == wanted)

    def newest_event(self):
        return self.list('/events?max=1', 'event')[0]


class ApiTest(unittest.TestCase):
    """One manager and an administrator's client for all tests of a class."""

    maxDiff = None
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.manager = Manager(**cls.options)
        cls.clients = []
        try:
            cls.admin = cls.client()
        except BaseException:
            cls.manager.kill()
            raise

    @classmethod
    def tearDownClass(cls):
        for client in cls.clients:
            client.close()
        cls.manager.close()

    @classmethod
    def client(cls, user='admin@internal', password=PASSWORD):
        client = Client(cls.manager, user, password)
        cls.clients.append(client)
        return client

    @classmethod
    def user(cls, name, role='UserRole'):
        """A new user of the internal directory with that role, logged in."""
        answer = cls.manager.control(command='user-add', name=name, password=PASSWORD, role=role)
        assert answer['ok'], answer
        return cls.client(f'{name}@internal')

    def assert_fault(self, answer, status, *words):
        """A fault that tells why, in the client's format, with these words in its detail."""
        self.assertEqual(answer.status, status, answer)
        if 'json' in answer.headers['Content-Type']:
            whole = answer.json
            fault = whole.get('fault', whole)
            reason, detail = fault.get('reason'), fault.get('detail')
        else:
            root = answer.xml
            fault = root if root.tag == 'fault' else root.find('fault')
            reason, detail = fault.findtext('reason'), fault.findtext('detail')
        self.assertTrue(reason, answer)
        self.assertTrue(detail, answer)
        for word in words:
            self.assertIn(word, detail)

    def assert_event(self, code):
        """The newest event has this code."""
        event = self.admin.newest_event()
        self.assertEqual(event['code'], str(code), event)
        return event

    def check_common(self, path, good, changed, wrong, plain, unknown=NOBODY):
        """What every noun with add, update and remove has to do.

        good: a body that can be added; changed: members to update; wrong: (body, words) pairs that
        are refused with 400; plain: a user without rights. Leaves nothing behind.
        """
        one, = [tag for tag in (path.rsplit('/', 1)[1],)]
        made = self.admin.add(path, good)
        home = made['href']
        self.assertTrue(made['id'])
        try:
            self.check_made(path, made, good, plain)
            self.check_changes(home, changed, plain)
            for body, words in wrong:
                self.assert_fault(self.admin.json('POST', path, body), 400, words)
            self.assert_fault(self.admin.json('POST', path, good), 409, 'already')
        finally:
            self.admin.remove(home)
        self.assert_fault(self.admin.json('GET', home), 404)
        for method, body in (('GET', None), ('PUT', changed), ('DELETE', None)):
            self.assert_fault(self.admin.json(method, f'{path}/{unknown}', body), 404)
        return one

    def check_made(self, path, made, good, plain):
        for name, value in good.items():
            if not isinstance(value, (dict, list)):
                self.assertEqual(made[name], value)
        listed = self.admin.json('GET', path).json
        self.assertIn(made['id'], [one['id'] for one in next(iter(listed.values()))])
        self.assertEqual(self.admin.get(made['href'])['id'], made['id'])
        xml = self.admin.xml('GET', made['href'])
        self.assertEqual(xml.xml.get('id'), made['id'])
        self.assertEqual(xml.xml.get('href'), made['href'])
        self.assertEqual(xml.xml.findtext('name'), made['name'])
        self.assert_fault(plain.json('POST', path, good), 403, 'permitted')

    def check_changes(self, home, changed, plain):
        after = self.admin.change(home, changed)
        for name, value in changed.items():
            if not isinstance(value, (dict, list)):
                self.assertEqual(after[name], value)
        self.assert_fault(plain.json('PUT', home, changed), 403, 'permitted')
        self.assert_fault(plain.json('DELETE', home), 403, 'permitted')
        self.assert_fault(self.admin.send('PUT', home, '{"name":', {
            'Content-Type': 'application/json', 'Accept': 'application/json'}), 400, 'malformed')
        self.assert_fault(self.admin.xml('PUT', home, '<fault/>'), 400, 'body must be')
        self.assert_fault(self.admin.send('PUT', home, 'x', {'Content-Type': 'text/plain'}), 415)


def main():
    unittest.main(verbosity=1)
