"""What hypothesis draws from grammars of our formats: only the errors of each room may come out of it."""

from __future__ import annotations

import io
import json
import math
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.audio import PcmSource, read_samples
from edge.auth import chain
from edge.bundle import parse_card, parse_pack
from edge.bundle.files import load_npy
from edge.control.protocol import parse
from edge.errors import AudioFileError, BundleError, EarmarkError, RequestError, SettingsError
from edge.features import FrontEnd
from edge.mqtt import Topics
from edge.people import check_name
from edge.records import FeatureSpec
from edge.scoring import Calibration
from edge.settings import load
from edge.settings.sections import SECTIONS, describe
from tests.edge import small_bundles
from tests.edge.cli.voice_bundle import CALIBRATION
from tests.fuzz.target import judge

few = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 1e308, 5e-324, 2**63, math.inf, math.nan])
)
texts = st.text(st.characters(), max_size=40)
"""Lone surrogates and control characters too."""
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def _changed(raw: dict[str, Any], path: list[str], value: Any) -> bytes:
    document = json.loads(json.dumps(raw))
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return json.dumps(document).encode()


def _paths(raw: Any, before: tuple[str, ...] = ()) -> list[list[str]]:
    if not isinstance(raw, dict):
        return []
    return [found for key, inner in raw.items() for found in ([*before, key], *_paths(inner, (*before, key)))]


CARD = small_bundles.card() | {"files": {"head.npz": "0" * 64, "encoder.int8.tflite": "1" * 64, "cohort.npy": "2" * 64}}


@few
@given(st.sampled_from(_paths(CARD)), values)
def test_a_card_with_any_value_anywhere(path: list[str], value: Any) -> None:
    data = _changed(CARD, path, value)
    for read in (parse_card, parse_pack):
        try:
            read(data)
        except BundleError as error:
            judge(error.sentence())


@few
@given(st.sampled_from(_paths(CALIBRATION)), values)
def test_a_calibration_with_any_value_anywhere(path: list[str], value: Any) -> None:
    try:
        found = Calibration.from_json(json.loads(_changed(CALIBRATION, path, value)))
    except BundleError as error:
        judge(error.sentence())
    else:
        assert math.isfinite(found.threshold(0.001))


@few
@given(st.dictionaries(st.sampled_from(list(FeatureSpec().to_json())), st.one_of(numbers, texts), max_size=3))
def test_features_of_any_kind(changes: dict[str, Any]) -> None:
    card = CARD | {"features": CARD["features"] | changes}
    try:
        FrontEnd(parse_card(json.dumps(card).encode()).spec).features(np.zeros(1600, np.float32))
    except BundleError as error:
        judge(error.sentence())


scalars = st.one_of(
    texts, numbers.map(str), st.sampled_from(["on", "~", "[a", "{a: b}", "'", "|", "&x y", "*x", "!!set {a}", "0x1F"])
)
keys = st.sampled_from([(section, key.name) for section, kind in SECTIONS.items() for key in describe(kind)])


@few
@given(st.lists(st.tuples(keys, scalars), max_size=6), st.dictionaries(keys, texts, max_size=3))
def test_settings_and_environment_of_any_values(
    lines: list[tuple[tuple[str, str], str]], variables: dict[tuple[str, str], str]
) -> None:
    document = "".join(f"{section}:\n  {key}: {value}\n" for (section, key), value in lines)
    environ = {f"EARMARK_{section}__{key}".upper(): value for (section, key), value in variables.items()}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "earmark.yaml")
        path.write_bytes(document.encode("utf-8", "surrogatepass"))
        try:
            load(path, environ | {"HOME": place})
        except SettingsError as error:
            judge(error.sentence(), lines=True)


@few
@given(st.binary(max_size=60), st.binary(max_size=60), st.booleans())
def test_messages_on_any_topic(topic: bytes, payload: bytes, retained: bool) -> None:
    topics = Topics("earmark", "kitchen")
    for name in (topic.decode("utf-8", "replace"), "earmark/kitchen/cmd/" + topic.decode("latin-1")):
        asked = topics.command(name, payload, retained)
        assert asked is None or (not retained and asked.text is not None)


@few
@given(
    st.dictionaries(st.sampled_from(["id", "op", "person", "timeout", "request", "challenge", "language", "x"]), values)
)
def test_requests_of_any_values(body: dict[str, Any]) -> None:
    for raw in (body, body | {"id": "1", "op": "verify"}):
        try:
            parse(json.dumps(raw).encode())
        except RequestError as error:
            judge(error.sentence())


@few
@given(texts, st.binary(max_size=200))
def test_names_and_lines_of_the_log(name: str, line: bytes) -> None:
    try:
        check_name(name)
    except EarmarkError as error:
        judge(error.sentence())
    chain.read(line)
    chain.read(b'{"n":1,' + line + b',"hash":"' + b"0" * 64 + b'"}')


shorts, words = st.integers(0, 65_535), st.integers(0, 2**32 - 1)


@few
@given(st.sampled_from([1, 3, 0xFFFE, 6, 17]), shorts, words, words, shorts, shorts, words, st.binary(max_size=4000))
def test_wav_headers_of_any_numbers(
    kind: int, channels: int, rate: int, per_second: int, align: int, bits: int, promised: int, samples: bytes
) -> None:
    form = struct.pack("<HHIIHH", kind, channels, rate, per_second, align, bits)
    wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", promised) + samples
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "clip.wav")
        path.write_bytes(wav)
        try:
            assert np.isfinite(read_samples(path, 10.0)).all()
        except AudioFileError as error:
            judge(error.sentence())
    try:
        for block in PcmSource(io.BytesIO(wav)).blocks():
            assert np.isfinite(block.samples).all()
    except AudioFileError as error:
        judge(error.sentence())


@few
@given(st.sampled_from(["<f4", "<f2", "<f8", "|O", "<U9", ">f4", "|V8"]), values, st.binary(max_size=100))
def test_arrays_of_any_shape(kind: str, shape: Any, content: bytes) -> None:
    head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape!r}}}\n".encode("utf-8", "replace")[:9000]
    try:
        found = load_npy(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content, "cohort.npy")
    except BundleError as error:
        judge(error.sentence())
    else:
        assert np.isfinite(found).all()
