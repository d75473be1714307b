"""A manager that is nothing but dictionaries: the REST API, single sign-on and the image server, as
far as the command line uses them, with faults on demand. Python's standard library only."""

import copy
import http.server
import json
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
import uuid

USER, PASSWORD = "admin@internal", "correct horse"
API = "/ovirt-engine/api"

# What an action changes: status while it runs, status at its end.
ACTIONS = {
    ("vms", "start"): ("wait_for_launch", "up"),
    ("vms", "stop"): ("powering_down", "down"),
    ("vms", "shutdown"): ("powering_down", "down"),
    ("vms", "suspend"): ("saving_state", "suspended"),
    ("vms", "migrate"): ("migrating", "up"),
    ("vms", "reboot"): ("reboot_in_progress", "up"),
    ("vms", "reset"): ("up", "up"),
    ("hosts", "deactivate"): ("preparing_for_maintenance", "maintenance"),
    ("hosts", "activate"): ("unassigned", "up"),
    ("storagedomains", "activate"): ("activating", "active"),
    ("storagedomains", "deactivate"): ("preparing_for_maintenance", "maintenance"),
    ("disks", "move"): ("locked", "ok"),
}
MEMBERS = {
    "vms": "vm", "disks": "disk", "hosts": "host", "storagedomains": "storage_domain",
    "networks": "network", "vnicprofiles": "vnic_profile", "datacenters": "data_center",
    "clusters": "cluster", "templates": "template", "users": "user", "events": "event",
    "jobs": "job", "imagetransfers": "image_transfer", "diskattachments": "disk_attachment",
    "nics": "nic", "snapshots": "snapshot", "cdroms": "cdrom", "statistics": "statistic",
    "steps": "step", "graphicsconsoles": "graphics_console", "reporteddevices": "reported_device",
}
FIRST_STATUS = {"vms": ("image_locked", "down"), "disks": ("locked", "ok"),
                "templates": ("locked", "ok")}
LOOKS_UNTIL_DONE = 2  # how often an object is looked at before an action on it has ended


def make_certificate(folder):
    """A self-signed certificate that is its own authority."""
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/O=Vireo/CN=fake", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class Fault(Exception):
    def __init__(self, status, body=None):
        super().__init__(status)
        self.status, self.body = status, body


class Image:
    """What lies behind a ticket."""

    def __init__(self, size, data=b""):
        self.data = bytearray(data.ljust(size, b"\0"))
        self.writes = []   # (offset, length) of PUT
        self.zeroes = []   # (offset, length) of PATCH
        self.flushed = 0
        self.break_puts = 0   # so many requests are cut in the middle
        self.break_gets = 0
        self.fail_status = None
        self.delay = 0
        self.features = ["extents", "zero", "flush"]
        self.max_connections = 8
        self.active = self.most_active = 0
        self.extents = None


class FakeManager:
    def __init__(self, folder):
        self.lock = threading.RLock()
        self.tokens = set()
        self.requests = []     # (method, path with query, body)
        self.collections = {}  # path -> {id: object}
        self.faults = []       # [method, path pattern, status, body, how often]
        self.transitions = {}  # path of an object -> [looks left, status]
        self.images = {}       # ticket -> Image
        self.upload_options = {}  # members of Image for tickets to come
        self.fail_jobs = None  # text: operations fail with it
        self.enrolment = {"token": "TOKEN", "fingerprint": "AB:CD", "expires_in": 86400}
        self.console = "[virt-viewer]\ntype=spice\n"
        self.console_fault = None
        self.keep_transfers = True
        certificate, key = make_certificate(folder)
        self.ca_file = certificate
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.server.daemon_threads = True
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # ---- what tests say

    def add(self, path, **members):
        with self.lock:
            entity = {"id": members.pop("id", None) or str(uuid.uuid4()), **members}
            self.collections.setdefault(path, {})[entity["id"]] = entity
            return entity["id"]

    def get(self, path, name):
        return next(entity for entity in self.collections.get(path, {}).values()
                    if entity.get("name") == name)

    def fault(self, method, path, status, reason=None, detail=None, times=1, body=None):
        if reason:
            body = {"reason": reason, "detail": detail}
        self.faults.append([method, path, status, body, times])

    def sent(self, method, path):
        """Bodies of the requests to a path, without their query."""
        return [body for done, where, body in self.requests
                if done == method and where.split("?")[0] == path]

    def paths(self, method):
        return [where for done, where, _ in self.requests if done == method]

    # ---- the API

    def api(self, method, path, query, body):
        for fault in self.faults:
            if fault[0] == method and re.fullmatch(fault[1], path) and fault[4]:
                fault[4] -= 1
                raise Fault(fault[2], fault[3])
        words = [word for word in path.split("/") if word]
        if not words:
            return 200, self.root()
        collection, entity, action = self.find(words)
        if action:
            return self.act(words, entity, action, body)
        if entity is None and method == "GET":
            return 200, self.list(collection, words[-1], query)
        if entity is None and method == "POST":
            return self.create(collection, words[-1], body)
        if method == "GET":
            return 200, self.show("/".join(words), entity, query)
        if method == "PUT":
            entity.update(body)
            return 200, self.show("/".join(words), entity, query)
        if method == "DELETE":
            self.collections[collection].pop(entity["id"])
            return 200, {"status": "complete"}
        raise Fault(405)

    def find(self, words):
        """The collection's path, the object in it, the action on it."""
        if words[-1] in MEMBERS:
            return "/".join(words), None, None
        if words[-2] in MEMBERS:
            collection = "/".join(words[:-1])
            entity = self.collections.get(collection, {}).get(words[-1])
            if not entity:
                raise Fault(404, {"reason": "Not found",
                                  "detail": f"There is no object with the id {words[-1]}."})
            return collection, entity, None
        collection, entity, _ = self.find(words[:-1])
        return collection, entity, words[-1]

    def root(self):
        count = {name: len(self.collections.get(name, {})) for name in MEMBERS}
        item = lambda name: {"active": str(count[name]), "total": str(count[name])}
        return {"product_info": {"name": "Vireo", "version": {"full_version": "4.5.6-fake"}},
                "summary": {"vms": item("vms"), "hosts": item("hosts"),
                            "storage_domains": item("storagedomains")}}

    def list(self, path, word, query):
        entities = [copy.deepcopy(entity) for entity in self.collections.get(path, {}).values()]
        search = query.get("search", [""])[0]
        found = re.fullmatch(r'(\w+)="?([^"]*)"?', search)
        if found:
            pattern = re.escape(found[2]).replace(r"\*", ".*")
            entities = [entity for entity in entities
                        if re.fullmatch(pattern, str(entity.get(found[1], "")), re.IGNORECASE)]
        if "from" in query:
            entities = [one for one in entities if int(one["id"]) > int(query["from"][0])]
        if "max" in query:
            entities = entities[:int(query["max"][0])]
        for entity in entities:
            self.follow(f"{path}/{entity['id']}", entity, query.get("follow", [""])[0])
        return {MEMBERS[word]: entities} if entities else {}

    def show(self, path, entity, query):
        shown = copy.deepcopy(entity)
        pending = self.transitions.get(path)
        if pending:
            pending[0] -= 1
            if pending[0] <= 0:
                entity["status"] = pending[1]
                del self.transitions[path]
        self.follow(path, shown, query.get("follow", [""])[0])
        return shown

    def follow(self, path, shown, follow):
        for word in follow.split(","):
            head = word.split(".")[0]
            plural = head.replace("_", "")
            if head == "disk" and "disk" in shown:
                disk = self.collections["disks"].get(shown["disk"]["id"], shown["disk"])
                shown["disk"] = self.show(f"disks/{disk['id']}", disk, {})
            elif plural in MEMBERS:
                inner = self.list(f"{path}/{plural}", plural,
                                  {"follow": [word.partition(".")[2]]})
                name = {"diskattachments": "disk_attachments"}.get(plural, head)
                shown[name] = inner
        return shown

    def create(self, path, word, body):
        entity = {"id": str(uuid.uuid4()), **body}
        entity["href"] = f"{API}/{path}/{entity['id']}"
        first = FIRST_STATUS.get(word)
        if first:
            entity["status"] = first[0]
            self.transitions[f"{path}/{entity['id']}"] = [LOOKS_UNTIL_DONE, first[1]]
        if word == "diskattachments":
            if "id" not in body["disk"]:
                _, disk = self.create("disks", "disks", body["disk"])
                entity["disk"] = {"id": disk["id"]}
            entity["id"] = entity["disk"]["id"]
            entity["href"] = f"{API}/{path}/{entity['id']}"
        if word == "imagetransfers":
            self.begin_transfer(entity)
        self.collections.setdefault(path, {})[entity["id"]] = entity
        if entity.get("storage", {}).get("type") == "localfs":
            self.attach_local(entity)
        return 201, copy.deepcopy(entity)

    def attach_local(self, domain):
        """Local storage is attached without being asked for."""
        center = next(iter(self.collections["datacenters"]))
        path = f"datacenters/{center}/storagedomains"
        self.collections.setdefault(path, {})[domain["id"]] = {**domain, "status": "locked"}
        self.transitions[f"{path}/{domain['id']}"] = [LOOKS_UNTIL_DONE, "active"]

    def act(self, words, entity, action, body):
        path, kind = "/".join(words[:-1]), words[-3]
        if kind == "imagetransfers":
            return self.act_transfer(entity, action)
        if action == "remoteviewerconnectionfile":
            return 200, {"status": "complete", "remote_viewer_connection_file": self.console}
        job = {"id": str(uuid.uuid4()), "description": f"{action} of {entity.get('name')}",
               "status": "started"}
        states = ACTIONS.get((kind, action))
        if action in ("activate", "deactivate") and kind == "nics":
            entity["plugged"] = "true" if action == "activate" else "false"
        elif states:
            before = entity.get("status")
            entity["status"] = states[0]
            end = before if self.fail_jobs else states[1]
            self.transitions[path] = [LOOKS_UNTIL_DONE, end]
        job["status"] = "failed" if self.fail_jobs else "finished"
        self.collections.setdefault("jobs", {})[job["id"]] = job
        if self.fail_jobs:
            self.add("events", id=str(1000 + len(self.collections.get("events", {}))),
                     severity="error", correlation_id=self.correlation,
                     description=self.fail_jobs)
        return 200, {"status": "complete", "job": {"id": job["id"]}}

    # ---- image transfers

    def begin_transfer(self, entity):
        disk = self.collections["disks"][entity["disk"]["id"]]
        size = int(disk.get("initial_size" if entity["format"] == "cow" else "provisioned_size",
                            disk.get("provisioned_size", 0)))
        if entity["direction"] == "upload":
            image = self.images[entity["id"]] = Image(size)
        else:
            image = self.images[entity["id"]] = self.content[disk["id"]]
        for name, value in self.upload_options.items():
            setattr(image, name, value)
        entity["phase"] = "transferring"
        entity["transfer_url"] = f"{self.url}/images/{entity['id']}"
        entity["proxy_url"] = f"{self.url}/images/{entity['id']}"
        disk["status"] = "locked"

    content = {}

    def act_transfer(self, entity, action):
        disk = self.collections["disks"].get(entity["disk"]["id"])
        if action == "finalize":
            entity["phase"] = "finished_success"
            disk["status"] = "ok"
        if action == "cancel":
            entity["phase"] = "cancelled"
            if entity["direction"] == "upload":
                self.collections["disks"].pop(entity["disk"]["id"], None)
            elif disk:
                disk["status"] = "ok"
        if action == "resume":
            entity["phase"] = "transferring"
        if not self.keep_transfers and action in ("finalize", "cancel"):
            self.collections["imagetransfers"].pop(entity["id"])
        return 200, {"status": "complete"}

    # ---- HTTP

    def _handler(manager):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def setup(self):
                # The handshake belongs to the connection's thread: a client that never finishes
                # it must not stop the others.
                self.request.settimeout(30)
                self.request.do_handshake()
                super().setup()

            def handle(self):
                try:
                    super().handle()
                except (OSError, ValueError):
                    self.close_connection = True

            def answer(self, status, body, kind="application/json"):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def body(self):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def serve(self):
                url = urllib.parse.urlsplit(self.path)
                if url.path.startswith("/images/"):
                    self.serve_image(url)
                elif url.path.startswith("/vireo/console/"):
                    self.serve_console()
                elif url.path.startswith("/ovirt-engine/sso/oauth/token"):
                    self.serve_login()
                elif url.path == "/ovirt-engine/services/sso-logout":
                    form = urllib.parse.parse_qs(self.body().decode())
                    manager.tokens.discard(form["token"][0])
                    self.answer(200, {})
                elif url.path == "/ovirt-engine/services/pki-resource":
                    self.answer(200, manager.ca_file.read_bytes(), "application/x-x509-ca-cert")
                else:
                    self.serve_api(url)

            def serve_login(self):
                form = urllib.parse.parse_qs(self.body().decode())
                if form.get("username") != [USER] or form.get("password") != [PASSWORD]:
                    self.answer(400, {"error_code": "access_denied", "error":
                                      "access_denied: Cannot authenticate user: The user name or "
                                      "password is wrong."})
                    return
                token = uuid.uuid4().hex
                manager.tokens.add(token)
                self.answer(200, {"access_token": token, "scope": "ovirt-app-api",
                                  "token_type": "bearer"})

            def serve_api(self, url):
                body = self.body()
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                path = url.path.removeprefix(API).strip("/")
                query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
                with manager.lock:
                    document = json.loads(body) if body else None
                    where = path + ("?" + url.query if url.query else "")
                    manager.requests.append((self.command, where, document))
                    manager.correlation = self.headers.get("Correlation-Id")
                    try:
                        if token not in manager.tokens:
                            raise Fault(401)
                        if url.path == "/vireo/enrolment-token":
                            status, answer = 200, manager.enrolment
                        else:
                            status, answer = manager.api(self.command, path, query, document)
                    except Fault as fault:
                        status, answer = fault.status, fault.body
                self.answer(status, b"" if answer is None else answer)

            # ---- the serial console

            def serve_console(self):
                """A guest that says everything again in capitals, until it hears "bye"."""
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                asked = (self.headers.get("Connection"), self.headers.get("Upgrade"))
                if token not in manager.tokens or asked != ("Upgrade", "vireo-console"):
                    self.answer(401, {"reason": "Not authenticated"})
                    return
                if manager.console_fault:
                    self.answer(409, manager.console_fault)
                    return
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                 b"Upgrade: vireo-console\r\n\r\nlogin: ")
                while (data := self.connection.recv(4096)):
                    self.wfile.write(data.upper())
                    if b"bye" in data:
                        break

            # ---- the image server

            def serve_image(self, url):
                word = url.path.removeprefix("/images/")
                image = manager.images.get(word.split("/")[0])
                if image is None:
                    self.body()
                    self.answer(403, {"detail": "No such ticket"})
                    return
                if image.fail_status and self.command != "OPTIONS":
                    self.body()
                    self.answer(image.fail_status, {"detail": "out of order"})
                    return
                with manager.lock:
                    image.active += 1
                    image.most_active = max(image.active, image.most_active)
                try:
                    getattr(self, "image_" + self.command)(image, word)
                finally:
                    with manager.lock:
                        image.active -= 1

            def image_OPTIONS(self, image, _):
                answer = {"features": image.features, "unix_socket": None}
                if image.max_connections:
                    answer["max_readers"] = answer["max_writers"] = image.max_connections
                self.answer(200, answer)

            def image_PUT(self, image, _):
                first, last = re.fullmatch(r"bytes (\d+)-(\d+)/\*",
                                           self.headers["Content-Range"]).groups()
                first, length = int(first), int(self.headers["Content-Length"])
                assert int(last) == first + length - 1
                with manager.lock:
                    cut = image.break_puts > 0
                    image.break_puts -= cut
                if cut:
                    self.rfile.read(length // 2)
                    self.close_connection = True
                    return
                time.sleep(image.delay)
                data = self.rfile.read(length)
                with manager.lock:
                    if first + length > len(image.data):
                        self.answer(416, {"detail": "out of range"})
                        return
                    image.data[first:first + length] = data
                    image.writes.append((first, length))
                self.answer(200, {})

            def image_PATCH(self, image, _):
                message = json.loads(self.body())
                with manager.lock:
                    if message["op"] == "flush":
                        image.flushed += 1
                    else:
                        offset, size = message["offset"], message["size"]
                        image.data[offset:offset + size] = bytes(size)
                        image.zeroes.append((offset, size))
                self.answer(200, {})

            def image_HEAD(self, image, _):
                self.answer(200, bytes(image.data))

            def image_GET(self, image, word):
                if word.endswith("/extents"):
                    self.answer(200, image.extents or [
                        {"start": 0, "length": len(image.data), "zero": False, "hole": False}])
                    return
                first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)",
                                                    self.headers["Range"]).groups())
                with manager.lock:
                    cut = image.break_gets > 0
                    image.break_gets -= cut
                    data = bytes(image.data[first:last + 1])
                    image.writes.append((first, len(data)))
                time.sleep(image.delay)
                self.send_response(206)
                self.send_header("Content-Length", str(last + 1 - first))
                self.end_headers()
                self.wfile.write(data[:len(data) // 2] if cut else data)
                self.close_connection = self.close_connection or cut

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = serve

        return Handler
