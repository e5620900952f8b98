"""A small case for each defect that fuzzing has found: sound, names and brokers. The comments say what it was."""

from __future__ import annotations

import io
import os
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.audio import FileSource, FolderSource, PcmSource
from edge.errors import (
    AudioFileError,
    BrokerError,
    EarmarkError,
    SettingsError,
)
from edge.mqtt.connection import Connection
from edge.mqtt.wake import Wake
from edge.settings import Mqtt

# Sound


def test_a_header_that_promises_65535_channels() -> None:
    """Mixing them would have taken 32 GiB."""
    form = struct.pack("<HHIIHH", 1, 65_535, 16_000, 0, 0, 16)
    wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data\xff\xff\xff\xff" + bytes(300_000)
    with pytest.raises(AudioFileError, match="channels"):
        next(PcmSource(io.BytesIO(wav)).blocks(), None)


def test_samples_whose_sums_are_no_numbers() -> None:
    """ZeroDivisionError in the downmix of channels."""
    samples = np.full((16_000, 2), 3e38, "<f4")
    samples[::2] *= -1
    source = PcmSource(io.BytesIO(samples.tobytes()), channels=2, encoding="f32le")
    assert all(np.isfinite(block.samples).all() for block in source.blocks())
    assert source.repaired == samples.size


def test_a_file_whose_name_a_terminal_would_obey(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for name in (b"\x1b[2J\n.wav", b"\xff\xfe.wav"):
        with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123 - the name is bytes
            file.write(b"no sound")
        with pytest.raises(AudioFileError) as caught:
            next(FileSource(os.fsdecode(folder + b"/" + name)).blocks(), None)
        assert caught.value.sentence().isprintable()
    with pytest.raises(AudioFileError) as caught:
        next(FolderSource(tmp_path).blocks(), None)
    assert caught.value.sentence().isprintable()


def test_an_error_quotes_only_so_much_and_settings_may_have_lines() -> None:
    assert len(EarmarkError("x" * 10**6, "y" * 10**6).sentence()) < 4000
    assert EarmarkError("a\nb\x9b").sentence() == "a b\ufffd."
    assert SettingsError("two errors:\n  - one\n  - two").cause.count("\n") == 2


# The broker


@pytest.mark.parametrize(
    "said",
    [
        b"\x20\x02\x00\x00" + b"\x30\x01\x00",
        b"\x20\x02\x00\x00" + b"\x90\x01\x00",
        b"\xf0\xff\xff\xff\xff\xff",
        b"\x20\x00",
        b"HTTP/1.1 400\r\n",
    ],
)
def test_a_broker_that_does_not_speak_mqtt(said: bytes) -> None:
    """IndexError and struct.error from inside paho."""
    with pytest.raises(BrokerError):
        _talk(said)


def test_a_topic_that_is_no_text() -> None:
    """UnicodeDecodeError from inside paho; what follows is still heard."""
    odd, good = b"\x30\x05\x00\x02\xff\xfe!", b"\x30\x04\x00\x01a!"
    assert _talk(b"\x20\x02\x00\x00" + odd + good, until=1) == ["a"]


def _talk(said: bytes, until: int | None = None) -> list[str]:
    """Topics heard from a broker that says this; it then hangs up, unless so many are heard before."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)
                if until is None:
                    connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)

        thread = threading.Thread(target=speak)
        thread.start()
        wake = Wake()
        mqtt = Mqtt(port=server.getsockname()[1])
        client = Connection(mqtt, "earmark-x", password=None, context=None, will=None, window=1, wake=wake)
        heard: list[str] = []
        try:
            client.open(lambda: False)
            while until is None or len(heard) < until:
                client.step(5.0)
                heard += [message.topic for message in client.received]
                client.received.clear()
        finally:
            client.abandon()
            wake.close()
            thread.join()
    return heard
