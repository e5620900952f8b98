#!/opt/earmark/bin/python -IS
"""Asks the Earmark daemon whether the voice at the microphone is that of the user who logs in; for ``pam_exec``.

Takes ``PAM_USER``, ``PAM_TYPE`` and ``PAM_RHOST``, and the options below. Gives exit code 0 for yes and 1 for
everything else. Must hold: it fails closed, whatever is odd (files that others could have changed, answers that are not
exactly a yes, a login over the network); it ends within ``--limit`` seconds; it prints digits, two fixed sentences, and
nothing else. It needs Python's standard library only, and it stands alone.

  --people FILE    who is who (/etc/earmark/pam-people); only root may be able to write it
  --socket PATH    of the daemon (/run/earmark/control.sock)
  --limit SECONDS  for everything (25; 5 to 60)
  --no-challenge   take any sentence, not only digits drawn now: whoever talks in the room then answers for a login
  --remote         also for logins over the network
  --else-run PATH  where no daemon runs: this `earmark`, with --state FOLDER and --account NAME to run it as
"""

import argparse
import contextlib
import json
import os
import pwd
import re
import secrets
import signal
import socket
import stat
import struct
import subprocess
import sys
import syslog
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

SAY_SENTENCE = "Say a sentence."
NO = "The voice check did not pass."
LOCAL = {"", "localhost", "127.0.0.1", "::1"}
MOST_BYTES = 65_536
SPARE_SECONDS = 4.0
"""Of the limit, kept for everything but listening."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Refused(Exception):
    """Why nobody passes; a word or a few for the log."""


class NoDaemon(Exception):
    """Nobody serves the socket."""


def main(argv: list[str]) -> NoReturn:
    """Exit with 0 or 1, and in time."""
    passed = False
    with contextlib.suppress(BaseException):
        _hide_errors()
        options = _options(argv)
        deadline = time.monotonic() + options.limit
        passed = _within(options.limit, lambda: _log_in(options, deadline))
    if not passed:
        _say(NO)
    os._exit(0 if passed else 1)


def _within(seconds: float, work: Callable[[], bool]) -> bool:
    """Whether ``work`` came to True in time. It runs in a process of its own, so that nothing it waits for (a name that
    a network has to tell, say) can make this one wait; everything it has started ends with it.
    """
    # Whoever started us may ignore it, and then nobody would hear of the child's end.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            os._exit(0 if work() is True else 1)
        finally:
            os._exit(1)
    signal.sigtimedwait({signal.SIGCHLD}, seconds)
    ended, status = os.waitpid(child, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return ended == child and status == 0


def _log_in(options: argparse.Namespace, deadline: float) -> bool:
    """Decide, and tell the log."""
    user = "?"
    syslog.openlog("earmark-pam", 0, syslog.LOG_AUTHPRIV)
    try:
        user = _user(options)
        decide(user, options, deadline)
    except Refused as refused:
        _log(f"{user}: refused: {refused}")
    except BaseException as error:  # also what nobody thought of
        _log(f"{user}: refused: {type(error).__name__}")
    else:
        _log(f"{user}: voice matches")
        return True
    return False


def decide(user: str, options: argparse.Namespace, deadline: float) -> None:
    """Return where the voice matches. Raises ``Refused`` otherwise."""
    person = person_of(user, options.people)
    seconds = max(1.0, deadline - time.monotonic() - SPARE_SECONDS)
    try:
        ask_daemon(person, options, seconds, deadline)
    except NoDaemon:
        if not options.else_run:
            raise Refused("no daemon") from None
        run_verify(person, options, seconds, deadline)


def ask_daemon(person: str, options: argparse.Namespace, seconds: float, deadline: float) -> None:
    """Return where the daemon says yes. Raises ``Refused``, or ``NoDaemon``."""
    with contextlib.closing(_connected(options.socket)) as connection:
        lines = _lines(connection, deadline)
        status = _answer(connection, lines, {"op": "status"}).get("status")
        if not isinstance(status, dict) or status.get("live") is not True or status.get("listening") is not True:
            raise Refused("the daemon listens to no microphone")
        request = {"op": "verify", "person": person, "challenge": options.challenge, "requester": "pam"}
        answer = _answer(connection, lines, {**request, "timeout": round(seconds, 1)})
    attempt = answer.get("attempt")
    if answer.get("exit_code") != 0:
        raise Refused(_word(answer, attempt))
    _check_yes(answer, attempt, options.challenge)


def _check_yes(answer: dict[str, Any], attempt: Any, challenge: bool) -> None:
    """Raise ``Refused`` unless everything in the answer says yes."""
    if type(answer.get("exit_code")) is not int or answer.get("event") != "result" or answer.get("op") != "verify":
        raise Refused("odd answer")
    if not isinstance(attempt, dict) or attempt.get("match") is not True:
        raise Refused("odd answer")
    if challenge:
        digits = attempt.get("challenge")
        if not isinstance(digits, dict) or digits.get("said_right") is not True:
            raise Refused("odd answer")


def _answer(connection: socket.socket, lines: Iterator[bytes], body: dict[str, Any]) -> dict[str, Any]:
    """Send a request; the line that ends it. What comes before it are digits to show."""
    identity = secrets.token_hex(8)
    connection.sendall(json.dumps({"id": identity, **body}).encode("ascii") + b"\n")
    for line in lines:
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            raise Refused("odd answer") from None
        if not isinstance(told, dict) or told.get("id") != identity:
            raise Refused(_word(told, None))
        if told.get("event") != "progress":
            return told
        if told.get("stage") == "challenge":
            _say(f"Say: {_digits(told.get('digits'))}")
        elif told.get("stage") == "listening" and body.get("challenge") is False:
            _say(SAY_SENTENCE)
    raise Refused("the daemon hung up")


def _digits(told: Any) -> str:
    if not isinstance(told, list) or not 4 <= len(told) <= 8:
        raise Refused("odd digits")
    if any(type(digit) is not int or not 0 <= digit <= 9 for digit in told):
        raise Refused("odd digits")
    return " ".join(str(digit) for digit in told)


def _lines(connection: socket.socket, deadline: float) -> Iterator[bytes]:
    kept, total = b"", 0
    while total <= MOST_BYTES:
        line, found, rest = kept.partition(b"\n")
        if found:
            kept = rest
            yield line
            continue
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        data = connection.recv(4096)
        if not data:
            return
        kept += data
        total += len(data)


def _connected(path: str) -> socket.socket:
    """A connection to the daemon, and to nobody who only sits in its place. Raises ``NoDaemon`` or ``Refused``."""
    folder = str(Path(path).parent)
    try:
        _check_above(folder)
        there, sock = os.lstat(folder), os.lstat(path)
    except FileNotFoundError:
        raise NoDaemon from None
    if not stat.S_ISDIR(there.st_mode) or there.st_mode & _OTHERS_WRITE or not stat.S_ISSOCK(sock.st_mode):
        raise Refused("others may write where the socket is")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(2.0)
        connection.connect(path)
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except (ConnectionRefusedError, FileNotFoundError):
        connection.close()
        raise NoDaemon from None
    if struct.unpack("iII", raw)[1] not in {0, there.st_uid}:
        connection.close()
        raise Refused("another account serves the socket")
    return connection


def run_verify(person: str, options: argparse.Namespace, seconds: float, deadline: float) -> None:
    """Return where `earmark verify` ends with 0. Raises ``Refused``."""
    _check_file(options.else_run, os.lstat(options.else_run))
    command = [options.else_run, "verify", "--json", "--quiet", "--timeout", f"{seconds:.1f}"]
    command += ["--challenge"] if options.challenge else []
    command += ["--state", options.state] if options.state else []
    # Under its own name only: nothing that a user can set reaches it, and no name is taken for an option.
    account: dict[str, Any] = {}
    if options.account:
        entry = pwd.getpwnam(options.account)
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
        account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
    process = subprocess.Popen(
        [*command, "--", person],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8"},
        cwd="/",
        **account,
    )
    if not options.challenge:
        _say(SAY_SENTENCE)
    assert process.stderr is not None
    for number, line in enumerate(process.stderr):
        found = re.fullmatch(rb"Say: ([0-9](?: [0-9]){3,7})\s*", line[:100])
        if found and number < 100:
            _say(f"Say: {found[1].decode('ascii')}")
    code = process.wait(max(0.1, deadline - time.monotonic()))
    if code != 0:
        raise Refused(f"earmark verify ended with {code}")


def person_of(user: str, path: str) -> str:
    """The person that the file names for a Unix user. Raises ``Refused`` where it names none, or cannot be trusted."""
    try:
        _check_above(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        _check_file(path, os.fstat(file.fileno()))
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise Refused(f"{path} is too long")
    people: dict[str, str] = {}
    for number, line in enumerate(text.decode("utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"([a-z_][a-z0-9_.-]{0,31}): +(\S(?:.{0,200}\S)?)", line)
        if found is None or not found[2].isprintable() or found[1] in people:
            raise Refused(f"{path}: line {number} is odd")
        people[found[1]] = found[2]
    if user not in people:
        raise Refused("not in the list of people")
    return people[user]


def _check_above(path: str) -> None:
    """Raise ``Refused`` unless every folder above ``path`` is root's, and nobody else may write there."""
    if not re.match("/(?!/)", path) or os.path.normpath(path) != path:
        raise Refused(f"{path} is no plain absolute path")
    for above in Path(path).parents:
        status = above.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & _OTHERS_WRITE:
            raise Refused(f"{above}: others than root may write there")


def _check_file(path: str, status: os.stat_result) -> None:
    _check_above(path)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != 0 or status.st_mode & _OTHERS_WRITE:
        raise Refused(f"{path}: others than root may write it")


def _user(options: argparse.Namespace) -> str:
    """The user who logs in. Raises ``Refused`` where this is no such moment."""
    if os.getuid() != 0 or os.geteuid() != 0:
        # As the user it could be changed by that user while it runs.
        raise Refused("not run as root: pam_exec needs `seteuid`")
    if os.environ.get("PAM_TYPE") != "auth":
        raise Refused("not called by an auth line of PAM")
    if os.environ.get("PAM_RHOST", "") not in LOCAL and not options.remote:
        raise Refused("a login over the network")
    user = os.environ.get("PAM_USER", "")
    if not re.fullmatch(r"[a-z_][a-z0-9_.-]{0,31}", user):
        raise Refused("odd user name")
    return user


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--people", default="/etc/earmark/pam-people")
    parser.add_argument("--socket", default="/run/earmark/control.sock")
    parser.add_argument("--limit", type=float, default=25.0)
    parser.add_argument("--no-challenge", dest="challenge", action="store_false")
    parser.add_argument("--remote", action="store_true")
    parser.add_argument("--else-run", default="")
    parser.add_argument("--state", default="")
    parser.add_argument("--account", default="")
    options = parser.parse_args(argv)
    if not 5 <= options.limit <= 60:
        raise Refused("--limit must be 5 to 60 seconds")
    return options


def _hide_errors() -> None:
    """What Python itself might print is nobody's business at a login."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _word(answer: Any, attempt: Any) -> str:
    """A word for the log, made of what a daemon said: letters only, in case it is none."""
    error = answer.get("error") if isinstance(answer, dict) else None
    told = error.get("code") if isinstance(error, dict) else attempt.get("reason") if isinstance(attempt, dict) else ""
    return told if isinstance(told, str) and re.fullmatch(r"[a-z_]{1,32}", told) else "odd answer"


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(1, text.encode("ascii") + b"\n")


def _log(text: str) -> None:
    with contextlib.suppress(Exception):
        syslog.syslog(syslog.LOG_NOTICE, re.sub(r"[^ -~]", "?", text)[:300])


if __name__ == "__main__":
    main(sys.argv[1:])
