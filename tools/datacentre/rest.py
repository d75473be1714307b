"""A small client of the REST API: JSON in, JSON out."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

from .failure import DataCentreFailure

API = "/ovirt-engine/api"
TOKEN = "/ovirt-engine/sso/oauth/token"


class RestFault(DataCentreFailure):
    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


class RestUnreachable(DataCentreFailure):
    pass


class Rest:
    """Without `ca_file` the manager's certificate is not checked: only for its first pages."""

    def __init__(self, url, ca_file=None, timeout=60):
        self.url = url
        self.timeout = timeout
        self.token = None
        context = ssl.create_default_context(cafile=ca_file)
        if not ca_file:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                                  urllib.request.HTTPSHandler(context=context))

    def login(self, user, password):
        form = urllib.parse.urlencode({"grant_type": "password", "scope": "ovirt-app-api",
                                       "username": user, "password": password})
        answer = self._send("POST", TOKEN, form.encode(), "application/x-www-form-urlencoded")
        self.token = json.loads(answer)["access_token"]

    def get_text(self, path):
        return self._send("GET", path)

    def get(self, path):
        return json.loads(self._send("GET", API + path))

    def list(self, path, **query):
        """The members of a collection, such as list("/vms", search="name=web")."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        rows = list(self.get(path).values())
        return rows[0] if rows else []

    def post(self, path, body=None):
        return self._change("POST", API + path, body)

    def put(self, path, body):
        return self._change("PUT", API + path, body)

    def delete(self, path):
        return self._send("DELETE", API + path)

    def post_own(self, path, body):
        """A service beside the API."""
        return self._change("POST", path, body)

    def _change(self, method, path, body):
        answer = self._send(method, path, json.dumps(body or {}).encode(), "application/json")
        return json.loads(answer) if answer else {}

    def _send(self, method, path, body=None, content_type=None):
        request = urllib.request.Request(self.url + path, data=body, method=method)
        request.add_header("Accept", "application/json")
        if content_type:
            request.add_header("Content-Type", content_type)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with self.opener.open(request, timeout=self.timeout) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as failure:
            with failure:
                text = failure.read().decode(errors="replace")
            raise RestFault(f"{method} {path}: {failure.code} {fault_text(text)}",
                            failure.code) from None
        except OSError as failure:
            raise RestUnreachable(f"{method} {self.url}{path}: {failure}") from None


def fault_text(text):
    try:
        fault = json.loads(text)
        fault = fault.get("fault", fault)
        return fault.get("detail") or fault.get("error") or fault.get("reason") or text
    except (ValueError, AttributeError):
        return text
