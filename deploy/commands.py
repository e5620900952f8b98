"""``earmark deploy``: print what a Pi needs around the daemon, and install, upgrade or remove it.

Takes: arguments. Gives: a text on standard output and an exit code. Must hold: only the words of ``deploy.install``
change anything; the others print.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.access import acl
from deploy.install import arguments as installer
from deploy.pam import files as pam
from deploy.snippets import asound, udev_rule
from deploy.units import template, unit
from edge.errors import EXIT_OK
from edge.settings import Settings, load

SYSTEM_CONFIG: Final = "/etc/earmark/earmark.yaml"

EXAMPLES: Final = """examples:
  earmark deploy unit | sudo tee /etc/systemd/system/earmark.service
  earmark deploy unit --prefix /srv/earmark --user earmark
  earmark deploy sample-config | sudo tee /etc/earmark/earmark.yaml
  earmark deploy udev --vendor 2886 --product 0018 | sudo tee /etc/udev/rules.d/85-earmark-microphone.rules
  earmark deploy asound | sudo tee -a /etc/asound.conf
  earmark deploy acl --user earmark-kitchen --node kitchen | sudo tee -a /etc/mosquitto/acl
  earmark deploy pam-helper | sudo install -D -m 755 /dev/stdin /usr/local/lib/earmark/earmark-pam
  earmark deploy pam-people | sudo install -m 644 /dev/stdin /etc/earmark/pam-people
  earmark deploy pam-service
  sudo earmark deploy upgrade earmark-0.2.0-arm64.pyz
  sudo earmark deploy rollback
  sudo earmark deploy uninstall
"""


def deploy(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark deploy`` with the arguments after ``deploy``; gives the exit code.

    Raises ``EarmarkError``, which the command line turns into a sentence and an exit code.
    """
    options = parser().parse_args(argv)
    if hasattr(options, "act"):
        code: int = options.act(options)
        return code
    sys.stdout.write(options.make(options))
    return EXIT_OK


def make_unit(options: argparse.Namespace) -> str:
    """``earmark deploy unit``. It may be made before the settings are written, or for another machine."""
    path = config_path(options)
    settings = load(path) if path is None or path.exists() else Settings()
    where = {"prefix": options.prefix, "config": options.config or SYSTEM_CONFIG, "user": options.user}
    return unit(settings, **where, encrypted=options.encrypted)


def make_sample(_: argparse.Namespace) -> str:
    """``earmark deploy sample-config``."""
    return template("earmark.example.yaml")


def make_udev(options: argparse.Namespace) -> str:
    """``earmark deploy udev``."""
    which = {"vendor": options.vendor, "product": options.product, "serial": options.serial, "port": options.port}
    return udev_rule(**which, name=options.name)


def make_asound(options: argparse.Namespace) -> str:
    """``earmark deploy asound``."""
    return asound(options.name)


def make_acl(options: argparse.Namespace) -> str:
    """``earmark deploy acl``. What is given as an option goes in as environment, so that the settings check it."""
    given = {"EARMARK_MQTT__USERNAME": options.user, "EARMARK_NODE__NAME": options.node}
    return acl(load(config_path(options), {**os.environ, **{key: value for key, value in given.items() if value}}))


def make_pam_helper(options: argparse.Namespace) -> str:
    """``earmark deploy pam-helper``."""
    return pam.helper(options.prefix)


def make_pam_service(options: argparse.Namespace) -> str:
    """``earmark deploy pam-service``."""
    return pam.service(options.helper, options.limit)


def make_pam_people(_: argparse.Namespace) -> str:
    """``earmark deploy pam-people``."""
    return pam.people()


def config_path(options: argparse.Namespace) -> Path | None:
    """The file that ``--config`` names, if any."""
    return Path(options.config) if options.config else None


def parser() -> argparse.ArgumentParser:
    """The arguments after ``earmark deploy``."""
    top = argparse.ArgumentParser(
        prog="earmark deploy",
        description="Install, upgrade or remove Earmark on this machine, or print what a Pi needs around the daemon.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = top.add_subparsers(dest="what", required=True, metavar="WHAT")
    installer.add_words(words)

    word = words.add_parser("unit", help="the hardened systemd service")
    word.add_argument(
        "--prefix", default="/opt/earmark/current", help="virtual environment with bin/earmark (%(default)s)"
    )
    word.add_argument("--user", default="", help="existing account; without it systemd makes one for the run")
    word.add_argument("--encrypted", action="store_true", help="secrets are files made by `systemd-creds encrypt`")
    add_config(word)
    word.set_defaults(make=make_unit)

    word = words.add_parser("sample-config", help="a settings file with every key and its default")
    word.set_defaults(make=make_sample)

    word = words.add_parser("udev", help="a rule that gives a USB microphone a lasting name")
    word.add_argument("--vendor", required=True, help="four hex digits, from lsusb")
    word.add_argument("--product", required=True, help="four hex digits, from lsusb")
    word.add_argument("--serial", default="", help="tells two microphones of the same kind apart")
    word.add_argument("--port", default="", help="so does the port, such as 1-1.3 (earmark deploy microphones)")
    add_name(word)
    word.set_defaults(make=make_udev)

    word = words.add_parser("asound", help="the ALSA device for the microphone that `udev` has named")
    add_name(word)
    word.set_defaults(make=make_asound)

    word = words.add_parser("acl", help="the rights that the device needs at a mosquitto broker")
    word.add_argument("--user", default="", help="account at the broker (mqtt.username)")
    word.add_argument(
        "--node", default="", help="name of the device (node.name), or of the node of `earmark wyoming`: NAME-assistant"
    )
    add_config(word)
    word.set_defaults(make=make_acl)

    word = words.add_parser("pam-helper", help="the program that asks for a voice at a login (docs/deployment.md)")
    word.add_argument(
        "--prefix", default="/opt/earmark/current", help="virtual environment with bin/python (%(default)s)"
    )
    word.set_defaults(make=make_pam_helper)

    word = words.add_parser("pam-service", help="its line for a file of /etc/pam.d, as a second factor")
    word.add_argument("--helper", default=pam.HELPER, help="where the program lies (%(default)s)")
    word.add_argument("--limit", type=int, default=pam.USUAL_SECONDS, help="seconds for everything (%(default)s)")
    word.set_defaults(make=make_pam_service)

    word = words.add_parser("pam-people", help="the beginning of /etc/earmark/pam-people: which user is which person")
    word.set_defaults(make=make_pam_people)
    return top


def add_config(word: argparse.ArgumentParser) -> None:
    """The option that names the settings file."""
    word.add_argument("--config", help=f"settings file of the daemon ({SYSTEM_CONFIG})")


def add_name(word: argparse.ArgumentParser) -> None:
    """The option that names the microphone."""
    word.add_argument("--name", default="earmark", help="the microphone's name for ALSA (%(default)s)")
