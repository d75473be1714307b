"""A vireod of this checkout, with its state under one directory."""

import os
import pathlib
import secrets
import signal
import socket
import subprocess
import tempfile

from . import process
from .failure import DataCentreFailure
from .places import build_directory
from .rest import Rest, RestUnreachable

SOCKET_PATH_MAX = 100  # of the option control_socket
USER = "admin@internal"


def free_port():
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return probe.getsockname()[1]


class Manager:
    """`options` are further options of vireod, see manager/config/options.def."""

    def __init__(self, state_dir, port, build_dir=None, options=None):
        self.state = pathlib.Path(state_dir).resolve()
        self.port = port
        self.build_dir = build_directory(build_dir)
        self.options = options or {}
        self.log = self.state / "manager.log"
        self.process = None

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    @property
    def ca_file(self):
        return self.state / "ca.crt"

    @property
    def password(self):
        return (self.state / "admin-password").read_text().strip()

    def start(self, seconds=60):
        """Returns when the manager answers and its authority's certificate is known."""
        self._prepare()
        with self.log.open("ab") as log:
            self.process = process.start(
                [self.build_dir / "manager/vireod", "--config", self.state / "manager.conf"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        process.wait_until(self._answers, seconds, "The manager's health page")
        self.ca_file.write_text(Rest(self.url).get_text("/ca.crt"))
        return self

    def stop(self, seconds=30):
        process.stop(self.process, seconds)
        self.process = None

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def login(self):
        """A client of the REST API, as administrator."""
        rest = Rest(self.url, self.ca_file)
        rest.login(USER, self.password)
        return rest

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _prepare(self):
        (self.state / "manager").mkdir(parents=True, exist_ok=True)
        password_file = self.state / "admin-password"
        if not password_file.exists():
            write_private(password_file, secrets.token_urlsafe(12) + "\n")
        control = self.state / "manager.sock"
        if len(str(control)) > SOCKET_PATH_MAX:
            control = pathlib.Path(tempfile.mkdtemp(prefix="vireo-")) / "manager.sock"
        options = {"state_directory": self.state / "manager", "listen_port": self.port,
                   "control_socket": control, "admin_password_file": password_file,
                   "certificate_names": "localhost,127.0.0.1,::1", **self.options}
        text = "".join(f"{name} = {value}\n" for name, value in options.items())
        (self.state / "manager.conf").write_text(text)

    def _answers(self):
        if self.process.poll() is not None:
            raise DataCentreFailure("vireod ended with code "
                                    f"{self.process.returncode}:\n{process.log_tail(self.log)}")
        try:
            return Rest(self.url).get_text("/ovirt-engine/services/health")
        except RestUnreachable:
            return None


def give_to_caller(file):
    """What a person needs belongs to who called sudo, not to root. A path or a descriptor."""
    if "SUDO_UID" in os.environ:
        os.chown(file, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))


def write_private(path, text):
    """A file for its owner alone, from its first moment on."""
    partial = path.with_name(f"{path.name}.new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        give_to_caller(file.fileno())
        file.write(text)
    partial.rename(path)
