"""A microphone that another program holds is told from one that is not there."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.audio import capture
from edge.audio.held import Held, held_microphones
from edge.errors import MicrophoneError
from tests.edge.audio.kernel import sound_cards

MICROPHONE = Held("USB PnP Sound Device: USB Audio", "Device", 4711)


def test_the_kernel_says_who_records_from_what(tmp_path: Path) -> None:
    sound_cards(tmp_path, holder=4711)
    assert held_microphones(tmp_path) == (MICROPHONE,)


def test_a_microphone_that_nobody_uses_is_not_held(tmp_path: Path) -> None:
    sound_cards(tmp_path, holder=None)
    assert held_microphones(tmp_path) == ()


def test_a_machine_without_sound_or_with_half_a_card_holds_nothing(tmp_path: Path) -> None:
    assert held_microphones(tmp_path / "nothing") == ()
    (tmp_path / "cards").write_text("--- no soundcards ---\n")
    assert held_microphones(tmp_path) == ()
    sound_cards(tmp_path, holder=4711)
    (tmp_path / "card1" / "pcm0c" / "info").unlink()
    assert [held.holder for held in held_microphones(tmp_path)] == [4711]
    (tmp_path / "card1" / "pcm0c" / "sub0" / "status").write_bytes(b"\xff\xfe")
    assert [held.holder for held in held_microphones(tmp_path)] == [0]


@pytest.mark.parametrize(
    ("wanted", "known", "fits"),
    [
        (None, None, True),
        ("usb pnp", None, True),
        ("device", None, True),
        ("ReSpeaker", None, False),
        ("1", None, False),
        (1, MICROPHONE.name, True),
    ],
)
def test_what_is_held_may_be_what_is_looked_for(wanted: str | int | None, known: str | None, fits: bool) -> None:
    assert MICROPHONE.fits(wanted, known) is fits


@pytest.mark.parametrize(("wanted", "fault"), [("USB PnP", "busy"), ("ReSpeaker", "missing")])
def test_a_device_that_portaudio_left_out_is_called_busy(
    wanted: str, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nothing() -> Any:
        raise OSError("No Default Input Device Available")

    sound_cards(tmp_path, holder=4711)
    machine = SimpleNamespace(get_default_input_device_info=nothing, get_device_count=lambda: 0, terminate=lambda: None)
    monkeypatch.setattr(capture, "open_portaudio", lambda: machine)
    monkeypatch.setattr(capture, "held_microphones", lambda: held_microphones(tmp_path))
    with pytest.raises(MicrophoneError) as caught:
        capture.open_capture(wanted, None, 100)
    assert caught.value.fault == fault
    assert ("process 4711" in caught.value.cause) is (fault == "busy")
