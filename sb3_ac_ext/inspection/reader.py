"""A stream that cannot surprise: bounded, counted, and every failure is one sentence."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

CHUNK = 1 << 20
MOST_AT_ONCE = 1 << 24  # what zipfile itself asks for when it seeks
_BLOCK = 1 << 13
# all that zipfile and the operating system raise on damaged input
FAILURES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    IndexError,
    RuntimeError,  # and its NotImplementedError: features that zipfile lacks
)


class Reader:
    """A file, or an entry of an archive, of which no more than the declared size is read.

    :param stream: seekable binary stream
    :param size: bytes that it should hold
    :param label: how errors name it
    """

    def __init__(self, stream: Any, size: int, label: str) -> None:
        self._stream = stream
        self.size = size
        self.label = label
        self._position = 0
        self._ahead, self._at = b"", 0

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    @property
    def left(self) -> int:
        return max(0, self.size - self._position)

    def seek(self, offset: int, whence: int = 0) -> int:
        """:raises ValueError: when the position does not exist or cannot be reached"""
        position = offset + (0, self._position, self.size)[whence]
        if not 0 <= position <= self.size:
            raise ValueError(f"{self.label}: damaged: there is no byte {position} of {self.size}")
        try:
            self._stream.seek(position)
        except FAILURES as error:
            raise self._failure(error) from None
        self._position, self._ahead, self._at = position, b"", 0
        return position

    def read(self, n: int | None = -1) -> bytes:
        """
        :param n: most bytes, all that are left by default
        :raises ValueError: when the stream is damaged, or too much is asked for at once
        """
        wanted = self.left if n is None or n < 0 else min(n, self.left)
        if wanted > MOST_AT_ONCE:
            raise ValueError(f"{self.label}: one part declares {wanted:,} bytes, too many to read")
        if wanted > len(self._ahead) - self._at:
            self._fill(wanted)
        data = self._ahead[self._at : self._at + wanted]
        self._at += len(data)
        self._position += len(data)
        return data

    def _fill(self, wanted: int) -> None:
        """Read ahead, so that pickles, which are read byte by byte, do not take ages."""
        have = self._ahead[self._at :]
        more = min(max(wanted, _BLOCK), self.left) - len(have)
        try:
            self._ahead, self._at = have + self._stream.read(more), 0
        except FAILURES as error:
            raise self._failure(error) from None

    def readline(self, most: int = CHUNK) -> bytes:
        """
        :param most: bytes after which a line is cut
        :raises ValueError: when the stream is damaged
        """
        found = []
        length = 0
        while length < most:
            if self._at == len(self._ahead):
                self._fill(1)
            end = self._ahead.find(b"\n", self._at, self._at + most - length) + 1
            part = self.read(end - self._at if end else min(len(self._ahead) - self._at, most))
            found.append(part)
            length += len(part)
            if end or not part:
                break
        return b"".join(found)

    def chunks(self) -> Iterator[bytes]:
        """The rest, piece by piece.

        :raises ValueError: when the stream is damaged or shorter than declared
        """
        while self.left:
            data = self.read(CHUNK)
            if not data:
                raise ValueError(
                    f"{self.label}: ends after {self._position:,} of {self.size:,} bytes"
                )
            yield data

    def _failure(self, error: BaseException) -> ValueError:
        return ValueError(f"{self.label}: damaged: {error or type(error).__name__}")
