"""The comparison of two machines, which must not praise one that miscalculates."""

import numpy as np
import pytest

from tests.arm64.compare import Arrays, compare

EXACT = "encoder, output 0, reference kernels"


@pytest.fixture
def here() -> Arrays:
    outputs = np.arange(-100, 100, dtype=np.int8).reshape(1, 200)
    return {
        "encoder/reference/0": outputs,
        "encoder/default/0": outputs + np.int8(1),
        "encoder/inputs": outputs,
        "encoder/values/embedding/ada": np.array([1.0, 0.0]),
        "runtime": np.asarray("one 1.0"),
    }


def said(here: Arrays, there: Arrays) -> dict[str, tuple[str, bool | None]]:
    return {row.what: (row.said, row.holds) for row in compare(here, there)}


def test_what_is_the_same_is_said_to_be_and_each_default_is_held_against_the_reference(here: Arrays) -> None:
    rows = said(here, here | {"encoder/default/0": here["encoder/reference/0"], "runtime": np.asarray("other")})
    assert rows == {
        EXACT: ("bit for bit the same (200 numbers)", True),
        "encoder, output 0, default kernels here": ("differs by up to 1 steps, 1 on average, in 100 % of 200", None),
        "encoder, output 0, default kernels there": ("bit for bit the same (200 numbers)", None),
        "encoder, int8 input from the own front-end": ("bit for bit the same (200 numbers)", None),
        "encoder, embedding, default kernels": ("differs by 0 at most, cosine at least 1.00000", None),
    }


def test_one_number_that_is_one_step_off_breaks_the_promise(here: Arrays) -> None:
    wrong = here["encoder/reference/0"].copy()
    wrong[0, 7] += 1
    found = said(here, here | {"encoder/reference/0": wrong})[EXACT]
    assert found == ("differs by up to 1 steps, 0.005 on average, in 0.5 % of 200", False)


def test_outputs_of_another_shape_break_it_too(here: Arrays) -> None:
    assert said(here, here | {"encoder/reference/0": np.zeros((2, 100), np.int8)})[EXACT][1] is False


def test_what_is_missing_there_is_no_success(here: Arrays) -> None:
    with pytest.raises(KeyError):
        compare(here, {"runtime": np.asarray("one 1.0")})
