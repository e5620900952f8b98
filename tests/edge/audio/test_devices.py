"""The microphone that somebody means, and the messages where it cannot be told."""

import sys
from pathlib import Path

import pytest

from edge.audio.devices import Device, find_device, list_devices, read_devices
from edge.audio.microphone import MicrophoneSource
from edge.audio.portaudio import MicrophoneSetupError
from edge.errors import EXIT_ENVIRONMENT, MicrophoneError
from tests.virtual_microphone import VirtualMicrophone


class Machine:
    """PortAudio's view of a machine: output only, an array, two equal cameras, and the system's default."""

    names = (("HDMI: 0 (hw:0,3)", 0), ("ReSpeaker 4 Mic Array: USB Audio (hw:2,0)", 6), ("C920: USB Audio (hw:3,0)", 2))
    names += (("C920: USB Audio (hw:4,0)", 2), ("default", 32))

    def get_device_count(self) -> int:
        return len(self.names)

    def get_device_info_by_index(self, index: int) -> dict[str, object]:
        name, inputs = self.names[index]
        return {"name": name, "maxInputChannels": inputs, "hostApi": 0, "defaultSampleRate": 48_000.0}

    def get_host_api_info_by_index(self, index: int) -> dict[str, object]:
        return {"name": "ALSA"}

    def get_default_input_device_info(self) -> dict[str, object]:
        return {"index": 4}


DEVICES = read_devices(Machine())


def test_only_inputs_are_listed_under_stable_names() -> None:
    assert [device.index for device in DEVICES] == [1, 2, 3, 4]
    assert [device.stable_name for device in DEVICES] == [
        "ReSpeaker 4 Mic Array: USB Audio",
        "C920: USB Audio",
        "C920: USB Audio #2",
        "default",
    ]
    assert DEVICES[0] == Device(1, Machine.names[1][0], "ALSA", 6, 48_000, False, "ReSpeaker 4 Mic Array: USB Audio")
    assert [device.is_default for device in DEVICES] == [False, False, False, True]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (None, 4),
        ("", 4),
        (2, 2),
        ("3", 3),
        ("respeaker", 1),
        ("ReSpeaker 4 Mic Array: USB Audio", 1),
        ("C920: USB Audio", 2),
        ("c920: usb audio #2", 3),
        ("hw:4,0", 3),
        (" DEFAULT ", 4),
    ],
)
def test_a_device_is_found_by_number_name_and_part_of_a_name(wanted: str | int | None, index: int) -> None:
    assert find_device(DEVICES, wanted).index == index


@pytest.mark.parametrize("wanted", ["c920", "USB"])
def test_a_name_that_fits_several_is_never_guessed(wanted: str) -> None:
    with pytest.raises(MicrophoneSetupError) as caught:
        find_device(DEVICES, wanted)
    assert "2: C920: USB Audio, 3: C920: USB Audio #2" in caught.value.remedy


@pytest.mark.parametrize("wanted", ["Blue Yeti", 0, "17"])
def test_what_is_not_there_is_answered_with_what_is(wanted: str | int) -> None:
    with pytest.raises(MicrophoneError, match=str(wanted)) as caught:
        find_device(DEVICES, wanted)
    assert not isinstance(caught.value, MicrophoneSetupError)
    assert "ReSpeaker" in caught.value.remedy


class Replugged(Machine):
    """The same machine after the array was unplugged and plugged in again, and a third camera with it."""

    names = (("HDMI: 0 (hw:0,3)", 0), ("C920: USB Audio (hw:3,0)", 2), ("C920: USB Audio (hw:4,0)", 2))
    names += (("ReSpeaker 4 Mic Array: USB Audio (hw:5,0)", 6), ("ReSpeaker 2 Mic: USB Audio (hw:6,0)", 2))


def test_a_number_means_the_device_that_it_meant_first() -> None:
    after = read_devices(Replugged())
    assert find_device(after, 1).stable_name == "C920: USB Audio"
    assert find_device(after, 1, "ReSpeaker 4 Mic Array: USB Audio").index == 3
    with pytest.raises(MicrophoneError, match='"default"') as caught:
        find_device(after, "4", "default")
    assert caught.value.fault == "missing"


def test_a_part_of_a_name_that_fits_another_device_as_well_now_means_the_first() -> None:
    after = read_devices(Replugged())
    assert find_device(after, "respeaker", "ReSpeaker 4 Mic Array: USB Audio").index == 3
    with pytest.raises(MicrophoneSetupError):
        find_device(after, "respeaker", "Blue Yeti")


def test_a_card_is_known_by_the_id_that_a_udev_rule_gave_it(tmp_path: Path) -> None:
    for number, name in ((3, "kitchen"), (4, "C920_1")):
        (tmp_path / f"card{number}").mkdir()
        (tmp_path / f"card{number}" / "id").write_text(f"{name}\n")
    devices = read_devices(Machine(), tmp_path)
    assert [device.card for device in devices] == ["", "kitchen", "C920_1", ""]
    assert find_device(devices, "Kitchen").index == 2
    assert find_device(devices, "c920_1").index == 3
    with pytest.raises(MicrophoneError):
        find_device(devices, "kitch")


def test_no_device_at_all() -> None:
    with pytest.raises(MicrophoneError, match="no microphone was found"):
        find_device((), None)


def test_without_a_default_the_first_is_taken() -> None:
    assert find_device(DEVICES[:2], None).index == 1


def test_pyaudio_missing_names_the_lines_that_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    for attempt in (list_devices, lambda: next(MicrophoneSource().blocks())):
        with pytest.raises(MicrophoneSetupError, match="PyAudio is not installed") as caught:
            attempt()
        assert "portaudio19-dev" in caught.value.remedy
        assert 'pip install "earmark[mic]"' in caught.value.remedy
        assert caught.value.exit_code == EXIT_ENVIRONMENT


@pytest.mark.microphone
def test_real_devices_are_listed_in_silence(
    virtual_microphone: VirtualMicrophone, capfd: pytest.CaptureFixture[str]
) -> None:
    devices = list_devices()
    assert [(device.stable_name, device.is_default) for device in devices] == [("pulse", False), ("default", True)]
    virtual_microphone.stop()
    assert list_devices() == ()
    virtual_microphone.start()
    assert list_devices() == devices
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
