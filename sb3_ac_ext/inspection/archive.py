"""Folders and zip files as a mapping of names to bounded readers, without writing anything."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_ac_ext.inspection.reader import FAILURES, Reader

ZIP_START = b"PK\x03\x04"
ZIP_END = b"PK\x05\x06"
_END = 22  # bytes of the end record without its comment
_HEADER = 30  # bytes before the name of an entry
_KNOWN_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Limits:
    """What an archive may declare at most.

    :param entries: number of files
    :param total_bytes: sum of their sizes when unpacked
    :param ratio: times that the files may be larger than the archive ...
    :param free_bytes: ... where they are larger than this in sum
    """

    entries: int = 10_000
    total_bytes: int = 64 << 30
    ratio: int = 200
    free_bytes: int = 64 << 20


@dataclass(frozen=True)
class Entry:
    """One file of an archive.

    :param name: relative, with ``/`` between its parts
    :param size: bytes, as declared
    :param label: how errors name it
    :param open: gives a :class:`Reader`, which holds to the declared size
    """

    name: str
    size: int
    label: str
    open: Callable[[], Reader]

    def read(self, most: int) -> bytes:
        """
        :param most: bytes that are accepted
        :raises ValueError: when there are more, or they cannot be read
        """
        if self.size > most:
            raise ValueError(f"{self.label}: {self.size:,} bytes, at most {most:,} are read")
        with self.open() as reader:
            return b"".join(reader.chunks())


class Archive(Mapping[str, Entry]):
    """The files of a folder or zip file by name; a context manager that closes the zip file.

    :param label: how errors name it
    :param entries: its files
    :param close: called at the end
    """

    def __init__(
        self, label: str, entries: Iterable[Entry], close: Callable[[], None] = lambda: None
    ) -> None:
        self.label = label
        self._entries: dict[str, Entry] = {}
        self._close = close
        for entry in entries:
            if entry.name in self._entries:
                raise ValueError(f"{label}: holds {entry.name!r} twice")
            self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def open_archive(path: Path, limits: Limits | None = None) -> Archive:
    """Open a folder or a zip file for reading, with nothing unpacked.

    Refused are links and devices, names that are absolute or lead out (``..``), names that occur
    twice, encrypted entries, other compression than deflate, entries that overlap, bytes before the
    first entry, and more than ``limits`` allow.

    :param path: folder or zip file
    :param limits: :class:`Limits` by default
    :raises ValueError: for all of these, and when it cannot be read
    """
    limits = limits or Limits()
    if path.is_dir():
        return _open_folder(path, limits)
    return open_zip(open_reader(path), limits)


def open_reader(path: Path, label: str | None = None) -> Reader:
    """
    :param path: a regular file
    :param label: how errors name it, the path by default
    :raises ValueError: if it is none
    """
    label = label or str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError(f"{label}: is no regular file")
        stream = path.open("rb")
        return Reader(stream, os.fstat(stream.fileno()).st_size, label)
    except FileNotFoundError:
        raise ValueError(f"{label}: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{label}: cannot be read: {error.strerror or error}") from None


def open_zip(reader: Reader, limits: Limits | None = None) -> Archive:
    """
    :param reader: of a file, or of an entry, for archives in archives
    :param limits: :class:`Limits` by default
    :raises ValueError: like :func:`open_archive`; the reader is closed then
    """
    try:
        return _open_zip(reader, limits or Limits())
    except FAILURES as error:
        reader.close()
        text = str(error) or type(error).__name__
        known = text.startswith(reader.label)
        raise ValueError(text if known else f"{reader.label}: damaged archive: {text}") from None


def _open_zip(reader: Reader, limits: Limits) -> Archive:
    if reader.read(len(ZIP_START)) != ZIP_START:
        raise ValueError(f"{reader.label}: does not begin like a zip file")
    archive = zipfile.ZipFile(reader)
    infos = archive.infolist()
    _check_ends(reader, archive, infos)
    _check_sizes(reader.label, [info.file_size for info in infos], reader.size, limits)
    _check_overlap(reader.label, infos)
    entries = [_zip_entry(archive, info, reader.label) for info in infos if not _is_folder(info)]
    return Archive(reader.label, entries, reader.close)


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.is_dir() and info.file_size == 0


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> Entry:
    _check_name(label, info.orig_filename)
    where = f"{label}: {info.filename}"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ValueError(f"{where}: is a link or device, no file")
    if info.flag_bits & _ENCRYPTED:
        raise ValueError(f"{where}: is encrypted")
    if info.compress_type not in _KNOWN_COMPRESSION:
        raise ValueError(f"{where}: is packed with method {info.compress_type}, known are 0 and 8")

    def opened() -> Reader:
        try:
            return Reader(archive.open(info), info.file_size, where)
        except FAILURES as error:
            raise ValueError(f"{where}: damaged: {error}") from None

    return Entry(info.filename, info.file_size, where, opened)


def _check_name(label: str, name: str) -> None:
    parts = name.split("/")
    if "\\" in name or ":" in parts[0] or not name.isprintable():
        raise ValueError(f"{label}: the name {name!r} is not portable")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{label}: the name {name!r} is absolute or leads out of the archive")


def _check_sizes(label: str, sizes: list[int], packed: int, limits: Limits) -> None:
    total = sum(sizes)
    if len(sizes) > limits.entries:
        raise ValueError(f"{label}: {len(sizes):,} entries, at most {limits.entries:,} are read")
    if total > limits.total_bytes:
        raise ValueError(f"{label}: declares {total:,} bytes, at most {limits.total_bytes:,}")
    if total > limits.free_bytes and total > limits.ratio * packed:
        raise ValueError(
            f"{label}: {packed:,} bytes declare {total:,}, more than {limits.ratio} times as many: "
            "a zip bomb, or something to unpack by hand"
        )


def _check_ends(reader: Reader, archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> None:
    """An archive in an archive must not be taken for the whole, which zipfile does when one is cut.

    The first entry begins the file, and the end record with its comment ends it.
    """
    reader.seek(reader.size - _END - len(archive.comment))
    end = reader.read(_END)
    whole = end.startswith(ZIP_END) and int.from_bytes(end[-2:], "little") == len(archive.comment)
    if not whole or min((info.header_offset for info in infos), default=0) != 0:
        raise ValueError(f"{reader.label}: is cut off, or has something around its zip archive")


def _check_overlap(label: str, infos: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes let a small file declare any size."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise ValueError(f"{label}: the entry {info.filename!r} overlaps another")
        end = info.header_offset + _HEADER + info.compress_size


def _open_folder(folder: Path, limits: Limits) -> Archive:
    entries: list[Entry] = []
    for path in _files(folder, folder, limits):
        name = path.relative_to(folder).as_posix()
        _check_name(str(folder), name)
        entries.append(Entry(name, path.stat().st_size, str(path), _opener(path)))
    _check_sizes(str(folder), [entry.size for entry in entries], limits.total_bytes, limits)
    return Archive(str(folder), entries)


def _opener(path: Path) -> Callable[[], Reader]:
    def opened() -> Reader:
        if path.is_symlink():
            raise ValueError(f"{path}: is a link")
        return open_reader(path)

    return opened


def _files(root: Path, folder: Path, limits: Limits) -> list[Path]:
    found: list[Path] = []
    try:
        listed: list[Any] = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be read: {error.strerror or error}") from None
    for entry in listed:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            found.extend(_files(root, path, limits))
        elif entry.is_file(follow_symlinks=False):
            found.append(path)
        else:
            raise ValueError(f"{root}: {path.relative_to(root)} is a link or device, no file")
        if len(found) > limits.entries:
            raise ValueError(f"{root}: more than {limits.entries:,} files")
    return found
