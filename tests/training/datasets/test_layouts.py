"""Each set is recognised in its real layout, labelled as its own description says, and nothing in it is lost."""

from __future__ import annotations

import pytest

from edge.errors import UsageError
from tests.training.datasets import real_layouts as real
from training.datasets.layout import audio_below
from training.datasets.speech import read_speech


def labels(speech) -> dict[str, tuple[str, str, str, str, str]]:
    """File name to split, speaker, gender, emotion, language."""
    return {
        row.path.rpartition("/")[2]: (row.split, row.speaker, row.gender, row.emotion, row.language)
        for row in speech.recordings
    }


def reasons(speech) -> dict[str, str]:
    return {one.path.rpartition("/")[2]: one.reason for one in speech.set_aside}


EXPECTED = {
    "librispeech": {
        "14-208-0000.flac": ("train", "14", "f", "", "en"),
        "14-208-0001.flac": ("train", "14", "f", "", "en"),
        "84-121123-0000.flac": ("dev", "84", "f", "", "en"),
        "251-136532-0000.flac": ("dev", "251", "m", "", "en"),
    },
    "cremad": {
        "1001_DFA_ANG_XX.wav": ("train", "1001", "m", "angry", "en"),
        "1002_IEO_HAP_HI.wav": ("train", "1002", "f", "happy", "en"),
        "1040_ITH_SAD_X.wav": ("train", "1040", "", "sad", "en"),
    },
    "ravdess": {
        "03-01-01-01-01-01-01.wav": ("train", "01", "m", "neutral", "en"),
        "03-01-05-01-02-01-01.wav": ("train", "01", "m", "angry", "en"),
        "03-01-08-02-02-01-02.wav": ("train", "02", "f", "surprise", "en"),
    },
    "tess": {
        "OAF_back_angry.wav": ("train", "OAF", "f", "angry", "en"),
        "OA_bite_neutral.wav": ("train", "OAF", "f", "neutral", "en"),
        "YAF_back_ps.wav": ("train", "YAF", "f", "surprise", "en"),
    },
    "savee": {
        "a01.wav": ("train", "DC", "m", "angry", "en"),
        "sa02.wav": ("train", "JE", "m", "sad", "en"),
        "su15.wav": ("train", "KL", "m", "surprise", "en"),
    },
    "emodb": {
        "03a01Fa.wav": ("train", "03", "m", "happy", "de"),
        "16b10Wb.wav": ("train", "16", "f", "angry", "de"),
        "09a02La.wav": ("train", "09", "f", "boredom", "de"),
    },
    "fsdd": {
        "0_jackson_0.wav": ("train", "jackson", "m", "", "en"),
        "7_lucas_32.wav": ("train", "lucas", "", "", "en"),
    },
    "audiomnist": {
        "0_01_0.wav": ("train", "01", "m", "", "en"),
        "9_12_49.wav": ("train", "12", "f", "", "en"),
    },
    "speechcommands": {
        "0a7c2a8d_nohash_0.wav": ("test", "0a7c2a8d", "", "", "en"),
        "0a7c2a8d_nohash_1.wav": ("test", "0a7c2a8d", "", "", "en"),
        "1b4c9b89_nohash_0.wav": ("dev", "1b4c9b89", "", "", "en"),
        "22aa3665_nohash_0.wav": ("train", "22aa3665", "", "", "en"),
        "white_noise.wav": ("noise", "", "", "", ""),
    },
    "commonvoice": {
        "common_voice_de_1.mp3": ("train", "a" * 20, "f", "", "de"),
        "common_voice_de_2.mp3": ("dev", "b" * 20, "m", "", "de"),
        "common_voice_de_3.mp3": ("test", "c" * 20, "", "", "de"),
        "common_voice_de_4.mp3": ("dev", "b" * 20, "m", "", "de"),
    },
    "folders": {
        "monday.wav": ("train", "ann", "", "", ""),
        "tuesday.ogg": ("train", "ann", "", "", ""),
        "a.wav": ("train", "bob", "", "", ""),
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_set_is_recognised_and_labelled(tmp_path, name):
    """As it lies on the disk, from the folder that it was unpacked to; every file is a row or set aside."""
    getattr(real, name)(tmp_path)
    folder = tmp_path / "family" if name == "folders" else tmp_path
    speech = read_speech(folder)
    assert speech.layouts == (name,)
    assert speech.converts
    assert labels(speech) == EXPECTED[name]
    told = {row.path for row in speech.recordings} | {one.path for one in speech.set_aside}
    assert set(audio_below(folder)) - told <= {"CREMA-D/AudioMP3/1001_DFA_ANG_XX.mp3", *_UNVALIDATED}
    assert all(row.seconds == pytest.approx(0.4, abs=0.1) for row in speech.recordings)
    assert all(row.licence and row.source for row in speech.recordings if name != "folders")


_UNVALIDATED = ("cv-corpus-17.0-2024-03-15/de/clips/common_voice_de_5.mp3",)
"""Told of by the list that they are in."""


def test_voxceleb_1_and_2_are_told_apart(tmp_path):
    real.voxceleb(tmp_path)
    speech = read_speech(tmp_path)
    found = {(row.set, row.speaker, row.gender, row.split) for row in speech.recordings}
    assert found == {
        ("voxceleb1", "id10001", "m", "train"), ("voxceleb1", "id10270", "f", "test"),
        ("voxceleb2", "id00012", "m", "train"), ("voxceleb2", "id00017", "", "test"),
    }  # fmt: skip
    told = reasons(speech)
    assert told["00001.m4a"].startswith("not converted")
    assert "1 clips is unknown" in told["vox2_meta.csv"]


def test_bad_and_odd_files_are_set_aside_with_a_reason(tmp_path):
    assert reasons(read_speech(real.ravdess(tmp_path / "r"))) == {
        "03-02-03-02-02-01-02.wav": "not labelled: sung, not spoken",
        "notes.wav": "not labelled: RAVDESS has no file of such a name",
        "03-01-01-01-01-01-01.wav": "a second copy of Actor_01/03-01-01-01-01-01-01.wav",
    }
    assert reasons(read_speech(real.cremad(tmp_path / "c")))["1002_IEO_SAD_LO.wav"].startswith("not downloaded")
    told = reasons(read_speech(real.commonvoice(tmp_path / "v")))
    assert told == {
        "common_voice_de_9.mp3": "missing, but listed in test.tsv",
        "other.tsv": "not validated by listeners: its 1 clips are not used",
        "common_voice_de_6.mp3": "not labelled: no list of the set names it",
    }
    told = reasons(read_speech(real.folders(tmp_path / "f")))
    assert told == {"b.wav": "empty file", "loose.wav": "not labelled: it lies in no person's folder"}
    assert set(reasons(read_speech(real.librivox(tmp_path / "l")))) == {
        "fables_01_aesop_64kb.mp3", "fables_02_aesop_64kb.mp3", "speakers.tsv: nobody",
    }  # fmt: skip


def test_missing_tables_are_told(tmp_path):
    """Without its table a set is still read; that genders are unknown is said, not hidden."""
    for maker, table in (("librispeech", "SPEAKERS.TXT"), ("cremad", "VideoDemographics.csv"), ("fsdd", "metadata.py")):
        root = getattr(real, maker)(tmp_path / maker)
        (root / table).unlink()
        speech = read_speech(root)
        assert len(speech.recordings) == len(EXPECTED[maker])
        assert not any(row.gender for row in speech.recordings)
        assert reasons(speech)[table].startswith("missing")


def test_a_table_in_python_is_read_not_run(tmp_path):
    root = real.fsdd(tmp_path)
    (root / "metadata.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nmetadata = {{'jackson': exit(3)}}\n")
    assert reasons(read_speech(root))["metadata.py"].startswith("missing")
    assert not (tmp_path / "ran").exists()


def test_a_folder_of_sets_is_all_of_them(tmp_path):
    """A manifest among them is taken as it stands; audio beside them is told of."""
    from tests.training.data.toys import corpus

    real.emodb(tmp_path / "emodb")
    real.librispeech(tmp_path / "librispeech")
    corpus(tmp_path / "own", 2)
    real.put(tmp_path, {"stray/x.wav": real.clip(1)})
    speech = read_speech(tmp_path)
    assert set(speech.layouts) == {"emodb", "librispeech", "manifest"}
    assert {row.set for row in speech.recordings} == {"emodb", "librispeech", "toys"}
    assert all((tmp_path / row.path).is_file() for row in speech.recordings)
    assert reasons(speech) == {"x.wav": "not labelled: it belongs to no set that is known here"}


def test_a_single_subset_and_a_manifest_are_read_too(tmp_path):
    from tests.training.data.toys import corpus

    subset = real.librispeech(tmp_path) / "dev-clean"
    assert {row.split for row in read_speech(subset).recordings} == {"dev"}
    rows = corpus(tmp_path / "own", 2)
    own = read_speech(tmp_path / "own")
    assert own.recordings == rows
    assert not own.converts


def test_what_is_no_speech_is_refused_in_a_sentence(tmp_path):
    real.put(tmp_path, {"readme.txt": "nothing"})
    for folder, layout, word in (
        (tmp_path, "", "no set that is known"), (tmp_path / "nowhere", "", "no folder"),
        (tmp_path, "ravdes", "Did you mean ravdess"),
    ):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            read_speech(folder, layout)
        assert word in caught.value.sentence()
