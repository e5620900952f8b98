"""Checkpoints are read without PyTorch and without running what they hold."""

import os

import numpy as np
import pytest

from edge.errors import UsageError
from tests.convert.tiny import write_checkpoint
from training.teachers.checkpoint import read_checkpoint


def test_every_tensor_comes_back_with_its_strides_undone(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {"a": rng.normal(size=(3, 5, 2)), "b": rng.normal(size=(7,)), "empty": np.zeros((0, 4))}
    tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
    write_checkpoint(tmp_path / "c.pt", tensors)
    found = read_checkpoint(tmp_path / "c.pt")
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value)


class _Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm-was-done",)


def test_a_checkpoint_that_asks_for_code_is_refused_and_its_code_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / "c.pt", {"a": np.ones((2, 2)), "b": _Harmful()})
    with pytest.raises(UsageError, match="mkdir"):
        read_checkpoint(tmp_path / "c.pt")
    assert not (tmp_path / "harm-was-done").exists()


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path):
    write_checkpoint(tmp_path / "c.pt", {"a": np.ones((4, 3))}, overreach=True)
    with pytest.raises(UsageError, match="beyond its storage"):
        read_checkpoint(tmp_path / "c.pt")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"x" * 1000])
def test_what_is_no_checkpoint_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(UsageError, match=r"c\.pt"):
        read_checkpoint(tmp_path / "c.pt")


def test_a_missing_checkpoint_is_refused_with_its_name(tmp_path):
    with pytest.raises(UsageError, match=r"no checkpoint at .*c\.pt"):
        read_checkpoint(tmp_path / "c.pt")


def test_a_checkpoint_with_more_than_tensors_is_refused(tmp_path):
    write_checkpoint(tmp_path / "c.pt", {"a": np.ones((2, 2)), "epoch": 7})
    with pytest.raises(UsageError, match="something else than tensors"):
        read_checkpoint(tmp_path / "c.pt")
