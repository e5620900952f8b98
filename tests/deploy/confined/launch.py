"""Run a program under what a unit forbids, as far as no root is needed: ``launch.py UNIT PROGRAM ARGUMENT...``

Takes: a unit file. Gives: its place to the program. Must hold: applies ``NoNewPrivileges``, ``SystemCallFilter`` (with
the sets of this very systemd), ``RestrictAddressFamilies``, ``RestrictNamespaces``, ``MemoryDenyWriteExecute`` (by
``PR_SET_MDWE``, as newer versions of systemd do) and ``LimitCORE`` of the unit; ends with 125 where the system cannot.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import resource
import socket
import subprocess
import sys
from pathlib import Path

CANNOT = 125
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
"""SCMP_ACT_ALLOW; SCMP_ACT_ERRNO, to which the number of the error is added."""
EQUAL, MASKED = 4, 7
"""SCMP_CMP_EQ; SCMP_CMP_MASKED_EQ."""
NEW_NAMESPACES = 0x7E020000
"""All CLONE_NEW... flags of clone() and unshare() but time."""
SET_NO_NEW_PRIVS, SET_MDWE = 38, 65
FAMILIES = 64


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class Filter:
    """A seccomp filter. ``usual``: what is done with a call that no rule is about."""

    def __init__(self, usual: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._usual = usual
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(usual)))
        if not self._context:
            stop("seccomp has no filter to give")

    def rule(self, action: int, name: str, *comparisons: Comparison) -> None:
        """``action`` for the call ``name``, where all ``comparisons`` hold; nothing for one that this machine lacks."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0 or action == self._usual:
            return
        listed = (Comparison * len(comparisons))(*comparisons)
        code = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), ctypes.c_int(number), ctypes.c_uint(len(comparisons)), listed
        )
        if code:
            stop(f"no rule about {name}: {os.strerror(-code)}")

    def load(self) -> None:
        """From now on."""
        code = self._library.seccomp_load(self._context)
        if code:
            stop(f"seccomp: {os.strerror(-code)}")


def stop(why: str) -> None:
    """This machine cannot confine."""
    sys.stderr.write(f"launch: {why}\n")
    raise SystemExit(CANNOT)


def members(name: str) -> set[str]:
    """The calls of a set of systemd's, such as @system-service, without those that it says are not in use."""
    if not name.startswith("@"):
        return {name}
    told = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
    words = [line.strip() for line in told.stdout.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(members(word) for word in words))


def allowed_calls(unit: str) -> set[str]:
    """What is left of all lines of SystemCallFilter; @default is always in."""
    allowed = members("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        listed = set().union(*(members(word) for word in line.removeprefix("~").split()))
        allowed = allowed - listed if line.startswith("~") else allowed | listed
    return allowed


def value(unit: str, key: str) -> str:
    """The last value of a key."""
    found = re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)
    return found[-1] if found else ""


def control(option: int, argument: int) -> None:
    """prctl."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0):
        stop(f"prctl({option}): {os.strerror(ctypes.get_errno())}")


def confine(unit: str) -> None:
    """Apply it to this process."""
    calls = Filter(REFUSE | getattr(errno, value(unit, "SystemCallErrorNumber")))
    for name in sorted(allowed_calls(unit)):
        calls.rule(ALLOW, name)
    families = Filter(ALLOW)
    known = {int(getattr(socket, name)) for name in value(unit, "RestrictAddressFamilies").split()}
    for family in set(range(FAMILIES)) - known:
        families.rule(REFUSE | errno.EAFNOSUPPORT, "socket", Comparison(0, EQUAL, family, 0))
    namespaces = Filter(ALLOW)
    if value(unit, "RestrictNamespaces") == "yes":
        namespaces.rule(REFUSE | errno.EPERM, "setns")
        # Its flags lie in memory, where no filter looks: whoever wants it is sent back to clone.
        namespaces.rule(REFUSE | errno.ENOSYS, "clone3")
        for bit in (1 << n for n in range(32) if NEW_NAMESPACES & 1 << n):
            for name in ("clone", "unshare"):
                namespaces.rule(REFUSE | errno.EPERM, name, Comparison(0, MASKED, bit, bit))
    resource.setrlimit(resource.RLIMIT_CORE, (int(value(unit, "LimitCORE")),) * 2)
    control(SET_NO_NEW_PRIVS, 1)
    if value(unit, "MemoryDenyWriteExecute") == "yes":
        control(SET_MDWE, 1)
    # The narrowest last: it would refuse the loading of another.
    for one in (families, namespaces, calls):
        one.load()


if __name__ == "__main__":
    confine(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.execvp(sys.argv[2], sys.argv[2:])
