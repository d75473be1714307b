#!/usr/bin/env python3
# time limit: 900 s
"""The manager dies by kill -9 at every step of every kind of operation, forward and in undo.

    test_manager.py [--full] [--jobs N] [KIND[/SCENARIO[/POINT]]...]

It is started again and has to end the operation by itself: done, or as if it had never begun. Then
no job runs, and inventory, storage and hosts agree. Prints TAP."""

import argparse
import concurrent.futures
import sys
import threading
import time
import traceback

from crash_lab import BROKEN, CrashLab
from scenarios import SCENARIOS
from storage_lab import ApiError


def forward_points(steps):
    middle = [f"{step}/{when}" for step in steps for when in ("before", "after")]
    return ["begin/before", *middle, "end/before", "end/after"]


def undo_points(steps, failing):
    undone = reversed(steps[:steps.index(failing) + 1])
    middle = [f"{step}/{when}" for step in undone for when in ("undo", "undone")]
    return [*middle, "end/undo", "end/undone"]


class Report:
    def __init__(self):
        self.lock = threading.Lock()
        self.count = self.failures = 0

    def add(self, name, problem, seconds):
        with self.lock:
            self.count += 1
            self.failures += 1 if problem else 0
            print(f"{'not ok' if problem else 'ok'} {self.count} {name} ({seconds:.1f} s)")
            for line in (problem or "").splitlines():
                print(f"#   {line}")
            sys.stdout.flush()


def run_case(lab, scenario, point, fault):
    refusal = None
    scenario.prepare(lab)
    if fault:
        scenario.faults[fault](lab)
    lab.manager.crash_at(f"operation/{scenario.kind}/{point}")
    try:
        scenario.begin(lab)
    except BROKEN:
        pass
    except ApiError as error:
        refusal = error
    if not lab.wait_death(scenario.drive):
        raise AssertionError(f"the manager has not come to {point}; it said {refusal}")
    lab.revive()
    lab.settle(scenario.drive)
    if fault and lab.host.faults.left():
        raise AssertionError(f"faults were not met: {lab.host.faults.left()}")
    scenario.check(lab, not fault)


def cases_of(scenario, steps):
    yield from ((point, None) for point in forward_points(steps))
    for fault in scenario.faults:
        yield from ((point, fault) for point in undo_points(steps, fault))


def case_name(scenario, point, fault):
    return f"{scenario.kind}/{scenario.name}/{point}" + (f" when {fault} fails" if fault else "")


def run_scenario(scenario, wanted, report):
    lab = None
    try:
        steps = None
        for point, fault in cases_of(scenario, run_scenario.kinds[scenario.kind]):
            name = case_name(scenario, point, fault)
            if not wanted(name):
                continue
            started = time.monotonic()
            problem = None
            try:
                if not lab:
                    lab = CrashLab(scenario.local, scenario.host_count)
                    scenario.setup(lab)
                run_case(lab, scenario, point, fault)
            except Exception:
                problem = traceback.format_exc()
                if lab:
                    problem += lab.manager.log()[-3000:]
            report.add(name, problem, time.monotonic() - started)
            if problem and lab:  # nobody knows what is left in it
                lab, old = None, lab
                old.close()
        del steps
    finally:
        if lab:
            lab.close()


def all_kinds():
    lab = CrashLab(host_count=0)
    try:
        return lab.operation_kinds
    finally:
        lab.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all scenarios")
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    report = Report()
    kinds = run_scenario.kinds = all_kinds()

    def wanted(name):
        return not arguments.names or any(name.startswith(start) for start in arguments.names)

    for kind in sorted({*kinds, *(scenario.kind for scenario in SCENARIOS)}):
        known = [scenario for scenario in SCENARIOS if scenario.kind == kind]
        problem = None if known and kind in kinds else \
            f"{kind} has no scenario in scenarios.py" if not known else f"there is no kind {kind}"
        report.add(f"{kind} has scenarios", problem, 0)
    chosen = [scenario for scenario in SCENARIOS if scenario.kind in kinds and
              (scenario.quick or arguments.full or arguments.names)]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for future in [pool.submit(run_scenario, one, wanted, report) for one in chosen]:
            future.result()
    print(f"1..{report.count}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
