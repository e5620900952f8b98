"""/proc/asound as the kernel writes it for a Pi with a USB microphone."""

from __future__ import annotations

from pathlib import Path

_CARDS = """\
 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
 1 [Device         ]: USB-Audio - USB PnP Sound Device
                      C-Media Electronics Inc. USB PnP Sound Device at usb-3f980000.usb-1.3, full speed
"""
_INFO = """\
card: 1
device: 0
subdevice: 0
stream: CAPTURE
id: USB Audio
name: USB Audio
subname: subdevice #0
class: 0
subclass: 0
subdevices_count: 1
subdevices_avail: {available}
"""
_RUNNING = """\
state: RUNNING
owner_pid   : {holder}
trigger_time: 1795.112034556
tstamp      : 0.000000000
delay       : 320
avail       : 320
avail_max   : 640
-----
hw_ptr      : 640
appl_ptr    : 320
"""


def sound_cards(proc: Path, holder: int | None) -> None:
    """``holder``: number of the process that records, None for nobody."""
    (proc / "cards").write_text(_CARDS)
    for place in ("card0/pcm0p/sub0", "card1/pcm0p/sub0", "card1/pcm0c/sub0"):
        (proc / place).mkdir(parents=True, exist_ok=True)
        (proc / place / "status").write_text("closed\n")
        (proc / place).with_name("info").write_text(_INFO.format(available=0 if holder else 1))
    # What plays is no microphone.
    (proc / "card0/pcm0p/sub0/status").write_text(_RUNNING.format(holder=99))
    if holder:
        (proc / "card1/pcm0c/sub0/status").write_text(_RUNNING.format(holder=holder))
