"""What crash_preload.c, loaded into a host's agent, is told, and what it has seen."""

import dataclasses
import mmap
import pathlib
import struct

FIELDS = ("armed", "count", "matches", "kill_at", "when", "victim", "delay_us", "again", "killed",
          "killed_again", "born")
NAME_SIZE = 48
WHENS = ("before", "during", "after")
VICTIMS = ("agent", "libvirtd")


@dataclasses.dataclass(frozen=True)
class Point:
    """Where who dies: around the `number`-th act of all, or of those called `name`."""

    victim: str = "agent"
    when: str = "before"
    number: int = 1
    name: str = ""
    delay_ms: int = 50  # "during": so long after its beginning
    again: int = 0  # the agent that is started then dies too, around so many-th of its acts

    def __str__(self):
        delay = f" ({self.delay_ms} ms)" if self.when == "during" else ""
        again = f", again at act {self.again}" if self.again else ""
        return f"{self.victim} dies {self.when}{delay} {self.name or 'act'} {self.number}{again}"


class CrashControl:
    """`folder` is seen by the agent at the same place."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "crash-control"
        self.trace_path = self.path.with_name(f"{self.path.name}.trace")
        self.trace_path.touch()
        self.path.write_bytes(bytes(4 * len(FIELDS) + NAME_SIZE))
        with self.path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def close(self):
        self.map.close()

    def environment(self, library):
        # A library in front of the sanitizers' own is fine for them when they are told.
        return {"LD_PRELOAD": str(library), "VIREO_CRASH_CONTROL": str(self.path),
                "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}

    def arm(self, point=None):
        """Counts from now on; kills at the point, if there is one."""
        self.disarm()
        with self.trace_path.open("r+b") as file:
            file.truncate()
        values = (0, 0, 0, point.number, WHENS.index(point.when), VICTIMS.index(point.victim),
                  point.delay_ms * 1000, point.again, 0, 0, 0) if point else (0,) * len(FIELDS)
        name = (point.name if point else "").encode().ljust(NAME_SIZE, b"\0")
        self.map[4:] = struct.pack(f"{len(values)}i", *values)[4:] + name
        self._set("armed", 1)

    def disarm(self):
        self._set("armed", 0)

    @property
    def killed(self):
        """The number of the act around which somebody died; 0: it was not met."""
        return self._get("killed")

    @property
    def deaths(self):
        return sum(1 for field in ("killed", "killed_again") if self._get(field))

    def trace(self):
        """(name, object) of each act, in order."""
        rows = [line.split(" ", 2)[1:] for line in
                self.trace_path.read_text(errors="replace").splitlines()]
        return [(row[0], row[1] if len(row) > 1 else "") for row in rows]

    def _get(self, field):
        at = 4 * FIELDS.index(field)
        return struct.unpack("i", self.map[at:at + 4])[0]

    def _set(self, field, value):
        at = 4 * FIELDS.index(field)
        self.map[at:at + 4] = struct.pack("i", value)
