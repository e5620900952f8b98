"""Files under a passphrase: they open with it and with nothing else, and ask for no more memory than there is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import EarmarkError, UsageError
from edge.vault import passphrase

REAL = dict(passphrase._COST)
WORDS = "correct horse battery staple"


@pytest.fixture(autouse=True, scope="module")
def cheap():
    """Small parameters: the cost of guessing is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passphrase, "_COST", {"n": 2**10, "r": 8, "p": 1})
        yield


def test_a_file_opens_with_its_passphrase_only():
    file = passphrase.sealed(b"a voiceprint", WORDS)
    assert passphrase.opened(file, WORDS) == b"a voiceprint"
    assert b"voiceprint" not in file
    with pytest.raises(passphrase.WrongPassphraseError) as caught:
        passphrase.opened(file, WORDS + " ")
    assert caught.value.exit_code == 1
    assert passphrase.sealed(b"a voiceprint", WORDS) != file


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_byte_can_be_changed_unnoticed(data):
    file = passphrase.sealed(b"a voiceprint", WORDS)
    place = data.draw(st.integers(0, len(file) - 1))
    changed = file[:place] + bytes([file[place] ^ data.draw(st.integers(1, 255))]) + file[place + 1 :]
    with pytest.raises((UsageError, passphrase.WrongPassphraseError)):
        passphrase.opened(changed, WORDS)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_what_is_no_such_file_is_refused_in_a_sentence(data):
    for file in (data, b"earmark sealed 1\n" + data, b"earmark sealed 1\n{}\n" + data):
        with pytest.raises(EarmarkError):
            passphrase.opened(file, WORDS)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n": 2**30},
        {"n": 2**20, "r": 32},
        {"n": 1000},
        {"n": 0},
        {"n": -1024},
        {"r": 10**9},
        {"p": 10**9},
        {"kdf": "none"},
        {"salt": ""},
        {"salt": "zz"},
        {"n": "many"},
        {"n": None},
    ],
)
def test_parameters_that_would_take_too_much_are_refused(parameters):
    magic, head, rest = passphrase.sealed(b"a voiceprint", WORDS).split(b"\n", 2)
    changed = json.dumps(json.loads(head) | parameters).encode()
    with pytest.raises(UsageError, match="no file that"):
        passphrase.opened(b"\n".join((magic, changed, rest)), WORDS)


def test_a_short_passphrase_is_refused():
    with pytest.raises(UsageError, match="5 characters"):
        passphrase.sealed(b"", "12345")


def test_what_a_file_names_is_the_cost_that_was_paid(monkeypatch):
    """OWASP Password Storage Cheat Sheet: N = 2^16 (64 MiB), r = 8, p = 2 is one of the least settings."""
    monkeypatch.setattr(passphrase, "_COST", REAL)
    file = passphrase.sealed(b"a voiceprint", WORDS)
    head = json.loads(file.split(b"\n")[1])
    assert (head["kdf"], head["n"], head["r"], head["p"]) == ("scrypt", 65536, 8, 2)
    assert passphrase.opened(file, WORDS) == b"a voiceprint"
