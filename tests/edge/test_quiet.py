"""The standard error while C libraries are hushed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def program(text: str) -> tuple[str, str]:
    """Run it; its standard error and output."""
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stderr, done.stdout


def test_a_line_logged_while_a_library_is_hushed_arrives() -> None:
    err, _ = program(
        "import logging, os\nfrom edge.daemon.logs import configure\nfrom edge.quiet import quiet_stderr\n"
        "from edge.settings import Log\nconfigure(Log())\n"
        "with quiet_stderr():\n    os.write(2, b'ALSA lib: noise\\n')\n    logging.info('reloaded')\n"
    )
    assert err == "info root: reloaded\n"


def test_a_reload_in_that_moment_keeps_the_log_where_it_was() -> None:
    err, _ = program(
        "import logging\nfrom edge.daemon.logs import configure\nfrom edge.quiet import quiet_stderr\n"
        "from edge.settings import Log\nconfigure(Log())\n"
        "with quiet_stderr():\n    configure(Log())\nlogging.info('still here')\n"
    )
    assert err == "info root: still here\n"


def test_two_that_hush_at_the_same_time_leave_the_standard_error_as_it_was() -> None:
    err, _ = program(
        "import os, threading, time\nfrom edge.quiet import quiet_stderr\n"
        "def hush(seconds):\n    with quiet_stderr():\n        time.sleep(seconds)\n"
        "threads = [threading.Thread(target=hush, args=(s,)) for s in (0.2, 0.05, 0.1)]\n"
        "[t.start() for t in threads]\n[t.join() for t in threads]\nos.write(2, b'still here\\n')\n"
    )
    assert err == "still here\n"


def test_only_known_chatter_is_kept_away_where_it_is_known() -> None:
    err, _ = program(
        "import os\nfrom edge.quiet import quiet_stderr\n"
        "with quiet_stderr(b'INFO: '):\n    os.write(2, b'INFO: made\\nERROR: real\\n')\n"
    )
    assert err == "ERROR: real\n"


def test_a_stream_that_cannot_be_flushed_does_not_keep_the_standard_error_away() -> None:
    err, _ = program(
        "import os, sys\nfrom edge.quiet import quiet_stderr\n"
        "class Full:\n    def flush(self):\n        raise OSError(28, 'full')\n"
        "real, sys.stderr = sys.stderr, Full()\n"
        "with quiet_stderr():\n    os.write(2, b'noise\\n')\nsys.stderr = real\nos.write(2, b'still here\\n')\n"
    )
    assert err == "still here\n"


def test_a_child_does_not_wait_for_a_thread_that_it_does_not_have() -> None:
    _, out = program(
        "import os, threading\nfrom edge.quiet import quiet_stderr\n"
        "held, done = threading.Event(), threading.Event()\n"
        "def open_a_microphone():\n    with quiet_stderr():\n        held.set()\n        done.wait()\n"
        "thread = threading.Thread(target=open_a_microphone)\nthread.start()\nheld.wait()\n"
        "pid = os.fork()\n"
        "if not pid:\n    import faulthandler\n    faulthandler.dump_traceback_later(60, exit=True)\n"
        "    with quiet_stderr():\n        os._exit(5)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\ndone.set()\nthread.join()\n"
    )
    assert out == "5\n"
