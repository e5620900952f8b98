"""What is verified when a bundle is opened, and with which words it is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import encoder_hash, installed_bundles, open_bundle, pack, parse_card, seal, spec_from_json
from edge.bundle import files as bundle_files
from edge.errors import BundleError
from edge.records import FeatureSpec
from tests.edge import small_bundles


@pytest.fixture
def folder(tmp_path):
    return small_bundles.make(tmp_path / "small")


def refusal(path):
    with pytest.raises(BundleError) as caught:
        open_bundle(path)
    assert caught.value.exit_code == 5
    assert caught.value.remedy
    return caught.value.sentence()


def reseal(folder, **changes):
    """Hashes made again after a change of files or card."""
    card = json.loads((folder / "card.json").read_text())
    card.pop("files")
    seal(folder, card | changes)
    return folder


@pytest.mark.parametrize("name", ["encoder.int8.tflite", "head.npz", "cohort.npy"])
def test_a_changed_file_is_named(folder, name):
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)
    assert f"the file {name} of the bundle {folder} is not the one that its card names" in refusal(folder)


@pytest.mark.parametrize("name", ["encoder.int8.tflite", "head.npz", "cohort.npy", "card.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert f"lacks the file {name}" in refusal(folder)


def test_a_file_that_is_not_listed_is_not_read(folder):
    (folder / "notes.txt").write_text("hello")
    assert open_bundle(folder).dim == small_bundles.DIM


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "has schema 2, and this program knows 1"),
        ({"schema": None}, "has schema None"),
        ({"schema": True}, "has schema True"),
        ({"name": "No Name"}, "name 'No Name' must be"),
        ({"name": ["a"]}, "name must be a text"),
        ({"licence": ""}, "licence must be a text"),
        ({"intended_use": None}, "intended_use must be a text"),
        ({"attribution": ["LibriSpeech"]}, "attribution must list objects"),
        ({"kind": "magic"}, "kind must be network or statistics, not 'magic'"),
        ({"kind": "statistics"}, "encoder.file must be absent for the kind statistics"),
        ({"encoder": None}, "encoder must be an object"),
        ({"encoder": {"head": "head.npz"}}, "encoder.file must be given for the kind network"),
        ({"cohort": {"file": "../cohort.npy"}}, "cohort.file must be one of the names under files"),
        ({"cohort": []}, "cohort must be an object"),
        ({"calibration": 7}, "calibration must be an object"),
        ({"features": None}, "features must be an object"),
        ({"heads": {"age": {}}}, "heads.age is not known"),
        ({"heads": {"gender": {"file": "head.npz", "labels": ["one"]}}}, "at least two different labels"),
        ({"files": None}, "files must be an object"),
        ({"files": {"../x": "0" * 64}}, "not that of a plain file"),
        ({"files": {"card.json": "0" * 64}}, "not that of a plain file"),
        ({"files": {"x": "abc"}}, "files.x must be a SHA-256"),
    ],
)
def test_a_card_that_will_not_do_names_the_key(folder, change, words):
    card = json.loads((folder / "card.json").read_text()) | change
    (folder / "card.json").write_text(json.dumps(card))
    assert words in refusal(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"window_frames": 0}, "encoder.window_frames must be a whole number from 10 to 3000"),
        ({"window_frames": True}, "encoder.window_frames"),
        ({"window_frames": 200}, "its network takes (1, 300, 80, 1), and the card says windows of (200, 80)"),
        ({"embedding_dim": 10**9}, "encoder.embedding_dim must be"),
        ({"embedding_dim": 23}, "and (speakers, 23) is needed"),
        ({"head": "gone.npz"}, "encoder.head must be one of the names under files, not 'gone.npz'"),
        ({"head": "cohort.npy"}, "cohort.npy is no .npz file"),
        ({"file": "head.npz"}, "not a TFLite file"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(folder, change, words):
    card = json.loads((folder / "card.json").read_text())
    card["encoder"] |= change
    (folder / "card.json").write_text(json.dumps(card))
    assert words in refusal(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_fft": 200}, "n_fft"),
        ({"sample_rate": 8000}, "sample_rate"),
        ({"window": "kaiser"}, "window"),
        ({"version": 2}, "version"),
        ({"n_mels": 40, "scale": []}, "its network takes (1, 300, 80, 1)"),
        ({"mean": [0.0]}, "mean"),
        ({"frame_ms": "25"}, "features.frame_ms must be a number, not '25'"),
        ({"n_mels": 80.5}, "features.n_mels must be a whole number"),
        ({"n_mels": True}, "features.n_mels must be a whole number"),
        ({"scale": "2"}, "features.scale must be a list of numbers"),
        ({"dither": 1.0}, "features.dither is not known to this program"),
    ],
)
def test_a_feature_spec_that_cannot_be_computed_is_refused(folder, change, words):
    card = json.loads((folder / "card.json").read_text())
    card["features"] |= change
    (folder / "card.json").write_text(json.dumps(card))
    assert words in refusal(folder)


def test_a_feature_spec_without_a_key_is_refused(folder):
    card = json.loads((folder / "card.json").read_text())
    del card["features"]["log_floor"]
    (folder / "card.json").write_text(json.dumps(card))
    assert "features.log_floor is missing" in refusal(folder)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": 1, "schema": 1}', '{"schema": NaN}', "[" * 100_000, "\xff", "\0" * 100]
)
def test_a_card_that_is_no_json_is_refused(folder, text):
    (folder / "card.json").write_text(text, encoding="latin-1")
    assert f"the bundle {folder}: its card: " in refusal(folder)


def test_a_huge_card_is_refused(folder):
    with (folder / "card.json").open("r+b") as file:
        file.truncate(1 << 30)  # sparse
    assert "card.json is larger than 1 MB" in refusal(folder)


def savez(folder, **arrays):
    np.savez(folder / "head.npz", **(small_bundles.arrays() | arrays))
    return reseal(folder)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"kernel": np.full((24, 24), np.nan, np.float32)}, "head.npz, kernel.npy holds values that are not finite"),
        ({"bias": np.array([np.inf] * 24, np.float32)}, "head.npz, bias.npy holds values that are not finite"),
        ({"kernel": np.zeros((25, 24), np.float32)}, "kernel of shape (25, 24), and (24, 24) is needed"),
        ({"bias": np.zeros((24, 1), np.float32)}, "bias of shape (24, 1)"),
        ({"kernel": np.zeros((24, 24))}, "is float64, and float32 or float16 is needed"),
        ({"kernel": np.array([{}], dtype=object)}, "truncated or damaged"),
        ({"speech_kernel": np.zeros(5, np.float32)}, "speech_kernel of shape (5,)"),
        ({"centre": np.zeros(24, np.float32)}, "only one of centre and transform"),
        (
            {"centre": np.zeros(24, np.float32), "transform": np.eye(23, dtype=np.float32)},
            "transform of shape (23, 23)",
        ),
        ({"surprise": np.zeros(5, np.float32)}, "an array 'surprise' that this program does not know"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(folder, arrays, words):
    assert words in refusal(savez(folder, **arrays))


def test_matrices_kept_in_half_the_bytes_are_widened_when_read(folder):
    kernel = small_bundles.arrays()["kernel"].astype(np.float16)
    savez(folder, kernel=kernel)
    _, contents = bundle_files.read_bundle(folder)
    found = bundle_files.load_npz(contents["head.npz"], "head.npz")["kernel"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, kernel.astype(np.float32))
    assert open_bundle(folder).dim == 24


def test_a_head_that_lacks_an_array_is_refused(folder):
    np.savez(folder / "head.npz", kernel=small_bundles.arrays()["kernel"])
    assert "lacks the array bias" in refusal(reseal(folder))
    np.savez(folder / "head.npz", **{k: v for k, v in small_bundles.arrays().items() if k != "speech_bias"})
    assert "only one of speech_kernel and speech_bias" in refusal(reseal(folder))


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        (np.zeros((5, 23), np.float32), "its cohort has the shape (5, 23)"),
        (np.zeros(24, np.float32), "its cohort has the shape (24,)"),
        (np.ones((5, 24), np.float32), "not of length 1"),
        (np.full((5, 24), np.nan, np.float32), "not finite"),
        (np.zeros((5, 24), np.int8), "is int8"),
    ],
)
def test_a_cohort_that_does_not_fit_is_refused(folder, cohort, words):
    np.save(folder / "cohort.npy", cohort)
    assert words in refusal(reseal(folder))


@pytest.mark.parametrize("raw", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x76\x00{'descr'", b"\x80\x04N.", b"PK\3\4junk"])
def test_an_array_file_that_is_none_is_refused(folder, raw):
    (folder / "cohort.npy").write_bytes(raw)
    assert "cohort.npy is" in refusal(reseal(folder))
    np.save(folder / "cohort.npy", np.zeros((0, small_bundles.DIM), np.float32))
    (folder / "head.npz").write_bytes(raw)
    assert "head.npz" in refusal(reseal(folder))


def test_an_array_that_claims_to_be_huge_is_refused(folder):
    """The header promises 4 TB; nothing of that size is made."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    (folder / "cohort.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + header)
    assert "cohort.npy is truncated or damaged" in refusal(reseal(folder))


def test_an_empty_cohort_is_fine(folder):
    np.save(folder / "cohort.npy", np.zeros((0, small_bundles.DIM), np.float32))
    assert open_bundle(reseal(folder)).cohort.shape == (0, small_bundles.DIM)
    assert open_bundle(reseal(folder, cohort=None)).cohort.shape == (0, small_bundles.DIM)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    (folder / "head.npz").rename(tmp_path / "head.npz")
    (folder / "head.npz").symlink_to(tmp_path / "head.npz")
    assert "head.npz" in refusal(folder)
    assert "it is a link" in refusal(folder)


def test_a_pipe_does_not_hang(folder):
    (folder / "head.npz").unlink()
    os.mkfifo(folder / "head.npz")
    assert "head.npz" in refusal(folder)
    assert "not a plain file" in refusal(folder)


def test_the_encoders_hash_is_the_documented_one(folder):
    """SHA-256 over the sorted JSON of spec and file hashes: neither the name nor the calibration is part of it."""
    card = json.loads((folder / "card.json").read_text())
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in card["files"]}
    assert digests == card["files"]
    parts = {"encoder": digests["encoder.int8.tflite"], "features": card["features"], "head": digests["head.npz"]}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert open_bundle(folder).encoder == expected
    assert open_bundle(reseal(folder, name="other", calibration={"new": 1})).encoder == expected
    assert open_bundle(savez(folder, bias=np.zeros(24, np.float32))).encoder != expected


def test_a_number_written_as_a_whole_one_is_the_same_spec():
    """JSON made elsewhere may say 25 for 25.0: the hash must not notice."""
    raw = FeatureSpec().to_json()
    whole = {
        key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in raw.items()
    }
    assert spec_from_json(whole) == spec_from_json(raw) == FeatureSpec()
    assert encoder_hash(spec_from_json(whole), "a", "b") == encoder_hash(FeatureSpec(), "a", "b")
    assert spec_from_json(whole).fingerprint() == FeatureSpec().fingerprint()


def test_seal_refuses_a_card_that_will_not_do(folder):
    before = (folder / "card.json").read_bytes()
    with pytest.raises(BundleError, match="kind must be"):
        reseal(folder, kind="magic")
    assert (folder / "card.json").read_bytes() == before
    parse_card(before)


def test_a_card_that_another_is_writing_or_has_left_half_written_is_no_file_of_the_bundle(folder):
    card = json.loads((folder / "card.json").read_text())
    listed = card.pop("files")
    (folder / "card.json.0123456789abcdef.new").write_text("{")
    seal(folder, card)
    assert json.loads((folder / "card.json").read_text())["files"] == listed
    assert not list(folder.glob("*.new"))


def test_bundles_are_found_by_name(folder, tmp_path, monkeypatch):
    """$EARMARK_BUNDLES, then the state folder, then the package; folders and .earmark files."""
    first, state = tmp_path / "first", tmp_path / "state"
    first.mkdir()
    small_bundles.make(state / "bundles" / "mine", "statistics")
    small_bundles.make(state / "bundles" / "packed", "statistics")
    pack(folder, first / "packed.earmark")
    (first / "no-bundle").mkdir()
    monkeypatch.setenv("EARMARK_BUNDLES", f"{first}:{tmp_path / 'gone'}")
    monkeypatch.setenv("EARMARK_STATE", str(state))
    found = installed_bundles()
    assert found["mine"] == state / "bundles" / "mine"
    assert found["packed"] == first / "packed.earmark"
    assert "no-bundle" not in found
    assert open_bundle("mine").runtime == "numpy (no network)"
    assert open_bundle("packed").network is not None
    assert list(installed_bundles([first])) == sorted({"packed", *installed_bundles([])})


def test_an_unknown_name_lists_the_known_and_names_the_nearest(folder):
    with pytest.raises(BundleError, match="there is no bundle 'smal'") as caught:
        open_bundle("smal", directories=[folder.parent])
    assert "Did you mean small?" in caught.value.remedy
    assert "Installed are: " in caught.value.remedy
    assert "small" in caught.value.remedy.split("Installed are: ")[1]


@pytest.mark.parametrize("form", [Path, str])
def test_a_path_is_taken_as_it_is(folder, form, monkeypatch):
    assert open_bundle(form(folder)).name == "small"
    monkeypatch.chdir(folder.parent)
    assert open_bundle(form("small")).name == "small"
    assert open_bundle("./small").name == "small"
    assert open_bundle("small/").name == "small"


@pytest.mark.parametrize(
    "name", ["/nowhere/at/all", "./gone", "gone.earmark", "~nobody-at-all/x", Path("gone"), "a\0b/"]
)
def test_a_path_to_nothing_is_a_sentence(name):
    with pytest.raises(BundleError, match="there is no bundle at"):
        open_bundle(name)


def test_a_folder_without_a_card_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"lacks the file card\.json"):
        open_bundle(tmp_path)


def test_array_files_stay_arrays():
    """Arrays of a bundle are read-only: nobody can change weights that were verified."""
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2, 3), np.float32))
    array = bundle_files.load_npy(buffer.getvalue(), "x.npy")
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 2
