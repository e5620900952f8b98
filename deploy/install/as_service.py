"""What `sudo earmark` is: the program as the service's account, on the service's people, with their key.

Takes arguments. Becomes the program. Must hold: nothing in the state folder becomes root's; where systemd gives the
service the key of its voiceprints, the program has it as well.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence
from typing import Final

from deploy.install.faults import EXIT_ENVIRONMENT, InstallFault
from deploy.install.layout import CURRENT, Layout
from deploy.install.service import ACCOUNT
from deploy.install.service_key import VARIABLE, open_key

_STATE: Final = "/var/lib/earmark"


def main(words: Sequence[str]) -> int:
    """Does not return where all is well; else the exit code."""
    layout = Layout()
    try:
        account = pwd.getpwnam(ACCOUNT)
        key = open_key(layout)
    except KeyError:
        print(f"There is no account {ACCOUNT}. Make it with: sudo earmark deploy install", file=sys.stderr)
        return EXIT_ENVIRONMENT
    except InstallFault as fault:
        print(fault.sentence(), file=sys.stderr)
        return EXIT_ENVIRONMENT
    environ = dict(os.environ) | {"HOME": _STATE, "EARMARK_STATE": _STATE}
    if key is not None:
        environ[VARIABLE] = str(key)
    os.initgroups(ACCOUNT, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    program = layout.prefix / CURRENT / "bin" / "earmark"
    os.execve(program, [str(program), *words], environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
