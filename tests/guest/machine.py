"""A QEMU process for tests: its serial line, its monitor and the guest's agent."""

import base64
import json
import pathlib
import re
import socket
import subprocess
import threading
import time

FIRMWARE_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
FIRMWARE_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"


def wait_until(condition, seconds, what):
    """The first true value of condition()."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {seconds} s")


def connect(path, seconds=10):
    connection = socket.socket(socket.AF_UNIX)

    def attempt():
        try:
            connection.connect(str(path))
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    wait_until(attempt, seconds, f"socket {path}")
    return connection


class Serial:
    """The guest's serial line. `text` is all it has said."""

    def __init__(self, path):
        self.connection = connect(path)
        self.text = ""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while data := self.connection.recv(65536):
                self.text += data.decode(errors="replace")
        except OSError:
            pass

    def wait_for(self, pattern, seconds=60):
        try:
            return wait_until(lambda: re.search(pattern, self.text), seconds, f"/{pattern}/")
        except AssertionError as failure:
            raise AssertionError(f"{failure} on the serial line:\n{self.text[-2000:]}") from None

    def type(self, line):
        self.connection.sendall(line.encode() + b"\r")


class JsonChannel:
    """One JSON document per line: QMP and the guest agent."""

    def __init__(self, path, timeout=30):
        self.connection = connect(path)
        self.connection.settimeout(timeout)
        self.lines = self.connection.makefile("rb")

    def call(self, command, arguments=None):
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        self.send(request)
        while True:
            answer = json.loads(self.lines.readline().lstrip(b"\xff"))
            if "error" in answer:
                raise AssertionError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def send(self, request):
        self.connection.sendall(json.dumps(request).encode() + b"\n")

    def close(self):
        self.lines.close()
        self.connection.close()


class Agent(JsonChannel):
    """The guest agent, once it answers."""

    def __init__(self, path, seconds=60):
        super().__init__(path, seconds)
        self.send({"execute": "guest-sync", "arguments": {"id": 4711}})
        while json.loads(self.lines.readline().lstrip(b"\xff")).get("return") != 4711:
            pass

    def shell(self, command):
        """What the guest's shell prints, and its exit code."""
        process = self.call("guest-exec", {"path": "/bin/sh", "arg": ["-c", command],
                                           "capture-output": True})

        def result():
            status = self.call("guest-exec-status", process)
            return status if status["exited"] else None

        status = wait_until(result, 30, f"end of {command}")
        return decode(status.get("out-data", "")), status["exitcode"]

    def write(self, path, text):
        handle = self.call("guest-file-open", {"path": path, "mode": "w"})
        data = encode(text)
        self.call("guest-file-write", {"handle": handle, "buf-b64": data})
        self.call("guest-file-close", {"handle": handle})


def encode(text):
    return base64.b64encode(text.encode()).decode()


def decode(data):
    return base64.b64decode(data).decode()


class Machine:
    """A machine in the directory `work` with the QEMU arguments given."""

    def __init__(self, work, arguments, machine="q35", firmware="bios"):
        self.work = pathlib.Path(work)
        serial, monitor, agent = (self.work / name for name in ("serial", "monitor", "agent"))
        command = [
            "qemu-system-x86_64", "-machine", machine, "-accel", "tcg", "-m", "256", "-nodefaults",
            "-vga", "std", "-display", "none",
            "-chardev", f"socket,id=serial,path={serial},server=on,wait=on",
            "-serial", "chardev:serial", "-qmp", f"unix:{monitor},server=on,wait=off",
            "-chardev", f"socket,id=agent,path={agent},server=on,wait=off",
            "-device", "virtio-serial",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-device", "virtio-rng-pci", "-device", "virtio-balloon-pci",
            *self._firmware_arguments(firmware), *arguments]
        with (self.work / "qemu.log").open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        self.agent_path = agent
        self.serial = Serial(serial)
        self.monitor = JsonChannel(monitor)
        self.channels = [self.monitor]
        self.monitor.call("qmp_capabilities")

    def _firmware_arguments(self, firmware):
        if firmware == "bios":
            return []
        variables = self.work / "variables.fd"
        variables.write_bytes(pathlib.Path(FIRMWARE_VARIABLES).read_bytes())
        return ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE_CODE}",
                "-drive", f"if=pflash,format=raw,file={variables}"]

    def agent(self):
        self.channels.append(Agent(self.agent_path))
        return self.channels[-1]

    def screen_text(self):
        """The 25 lines of the VGA text console."""
        dump = self.work / "screen"
        self.monitor.call("pmemsave", {"val": 0xB8000, "size": 4000, "filename": str(dump)})
        cells = wait_until(lambda: dump.exists() and dump.stat().st_size == 4000 and
                           dump.read_bytes(), 10, "screen dump")
        characters = cells[::2].decode("cp437")
        return "\n".join(characters[i:i + 80].rstrip() for i in range(0, 2000, 80))

    def wait_end(self, seconds=30):
        return self.process.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.serial.thread.join()
        self.serial.connection.close()
        for channel in self.channels:
            channel.close()
