"""What the kernel says of a process."""

import pathlib


def cpu_seconds(process_id):
    """CPU time of all threads that live, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{process_id}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_mb(process_id):
    status = pathlib.Path(f"/proc/{process_id}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def private_mb(process_id):
    """What would be free again without it: pages of libraries that others use too don't count."""
    rollup = pathlib.Path(f"/proc/{process_id}/smaps_rollup").read_text()
    return sum(int(rollup.split(f"{name}:")[1].split()[0])
               for name in ("Private_Clean", "Private_Dirty")) / 1024
