"""A data centre on this machine: python3 -m tools.datacentre run --state DIR --port N"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time

from .datacentre import DataCentre
from .failure import DataCentreFailure
from .host import Host
from .manager import give_to_caller
from .process import require_root


def say(line):
    print(line, flush=True)


def become_root():
    """Namespaces need root; a person may sit before sudo's question for the password."""
    if os.geteuid():
        module = ["-m", "tools.datacentre", *sys.argv[1:]]
        os.execvp("sudo", ["sudo", "--", sys.executable, *module])


def interrupt(*_):
    """Once: sudo and the terminal may both send the signal. A shell that started us in the
    background may have had it ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def run(arguments):
    """Until SIGINT or SIGTERM; then the code is 0."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    centre = DataCentre(arguments.state, arguments.port, arguments.build, kvm=False if arguments.no_kvm else None,
                        internet=arguments.internet, tell=say)
    started = time.monotonic()
    try:
        centre.start()
        for name in (".", "ca.crt"):
            give_to_caller(centre.state / name)
        say(f"""
The data centre is {"up" if centre.ready else "running, but not ready,"} after {time.monotonic() - started:.0f} s.

  URL       {centre.manager.url}/ (API: {centre.connection['url']})
  user      {centre.connection['user']}
  password  {centre.connection['password']}
  authority {centre.manager.ca_file}
  host      {centre.host.name}, {centre.host.address}
  state     {centre.state} (connection.json tells programs all this)

Ctrl-C stops it; guests are switched off. The same command starts it again.
""")
        while True:
            time.sleep(1)
            for name in centre.restart_dead():
                say(f"{name} had ended and was started again; see the logs under {centre.state}")
            if not centre.ready and centre.look():
                say("the data centre is ready now")
    except KeyboardInterrupt:
        say("\nstopping")
        centre.stop()
        say("stopped")
    except DataCentreFailure:
        centre.stop()
        raise
    return 0


def execute(arguments):
    """Runs a command in the running host."""
    require_root()
    host = Host.running(arguments.state)
    return subprocess.run(host.command(arguments.command)).returncode


def parse():
    parser = argparse.ArgumentParser(prog="python3 -m tools.datacentre", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("run", help="start a data centre and keep it until Ctrl-C")
    start.add_argument("--state", type=pathlib.Path, default="state", metavar="DIR")
    start.add_argument("--port", type=int, default=8443, metavar="N")
    start.add_argument("--build", type=pathlib.Path, metavar="DIR")
    start.add_argument("--internet", action="store_true", help="let guests out (slirp4netns)")
    start.add_argument("--no-kvm", action="store_true", help="emulate even where KVM works")
    start.set_defaults(function=run)
    inside = commands.add_parser("exec", help="run a command in the host, such as: exec virsh list")
    inside.add_argument("--state", type=pathlib.Path, default="state", metavar="DIR")
    inside.add_argument("command", nargs=argparse.REMAINDER)
    inside.set_defaults(function=execute)
    return parser.parse_args()


def main():
    arguments = parse()
    become_root()
    try:
        return arguments.function(arguments)
    except DataCentreFailure as failure:
        print(f"datacentre: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
