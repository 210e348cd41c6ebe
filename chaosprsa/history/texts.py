"""A text file whatever it was saved as: UTF-8 with or without a mark, UTF-16 with one, gzip around either.

Bounded: a file that unpacks to more than `limit` is refused before it fills the memory.
"""

import codecs
import zlib
from pathlib import Path

from chaosprsa.errors import InvalidHistory

LIMIT = 1 << 30  # bytes, unpacked
GZIP = b"\x1f\x8b"
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def read_text(path: Path, expected: str, limit: int = LIMIT) -> str:
    """The whole text. Raises InvalidHistory: not there, too large, not text; `expected` says what should be in it."""
    content = _unpacked(path, _bytes(path, limit), limit)
    encoding, skip = encoding_of(content)
    try:
        return content[skip:].decode(encoding)
    except UnicodeDecodeError:
        raise InvalidHistory(f"{path}: not text; {expected}") from None


def encoding_of(start: bytes) -> tuple[str, int]:
    """The encoding that a file's first bytes name (UTF-8 where they name none), and how many bytes name it."""
    return next(((name, len(mark)) for mark, name in MARKS if start.startswith(mark)), ("utf-8", 0))


def _bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise InvalidHistory(f"{path}: there is no such file") from None
    except OSError as error:
        raise InvalidHistory(f"{path}: it can't be read: {error}") from None
    return _bounded(path, content, limit)


def _unpacked(path: Path, content: bytes, limit: int) -> bytes:
    """Every member of a gzip file one after the other; anything else as it is."""
    parts, left = [], limit + 1
    while content.startswith(GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpacker.decompress(content, left))
        except zlib.error as error:
            raise InvalidHistory(f"{path}: not a whole gzip file ({error}); pack it again") from None
        left -= len(parts[-1])
        if left <= 0:
            break
        if not unpacker.eof:
            raise InvalidHistory(f"{path}: not a whole gzip file (it ends too early); pack it again")
        content = unpacker.unused_data
    return _bounded(path, b"".join(parts), limit) if parts else content


def _bounded(path: Path, content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise InvalidHistory(f"{path}: it is larger than {limit / (1 << 20):g} MiB; split it into several files")
    return content
