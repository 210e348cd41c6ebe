"""The lines of a log file, block by block: memory stays the same however long the file or a line is. An edge.

Plain or gzip; UTF-8, or UTF-16 with a mark. Bytes that are no text become U+FFFD, a line of more than 64 KiB is cut:
both are counted.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.reports import Mendings
from chaosprsa.history.texts import GZIP, encoding_of

BLOCK = 1 << 18  # bytes read at once: larger ones were not faster, smaller ones were slower
LONGEST = 1 << 16  # characters of a line
UNDECODABLE = "log lines hold bytes that are no text; they were replaced"
TOO_LONG = f"log lines are longer than {LONGEST // 1024} KiB; they were cut"
NO_BREAK = "\ufffd"


def line_blocks(path: Path, mendings: Mendings) -> Iterator[list[str]]:
    """Lists of whole lines, without their ends. Raises InvalidHistory where the file can't be read or unpacked."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        with cast("IO[bytes]", gzip.open(path, "rb") if packed else path.open("rb")) as file:
            yield from _blocks(file, path, mendings)
    except FileNotFoundError:
        raise InvalidHistory(f"{path}: there is no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidHistory(f"{path}: it can't be read to its end ({error})") from None


def _blocks(file: IO[bytes], path: Path, mendings: Mendings) -> Iterator[list[str]]:
    begin = file.read(4)
    encoding, skip = encoding_of(begin)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    block, rest, cutting = begin[skip:] + file.read(BLOCK), "", False
    while block:
        text = decoder.decode(block)
        if NO_BREAK in text:
            mendings.counts[UNDECODABLE] += sum(NO_BREAK in line for line in text.split("\n"))
        first, *lines = text.split("\n")
        if not cutting:
            rest += first
        if not lines:
            cutting, rest = len(rest) > LONGEST, rest[: LONGEST + 1]
        else:
            yield [each if len(each) <= LONGEST else _cut(each, path, mendings) for each in (rest, *lines[:-1])]
            rest, cutting = lines[-1], False
        block = file.read(BLOCK)
    rest += "" if cutting else decoder.decode(b"", final=True)
    if rest:
        yield [rest if len(rest) <= LONGEST else _cut(rest, path, mendings)]


def _cut(line: str, path: Path, mendings: Mendings) -> str:
    mendings.count(TOO_LONG, path.name)
    return line[:LONGEST]
