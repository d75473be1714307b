"""A host whose agent counts its acts and dies, or whose libvirtd dies, around a chosen one."""

import contextlib
import os
import pathlib
import subprocess
import sys
import threading
import time
import traceback

from crash_control import CrashControl
from host_lab import GUEST, REPOSITORY, HostTest, RestFault

NOT_NOW = 503
AGENT_PORT, ESTABLISHED = ":D431", "01"  # as in /proc/net/tcp


class Supervisor:
    """Starts dead programs again, as systemd does."""

    def __init__(self, host):
        self.host = host
        self.failure = None
        self.deaths = 0
        self.mark = 0  # where in the agent's log its last life, or that of its libvirtd, begins
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            while not self.ending.wait(0.05):
                self._restart(self.host.libvirtd, self.host.start_libvirtd)
                self._restart(self.host.agent, self.host.start_agent)
        except Exception:
            self.failure = traceback.format_exc()

    def _restart(self, program, start):
        if program.poll() is not None:
            self.mark = self.host.log("agent").stat().st_size
            start()
            self.deaths += 1

    def is_connected(self):
        """The agent with libvirt, and a manager with the agent."""
        with self.host.log("agent").open(errors="replace") as log:
            log.seek(self.mark)
            if self.mark and "Connected to" not in log.read():
                return False
        folder = pathlib.Path(f"/proc/{self.host.first_process}/net")
        rows = [line.split() for name in ("tcp", "tcp6")
                for line in (folder / name).read_text().splitlines()]
        return any(row[1].endswith(AGENT_PORT) and row[3] == ESTABLISHED for row in rows)

    def end(self):
        self.ending.set()
        self.thread.join()


class DeathLab(HostTest):
    @classmethod
    def setUpClass(cls):
        subprocess.run([REPOSITORY / "tests/guest/build", GUEST], check=True,
                       stdout=subprocess.DEVNULL)
        super().setUpClass()
        cls.give_kernel(cls)
        cls.supervisor = Supervisor(cls.host)
        cls.addClassCleanup(cls.supervisor.end)

    @classmethod
    def before_start(cls):
        cls.control = CrashControl(cls.state)
        cls.addClassCleanup(cls.control.close)
        host = cls.centre.host
        host.agent_environment = cls.control.environment(
            host.build_dir / "tests/crash/crash_preload.so")

    @classmethod
    def begin_anew(cls):
        """Nobody knows what a failed round has left."""
        cls.doClassCleanups()
        cls.setUpClass()

    # ---- one round

    def attempt(self, kind):
        """Makes the request and waits for all that follows from it; returns its refusal."""
        refusal = None
        try:
            kind.begin(self)
        except RestFault as fault:
            refusal = fault
        self.wait_ended()
        return refusal

    def insist(self, kind):
        """As a person would, who was told that the host is not there just now."""
        refusal = None

        def is_heard():
            nonlocal refusal
            refusal = self.attempt(kind)
            return not refusal or refusal.status != NOT_NOW
        self.wait(is_heard, f"{kind.name} asked for again", 30)
        return refusal

    def settle(self, kind):
        """Everything lives and agrees; returns whether the kind's request is done."""
        if kind.is_up:
            self.wait_host()
        self.check_agreement()
        return kind.state(self)

    def survive(self, kind, deaths):
        """As above, when who dies lives again; `deaths` there were before the request. A second
        death may come while one looks: then one looks again."""
        while True:
            known = self.control.deaths
            self.wait(lambda: self.supervisor.deaths >= deaths + known,
                      "who is dead lives again", 30)
            self.wait(self.supervisor.is_connected, "a host that is connected", 30)
            try:
                done = self.settle(kind)
            except AssertionError:
                if self.control.deaths == known:
                    raise
            else:
                if self.control.deaths == known:
                    return done

    def play(self, kind, point):
        """Returns (whether the point was met, how it ended in a word)."""
        self.prepare(kind)
        deaths = self.supervisor.deaths
        self.control.arm(point)
        try:
            refusal = self.attempt(kind)
            done = self.survive(kind, deaths)
        finally:
            self.control.disarm()
        met = self.control.deaths == (2 if point.again else 1)
        self.judge(kind, self.control.killed, refusal, done)
        if not done:
            self.assertIsNone(self.insist(kind))
            self.assertTrue(self.settle(kind), "it is not done when it is asked for again")
        return met, f"refused with {refusal.status}" if refusal else "done" if done else "undone"

    def prepare(self, kind):
        path = f"/hosts/{self.host_id}"
        if kind.is_up and self.status(path) == "maintenance":
            self.rest.post(f"{path}/activate")
            self.wait_host()
        kind.prepare(self)
        self.wait_ended()
        if kind.is_up:
            self.wait_host()

    def judge(self, kind, died, refusal, done):
        if refusal:
            self.assertTrue(died, f"refused though nobody died: {refusal}")
            self.assertIn(refusal.status, kind.refusals, refusal)
        elif not done:
            self.assertTrue(died and kind.undone, "it is not done")

    # ---- many rounds

    def rounds(self, kind, points):
        for point in points:
            with self.subTest(kind=kind.name, point=str(point)):
                with self.told(kind, point):
                    met, end = self.play(kind, point)
                    if point in kind.points:  # in others the number of acts may differ a little
                        self.assertTrue(met, f"it was not met; acts: {self.control.trace()}")
                    self.tell(kind, point, end if met else "not met")

    def tell(self, kind, point, end):
        if "VIREO_CRASH_FULL" in os.environ:
            act = self.act()
            print(f"{kind.name}: {point}: {act}: {end}", file=sys.stderr, flush=True)

    def act(self):
        trace, number = self.control.trace(), self.control.killed
        return " ".join(trace[number - 1]) if 0 < number <= len(trace) else "nothing"

    @contextlib.contextmanager
    def told(self, kind, point):
        """A failure tells at which act somebody died; then everything begins anew."""
        try:
            yield
        except Exception as failure:
            acts = "\n".join(f"{number} {name} {text}" for number, (name, text) in
                             enumerate(self.control.trace(), 1))
            log = self.host.log("agent").read_text(errors="replace")[-4000:]
            jobs = self.jobs_told()
            message = (f"{kind.name}: {point}, at: {self.act()}\n{failure}\n{jobs}\n"
                       f"acts:\n{acts}\nagent:\n{log}")
            self.tell(kind, point, f"FAILED {failure}")
            self.begin_anew()
            raise AssertionError(message) from failure

    def jobs_told(self):
        if self.supervisor.failure:
            return self.supervisor.failure
        try:
            return [row for row in self.rest.list("/jobs") if row["status"] == "started"] + \
                [row["description"] for row in self.rest.list("/events", max=12)]
        except Exception as failure:
            return f"no jobs: {failure}"

    def count_acts(self, kind):
        """The acts of a round in which nobody dies."""
        self.prepare(kind)
        self.control.arm()
        started = time.monotonic()
        self.assertIsNone(self.attempt(kind))
        seconds = time.monotonic() - started
        self.control.disarm()
        self.assertTrue(self.settle(kind), f"{kind.name} is not done though nobody died")
        trace = self.control.trace()
        self.tell(kind, None, f"{len(trace)} acts in {seconds:.1f} s")
        return trace

