"""``python3 -m deploy.install``, and what a kit runs."""

import sys

if sys.hexversion < 0x030B0000:  # before anything that an older Python could not read
    sys.exit(
        "Earmark needs Python 3.11 or newer, and this is {}.{}. Use Raspberry Pi OS 12 (bookworm) or newer.".format(
            *sys.version_info[:2]
        )
    )

from deploy.install.arguments import main

sys.exit(main())
