"""``earmark run``: listen, and publish who speaks, until told to stop."""

from __future__ import annotations

import argparse
import os
import resource
from dataclasses import replace

from edge import settings as configuration
from edge.cli.options import add_model, add_place
from edge.daemon import Service
from edge.daemon.logs import configure
from edge.settings import Settings

DESCRIPTION = """Listen to a microphone (or to recordings) and publish who speaks over MQTT.

Runs until SIGTERM or Ctrl-C; SIGHUP reads the settings again. `earmark deploy unit` prints a systemd unit for it."""

EXAMPLES = """earmark run                                      with /etc/earmark/earmark.yaml, if there is one
earmark run --config kitchen.yaml
earmark run --source "mic:USB Audio"
earmark run --source evening.flac --no-mqtt      a recording at its own pace, log only
earmark run --source evening.flac --fast         as fast as this machine can"""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--source", metavar="SOURCE", help="mic, mic:NAME, a file, a folder, or - for standard input")
    parser.add_argument("--fast", action="store_true", help="do not wait for the time that a recording takes")
    parser.add_argument("--no-mqtt", action="store_true", help="publish nowhere")
    parser.add_argument("--log-format", choices=("text", "json"), help="how the log is written")
    add_place(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Run the service."""
    # A core dump would hold the broker's password and everybody's voiceprint.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def load() -> Settings:
        settings = _with_arguments(configuration.load(args.config), args)
        configure(settings.log)
        return settings

    folder = configuration.state_dir(load(), override=args.state, environ=os.environ)
    return Service(load, folder, realtime=not args.fast).run()


def _with_arguments(settings: Settings, args: argparse.Namespace) -> Settings:
    """What the command line says wins over the file."""
    if args.source:
        settings = replace(settings, audio=replace(settings.audio, source=args.source))
    if args.no_mqtt:
        settings = replace(settings, mqtt=replace(settings.mqtt, enabled=False))
    if args.log_format:
        settings = replace(settings, log=replace(settings.log, format=args.log_format))
    if args.bundle:
        settings = replace(settings, models=replace(settings.models, bundle=args.bundle))
    if args.profile:
        settings = replace(settings, decide=replace(settings.decide, profile=args.profile, threshold=None))
    return settings
