"""Sound that came through the browser, as a file that the readers of recordings take, without a disk.

Takes bytes and the name they came under. Gives a path into memory. Must hold: nothing is written to a disk; an error
names the upload as the person knows it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import AudioFileError


@contextmanager
def in_memory(data: bytes, name: str) -> Iterator[Path]:
    """A path at which ``data`` can be read, for as long as the context lasts.

    An ``AudioFileError`` that leaves the context names ``name`` instead of the path.
    """
    number = os.memfd_create("earmark-studio", os.MFD_CLOEXEC)
    path = Path(f"/proc/self/fd/{number}")
    try:
        with os.fdopen(number, "wb", closefd=False) as file:
            file.write(data)
        yield path
    except AudioFileError as error:
        cause, remedy = error.cause, error.remedy
        quoted = shlex.quote(str(Path(name).with_suffix("")))
        remedy = remedy.replace(f"{path}.wav", f"{quoted}.wav").replace(str(path), shlex.quote(name))
        raise AudioFileError(cause.replace(str(path), name), remedy) from error
    finally:
        os.close(number)
