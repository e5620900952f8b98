"""Runs in the place of the daemon, under its unit, and tries everything: `probe.py FILE` writes what it found as JSON.

Takes nothing but Python's standard library. Each attempt gives ``ok`` or the name of the error.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

C = ctypes.CDLL(None, use_errno=True)
INIT_MODULE = {"x86_64": 175, "aarch64": 105}
PATIENCE = 5_000
"""Folders that are looked at."""


def attempt(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


def call(name: str, *arguments: object) -> Callable[[], None]:
    def run() -> None:
        if getattr(C, name)(*arguments) == -1:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return run


def writable_folders() -> list[str]:
    """Where a file could be made: folders of all mounts, breadth first."""
    found, queue, seen = [], ["/"], 0
    while queue and seen < PATIENCE:
        path = queue.pop(0)
        seen += 1
        if os.access(path, os.W_OK):
            name = Path(path) / f".probe-{os.getpid()}"
            if attempt(partial(name.touch, exist_ok=False)) == "ok":
                name.unlink()
                found.append(path)
        if path.startswith(("/proc/", "/sys/", "/usr/")) or path.count("/") > 3:
            continue
        try:
            with os.scandir(path) as entries:
                queue += [one.path for one in entries if one.is_dir(follow_symlinks=False)]
        except OSError:
            continue
    return found


def opened(path: str, flags: int) -> str:
    return attempt(lambda: os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)))


def openable_devices() -> list[str]:
    """Device nodes that can be opened."""
    found = []
    for folder, _, names in os.walk("/dev"):
        for name in names:
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and opened(str(path), os.O_RDWR) == "ok":
                found.append(str(path))
    return found


def run_from(folder: str) -> str:
    path = Path(folder) / "probe.sh"
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o700)
    try:
        return attempt(lambda: os.posix_spawn(str(path), [str(path)], {}))
    finally:
        path.unlink()


def send(address: str) -> Callable[[], object]:
    def run() -> None:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", (address, 9))

    return run


def make_setuid(folder: str) -> str:
    path = Path(folder) / "setuid"
    path.touch()
    try:
        return attempt(lambda: path.chmod(0o4755))
    finally:
        path.unlink()


def executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def become_executable() -> None:
    page = mmap.mmap(-1, 4096)
    call("mprotect", ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page))), 4096, 5)()


def main() -> None:
    state = os.environ["STATE_DIRECTORY"]
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    given = Path(os.environ["CREDENTIALS_DIRECTORY"])
    families = {"netlink": socket.AF_NETLINK, "packet": socket.AF_PACKET, "bluetooth": 31, "vsock": 40}
    found = {
        "uid": os.getuid(),
        "status": {key: status[key] for key in ("CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")},
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "writable": writable_folders(),
        "devices": openable_devices(),
        "sound": opened("/run/devices/sound", os.O_RDONLY),
        "input": opened("/run/devices/input", os.O_RDONLY),
        "credentials": {one.name: [oct(one.stat().st_mode & 0o777), one.stat().st_size] for one in given.iterdir()},
        "secret file": attempt(lambda: Path("/etc/earmark/mqtt-password").read_bytes()),
        "homes": {home: attempt(partial(os.scandir, home)) for home in ("/root", "/home")},
        "processes": [one.name for one in os.scandir("/proc") if one.name.isdigit()] == [str(os.getpid())],
        "families": {
            name: attempt(partial(socket.socket, family, socket.SOCK_RAW)) for name, family in families.items()
        },
        "send": {one: attempt(send(one)) for one in ("127.0.0.1", "192.0.2.1", "8.8.8.8", "2001:db8::1")},
        "run": {one: run_from(one) for one in (state, "/tmp")},
        "setuid": make_setuid(state),
        "calls": {
            "writable and executable memory": attempt(executable_memory),
            "memory made executable": attempt(become_executable),
            "namespace": attempt(call("unshare", 0x10000000)),
            "mount": attempt(call("mount", b"none", b"/tmp", b"tmpfs", 0, None)),
            "personality": attempt(call("personality", 0x0040000)),
            "trace": attempt(call("ptrace", 0, 0, 0, 0)),
            "module": attempt(call("syscall", INIT_MODULE[os.uname().machine], None, 0, b"")),
            "clock": attempt(lambda: __import__("time").clock_settime(0, 0)),
            "host name": attempt(lambda: socket.sethostname("x")),
            "real time": attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
            "reboot": attempt(call("reboot", 0)),
        },
    }
    Path(sys.argv[1]).write_text(json.dumps(found))


main()
