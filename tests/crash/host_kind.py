"""A kind of request to a real host, and how its rows are written; see host_kinds.py."""

import dataclasses
import typing

from crash_control import Point


@dataclasses.dataclass
class Kind:
    name: str
    prepare: typing.Callable
    begin: typing.Callable
    state: typing.Callable
    points: tuple = ()
    refusals: tuple = ()  # HTTP codes that whoever asked may get when somebody died
    undone: bool = False  # a request that was accepted may end as if it had never been made
    is_up: bool = True  # the host is, before and afterwards


def agent(when, name, number=1, again=0):
    return Point("agent", when, number, name, again=again)


def libvirtd(when, name, delay_ms=30):
    return Point("libvirtd", when, 1, name, delay_ms)


def one_of(value, done, before):
    if value in done:
        return True
    if value in before:
        return False
    raise AssertionError(f"it is {value}, neither {done} nor {before}")


# Whoever waits for the answer of a host that dies is told that it did not come.
SILENT = (409, 503)
