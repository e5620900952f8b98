"""Builds the layouts in which sets are given out, from a few synthetic clips; and a server that knows ranges."""

from __future__ import annotations

import functools
import io
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import soundfile

from tests.training.data.toys import tone


@functools.cache
def sound(seconds: float, hertz: float, rate: int = 16_000, channels: int = 1, kind: str = "WAV") -> bytes:
    """An encoded hum; ``rate`` is the file's."""
    from edge.audio import resample

    wave = resample(tone(seconds, hertz, int(hertz)), 16_000, rate)
    file = io.BytesIO()
    soundfile.write(file, np.stack([wave] * channels, axis=1) if channels > 1 else wave, rate, format=kind)
    return file.getvalue()


def put(root: Path, files: dict[str, bytes | str]) -> Path:
    """Write files below ``root``."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def clip(number: int = 1, rate: int = 16_000, channels: int = 1, kind: str = "WAV") -> bytes:
    """A short hum; another number is another hum."""
    return sound(0.4, 90 + 7 * number, rate, channels, kind)


SPEAKERS = """; LibriSpeech speakers
;ID  |SEX| SUBSET           |MINUTES| NAME
14   | F | train-clean-360  | 25.03 | Reader | with a bar
84   | F | dev-clean        |  8.02 | Another
251  | M | dev-clean        |  8.08 | A Third
"""


def librispeech(root: Path) -> Path:
    """Two subsets as they unpack."""
    return put(
        root / "LibriSpeech",
        {
            "SPEAKERS.TXT": SPEAKERS,
            "README.TXT": "about",
            "train-clean-360/14/208/14-208-0000.flac": clip(1, kind="FLAC"),
            "train-clean-360/14/208/14-208-0001.flac": clip(2, kind="FLAC"),
            "train-clean-360/14/208/14-208.trans.txt": "14-208-0000 A",
            "dev-clean/84/121123/84-121123-0000.flac": clip(3, kind="FLAC"),
            "dev-clean/251/136532/251-136532-0000.flac": clip(4, kind="FLAC"),
        },
    )


def voxceleb(root: Path) -> Path:
    """Both sets side by side, the second with one file that says it is M4A."""
    put(
        root / "vox1",
        {
            "vox1_meta.csv": "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
            "id10001\tA.J._Buckley\tm\tIreland\tdev\nid10270\tEartha_Kitt\tf\tUSA\ttest\n",
            "wav/id10001/1zcIwhmdeo4/00001.wav": clip(1),
            "wav/id10270/5r0dWxy17C8/00001.wav": clip(2),
        },
    )
    return put(
        root / "vox2",
        {
            "vox2_meta.csv": "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012\t,n000012\t,m\t,dev\t\n",
            "dev/aac/id00012/21Uxsk56VDQ/00001.m4a": b"\x00\x00\x00\x20ftypM4A " + bytes(64),
            "dev/aac/id00012/21Uxsk56VDQ/00002.wav": clip(3),
            "test/aac/id00017/01dfn2spqyE/00001.wav": clip(4),
        },
    ).parent


def commonvoice(root: Path) -> Path:
    """One language, with columns as they are since version 17."""
    head = "client_id\tpath\tsentence_id\tsentence\tup_votes\tage\tgender\taccents\tlocale\tsegment\n"

    def line(person: str, path: str, gender: str) -> str:
        return f'{person * 128}\t{path}\tx\tA "lone quote\t2\t\t{gender}\t\tde\t\n'

    return put(
        root / "cv-corpus-17.0-2024-03-15/de",
        {
            "train.tsv": head + line("a", "common_voice_de_1.mp3", "female_feminine"),
            "dev.tsv": head + line("b", "common_voice_de_2.mp3", "male_masculine"),
            "test.tsv": head + line("c", "common_voice_de_3.mp3", "other") + line("c", "common_voice_de_9.mp3", ""),
            "validated.tsv": head
            + line("a", "common_voice_de_1.mp3", "female_feminine")
            + line("b", "common_voice_de_4.mp3", "male_masculine"),
            "other.tsv": head + line("d", "common_voice_de_5.mp3", ""),
            **{f"clips/common_voice_de_{n}.mp3": clip(n, 32_000, kind="MP3") for n in range(1, 7)},
        },
    ).parent.parent


def ravdess(root: Path) -> Path:
    """48 kHz, one file of them in stereo, and the second copy that one distribution has."""
    return put(
        root,
        {
            "Actor_01/03-01-01-01-01-01-01.wav": clip(1, 48_000),
            "Actor_01/03-01-05-01-02-01-01.wav": clip(2, 48_000, 2),
            "Actor_02/03-01-08-02-02-01-02.wav": clip(3, 48_000),
            "Actor_02/03-02-03-02-02-01-02.wav": clip(4, 48_000),
            "Actor_02/notes.wav": clip(5, 48_000),
            "audio_speech_actors_01-24/Actor_01/03-01-01-01-01-01-01.wav": clip(1, 48_000),
        },
    )


def cremad(root: Path) -> Path:
    """With a pointer of Git LFS in the place of a clip."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 76844\n"
    return put(
        root / "CREMA-D",
        {
            "VideoDemographics.csv": "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n"
            "1002,21,Female,Caucasian,Not Hispanic\n",
            "AudioWAV/1001_DFA_ANG_XX.wav": clip(1),
            "AudioWAV/1002_IEO_HAP_HI.wav": clip(2),
            "AudioWAV/1040_ITH_SAD_X.wav": clip(3),
            "AudioWAV/1002_IEO_SAD_LO.wav": pointer,
            "AudioMP3/1001_DFA_ANG_XX.mp3": b"the same again",
        },
    )


def tess(root: Path) -> Path:
    """At its odd rate, with the one name that breaks the code."""
    return put(
        root / "TESS Toronto emotional speech set data",
        {
            "OAF_angry/OAF_back_angry.wav": clip(1, 24_414),
            "OAF_neutral/OA_bite_neutral.wav": clip(2, 24_414),
            "YAF_pleasant_surprised/YAF_back_ps.wav": clip(3, 24_414),
        },
    )


def savee(root: Path) -> Path:
    """Folders per person, 44.1 kHz."""
    return put(
        root / "AudioData",
        {
            "DC/a01.wav": clip(1, 44_100), "JE/sa02.wav": clip(2, 44_100), "KL/su15.wav": clip(3, 44_100),
            "Info.txt": "codes",
        },
    )  # fmt: skip


def emodb(root: Path) -> Path:
    """Flat."""
    return put(root / "wav", {"03a01Fa.wav": clip(1), "16b10Wb.wav": clip(2), "09a02La.wav": clip(3)}).parent


def fsdd(root: Path) -> Path:
    """8 kHz, with its table in Python."""
    return put(
        root / "free-spoken-digit-dataset-1.0.10",
        {
            "metadata.py": '"""Speakers."""\nmetadata = {\n  "jackson": {"gender": "male", "accent": "USA"},\n}\n',
            "recordings/0_jackson_0.wav": clip(1, 8_000),
            "recordings/7_lucas_32.wav": clip(2, 8_000),
        },
    )


def audiomnist(root: Path) -> Path:
    """48 kHz, with its table in JSON."""
    return put(
        root / "AudioMNIST-master",
        {
            "data/audioMNIST_meta.txt": '{"01": {"gender": "male", "age": 30}, "12": {"gender": "female"}}',
            "data/01/0_01_0.wav": clip(1, 48_000),
            "data/12/9_12_49.wav": clip(2, 48_000),
        },
    )


def speechcommands(root: Path) -> Path:
    """Three people, each in one split, and a noise."""
    return put(
        root,
        {
            "testing_list.txt": "bed/0a7c2a8d_nohash_0.wav\n",
            "validation_list.txt": "bed/1b4c9b89_nohash_0.wav\n",
            "bed/0a7c2a8d_nohash_0.wav": clip(1),
            "cat/0a7c2a8d_nohash_1.wav": clip(2),
            "bed/1b4c9b89_nohash_0.wav": clip(3),
            "cat/22aa3665_nohash_0.wav": clip(4),
            "_background_noise_/white_noise.wav": clip(5),
        },
    )


def librivox(root: Path) -> Path:
    """A chapter of twelve and a half seconds, at 44.1 kHz as MP3."""
    return put(
        root,
        {
            "speakers.tsv": "speaker\tgender\tlanguage\nann\tfemale\ten\nnobody\tmale\tde\n",
            "ann/fables_librivox/fables_01_aesop_64kb.mp3": sound(12.6, 120, 44_100, 2, "MP3"),
            "bob/fables_librivox/fables_02_aesop_64kb.mp3": sound(6.0, 100, 44_100, 1, "MP3"),
        },
    )


def folders(root: Path) -> Path:
    """A folder per person, with a file that lies beside them and one that is empty."""
    return put(
        root / "family",
        {
            "ann/monday.wav": clip(1), "ann/old/tuesday.ogg": clip(2, kind="OGG"), "bob/a.wav": clip(3, 44_100, 2),
            "bob/b.wav": b"", "loose.wav": clip(4), ".hidden/x.wav": clip(5), "ann/._monday.wav": b"resource fork",
        },
    )  # fmt: skip


class Server:
    """Serves bytes by name. ``breaks``: cuts the next so many replies off in the middle."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.ranges = True
        self.breaks = 0
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        name, wanted = handler.path.strip("/").partition("?")[0], handler.headers.get("Range", "")
        self.asked.append((name, wanted))
        content = self.files.get(name)
        if content is None:
            handler.send_error(404)
            return
        tag = self.tags.get(name, '"1"')
        same = handler.headers.get("If-Range", tag) == tag
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges and same else 0
        if start >= len(content) and start:
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        piece = content[start:]
        if self.breaks:
            self.breaks -= 1
            piece = piece[: len(piece) // 2]
        handler.wfile.write(piece)


@contextmanager
def serve():
    """A ``Server`` on the loopback."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.reply(self)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
