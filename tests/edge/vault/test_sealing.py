"""Sealed bytes: they open with the same key for the same thing, and for nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.vault import Key, Tampered, Vault, about
from edge.vault.derive import derived

ROOT = Path(__file__).parents[3]


def vault(secret: bytes = b"k" * 32, salt: bytes = b"s" * 16) -> Vault:
    return Vault(Key(secret, Path("key"), True), salt)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=40), st.data())
def test_any_change_is_noticed(data, row, draw):
    sealed = vault().seal(data, row)
    assert vault().open(sealed, row) == data
    place = draw.draw(st.integers(0, len(sealed) - 1))
    bit = 1 << draw.draw(st.integers(0, 7))
    changed = sealed[:place] + bytes([sealed[place] ^ bit]) + sealed[place + 1 :]
    for one, with_row in ((changed, row), (sealed, row + b"x"), (sealed[:-1], row), (sealed[:place], row)):
        with pytest.raises(Tampered):
            vault().open(one, with_row)
    for other in (vault(secret=b"l" * 32), vault(salt=b"t" * 16)):
        with pytest.raises(Tampered):
            other.open(sealed, row)


def test_the_same_is_never_sealed_alike():
    assert len({vault().seal(b"Ada", b"") for _ in range(50)}) == 50


@given(st.lists(st.text(max_size=6), max_size=4), st.lists(st.text(max_size=6), max_size=4))
def test_two_things_never_share_what_they_are_about(left, right):
    assert (about(*left) == about(*right)) == (left == right)


def test_marks_are_stable_and_tell_nothing_without_the_key():
    assert vault().mark("name", "ada") == vault().mark("name", "ada")
    marks = {vault().mark("name", "ada"), vault().mark("name", "ben"), vault(b"l" * 32).mark("name", "ada")}
    marks |= {vault(salt=b"t" * 16).mark("name", "ada"), vault().mark("clip", "ada")}
    assert len(marks) == 5


def test_derivation_is_that_of_the_standard():
    """RFC 5869, appendix A.1; the purpose there is no text, so its bytes stand for it."""
    secret, salt = bytes([11]) * 22, bytes(range(13))
    found = derived(secret, salt, "purpose", 42)
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    assert found == HKDF(SHA256(), 42, salt, b"purpose").derive(secret)
    assert derived(secret, b"", "purpose", 5) == HKDF(SHA256(), 5, None, b"purpose").derive(secret)


def test_the_library_is_not_loaded_before_it_is_needed():
    child = (
        "import sys, edge, edge.people, edge.vault, edge.bundle\n"
        "assert not [name for name in sys.modules if 'cryptography' in name]"
    )
    subprocess.run([sys.executable, "-c", child], cwd=ROOT, check=True)
