"""The word on the command line or in the settings, and the source that it names."""

import io
from pathlib import Path

import pytest

from edge.audio import (
    FileSource,
    FolderSource,
    MicrophoneSource,
    PcmSource,
    ReconnectingMicrophone,
    open_source,
)
from edge.errors import AudioFileError, UsageError
from edge.settings import Audio


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("mic", MicrophoneSource, "mic:default"),
        ("mic:", MicrophoneSource, "mic:default"),
        ("mic:ReSpeaker: USB", MicrophoneSource, "mic:ReSpeaker: USB"),
        ("mic:3", MicrophoneSource, "mic:3"),
        ("-", PcmSource, "stdin"),
        ("talk.wav", FileSource, "file:talk.wav"),
        ("./mic", FileSource, "file:mic"),
    ],
)
def test_the_word_names_the_source(text: str, kind: type, name: str) -> None:
    source = open_source(text)
    assert isinstance(source, kind)
    assert source.name == name


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    assert isinstance(open_source(str(tmp_path)), FolderSource)


def test_settings_name_the_device_of_a_plain_mic() -> None:
    settings = Audio(device="usb", block_ms=20)
    assert open_source("mic", settings).name == "mic:usb"
    assert open_source("mic:other", settings).name == "mic:other"


def test_whoever_wants_to_hear_of_problems_gets_a_microphone_that_comes_back() -> None:
    source = open_source("mic:usb", on_problem=lambda problem: None)
    assert isinstance(source, ReconnectingMicrophone)
    assert (source.name, source.live) == ("mic:usb", True)


def test_raw_samples_are_described_by_the_arguments() -> None:
    source = open_source("-", Audio(block_ms=10), rate=8_000, channels=2, encoding="u8", stdin=io.BytesIO(bytes(1_600)))
    assert sum(len(block.samples) for block in source.blocks()) == 1_600
    with pytest.raises(UsageError):
        open_source("-", rate=1)


def test_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert isinstance(open_source("~"), FolderSource)


def test_a_path_that_does_not_exist_is_an_error_when_it_is_read() -> None:
    source = open_source("/nowhere/talk.wav")
    with pytest.raises(AudioFileError, match=r"/nowhere/talk\.wav does not exist"):
        next(iter(source.blocks()))
