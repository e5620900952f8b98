"""Check the structure of a TFLite file before an interpreter sees it.

Takes: bytes. Gives: nothing, or ``BundleError``.
Must hold: after it, every table, vector and text that an interpreter follows lies inside the file, every index points
at something that exists, and every constant is as long as its shape says. tflite-runtime 2.14 verifies nothing and
crashes on a truncated file; LiteRT verifies for itself. Formats: the FlatBuffers internals document and TFLite's schema
version 3.
"""

from __future__ import annotations

import struct
from math import prod
from typing import Final

from edge.errors import BundleError

_IDENTIFIER: Final = b"TFL3"
_SCHEMA_VERSION: Final = 3
_MOST_ELEMENTS: Final = 1 << 28
_LARGEST_DIMENSION: Final = 1 << 24
_MOST_BYTES: Final = 512 << 20
"""Of all tensors together; the interpreter lays some of them over each other, and makes some more of its own."""
_MOST_ENTRIES: Final = 1 << 20
"""Of all lists of tables and numbers together, some of which may be the same: real models have a few thousand."""

# Fields by their place in the schema: Model
_VERSION, _OPERATOR_CODES, _SUBGRAPHS, _BUFFERS = 0, 1, 2, 4
# SubGraph
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3
# Tensor
_SHAPE, _TYPE, _BUFFER, _NAME, _QUANTIZATION, _SPARSITY = 0, 1, 2, 3, 4, 6
# Operator
_OPCODE_INDEX, _OP_INPUTS, _OP_OUTPUTS, _OPTIONS, _CUSTOM_OPTIONS = 0, 1, 2, 4, 5
# QuantizationParameters: vectors of min, max, scale (float32) and zero_point (int64)
_QUANTIZATION_WIDTHS: Final = (4, 4, 4, 8)
_DATA: Final = 0
_CUSTOM_CODE: Final = 1

_TYPE_BYTES: Final = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1, 10: 8, 15: 4, 16: 2}
"""Bytes per element of the tensor types that have a fixed width (float32, float16, int32, uint8, int64, bool, ...)."""


class _Fault(Exception):
    """Something points outside of the file; the text says what."""


def check_model(model: bytes) -> None:
    """Raise ``BundleError`` where ``model`` is no TFLite file, or a truncated or damaged one."""
    remedy = "Get the bundle again, or convert it again."
    if len(model) < 16 or model[4:8] != _IDENTIFIER:
        raise BundleError("the model is not a TFLite file", remedy)
    try:
        _check_model(_File(model))
    except (_Fault, struct.error) as fault:
        raise BundleError(f"the model is truncated or damaged: {fault}", remedy) from fault


class _File:
    """Reads numbers at places, and refuses places outside."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self._entries = 0

    def unsigned(self, place: int) -> int:
        self.inside(place, 4, "an offset")
        value: int = struct.unpack_from("<I", self.data, place)[0]
        return value

    def signed(self, place: int) -> int:
        self.inside(place, 4, "a number")
        value: int = struct.unpack_from("<i", self.data, place)[0]
        return value

    def short(self, place: int) -> int:
        self.inside(place, 2, "a field")
        value: int = struct.unpack_from("<H", self.data, place)[0]
        return value

    def inside(self, place: int, length: int, what: str) -> None:
        if place < 0 or length < 0 or place + length > self.size:
            raise _Fault(f"{what} lies outside of the file")

    def listed(self, place: int) -> tuple[int, int]:
        """As ``vector``, of entries of four bytes that are looked at one by one."""
        start, count = self.vector(place, 4)
        self._entries += count
        if self._entries > _MOST_ENTRIES:
            raise _Fault("it lists absurdly much")
        return start, count

    def follow(self, place: int) -> int:
        return place + self.unsigned(place)

    def table(self, place: int) -> _Table:
        return _Table(self, place)

    def vector(self, place: int, width: int) -> tuple[int, int]:
        """Place of the first element and number of elements."""
        count = self.unsigned(place)
        self.inside(place + 4, count * width, "a vector")
        return place + 4, count


class _Table:
    """One table: its fields are found through the vtable."""

    def __init__(self, file: _File, place: int) -> None:
        self.file, self.place = file, place
        self.vtable = place - file.signed(place)
        self.length = file.short(self.vtable)
        file.inside(self.vtable, self.length, "a table")
        file.inside(place, file.short(self.vtable + 2), "a table")

    def field(self, number: int) -> int:
        """Place of a field's value, 0 where the field is absent."""
        entry = 4 + 2 * number
        if entry + 2 > self.length:
            return 0
        offset = self.file.short(self.vtable + entry)
        return self.place + offset if offset else 0

    def number(self, field: int, absent: int = 0) -> int:
        place = self.field(field)
        return self.file.unsigned(place) if place else absent

    def byte(self, field: int) -> int:
        place = self.field(field)
        if not place:
            return 0
        self.file.inside(place, 1, "a field")
        return self.file.data[place]

    def tables(self, field: int) -> list[_Table]:
        place = self.field(field)
        if not place:
            return []
        start, count = self.file.listed(self.file.follow(place))
        return [self.file.table(self.file.follow(start + 4 * one)) for one in range(count)]

    def numbers(self, field: int) -> tuple[int, ...]:
        place = self.field(field)
        if not place:
            return ()
        start, count = self.file.listed(self.file.follow(place))
        return struct.unpack_from(f"<{count}i", self.file.data, start)

    def data(self, field: int, width: int = 1, most: int = _MOST_ELEMENTS) -> int:
        """Check a vector of numbers; its length."""
        place = self.field(field)
        if not place:
            return 0
        count = self.file.vector(self.file.follow(place), width)[1]
        if count > most:
            raise _Fault("a vector is absurdly long")
        return count

    def text(self, field: int) -> None:
        place = self.field(field)
        if place:
            start, count = self.file.vector(self.file.follow(place), 1)
            self.file.inside(start, count + 1, "a name")
            if self.file.data[start + count]:
                raise _Fault("a name does not end")


def _check_model(file: _File) -> None:
    root = file.table(file.follow(0))
    if root.number(_VERSION) != _SCHEMA_VERSION:
        raise _Fault(f"its schema version is {root.number(_VERSION)}, not {_SCHEMA_VERSION}")
    codes = root.tables(_OPERATOR_CODES)
    for code in codes:
        code.text(_CUSTOM_CODE)
    lengths = [buffer.data(_DATA) for buffer in root.tables(_BUFFERS)]
    subgraphs = root.tables(_SUBGRAPHS)
    if not subgraphs:
        raise _Fault("it holds no graph")
    if sum(_check_subgraph(subgraph, len(codes), lengths) for subgraph in subgraphs) > _MOST_BYTES:
        raise _Fault("its tensors would take absurdly much memory")


def _check_subgraph(subgraph: _Table, codes: int, lengths: list[int]) -> int:
    """Bytes of all its tensors."""
    tensors = subgraph.tables(_TENSORS)
    total = sum(_check_tensor(tensor, lengths) for tensor in tensors)
    _check_indices(subgraph.numbers(_INPUTS), len(tensors), 0)
    _check_indices(subgraph.numbers(_OUTPUTS), len(tensors), 0)
    for operator in subgraph.tables(_OPERATORS):
        if operator.number(_OPCODE_INDEX) >= codes:
            raise _Fault("an operator has an unknown code")
        # -1 stands for an optional input that is left out.
        _check_indices(operator.numbers(_OP_INPUTS), len(tensors), -1)
        _check_indices(operator.numbers(_OP_OUTPUTS), len(tensors), 0)
        options = operator.field(_OPTIONS)
        if options:
            operator.file.table(operator.file.follow(options))
        operator.data(_CUSTOM_OPTIONS)
    return total


def _check_tensor(tensor: _Table, lengths: list[int]) -> int:
    """Bytes that it takes, as far as its type tells."""
    tensor.text(_NAME)
    shape = tensor.numbers(_SHAPE)
    if any(size < 0 or size > _LARGEST_DIMENSION for size in shape) or prod(shape) > _MOST_ELEMENTS:
        raise _Fault("a tensor has an absurd shape")
    buffer = tensor.number(_BUFFER)
    if buffer >= len(lengths):
        raise _Fault("a tensor's data does not exist")
    width = None if tensor.field(_SPARSITY) else _TYPE_BYTES.get(tensor.byte(_TYPE))
    if lengths[buffer] and width and lengths[buffer] != prod(shape) * width:
        raise _Fault("a tensor's data does not fit its shape")
    place = tensor.field(_QUANTIZATION)
    if place:
        quantization = tensor.file.table(tensor.file.follow(place))
        for field, bytes_each in enumerate(_QUANTIZATION_WIDTHS):
            quantization.data(field, bytes_each)
    return prod(shape) * (width or 8)


def _check_indices(indices: tuple[int, ...], count: int, lowest: int) -> None:
    if any(index < lowest or index >= count for index in indices):
        raise _Fault("a tensor that does not exist is used")
