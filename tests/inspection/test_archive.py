"""Archives: what is refused, and that nothing is read beyond what was declared."""

import io
import os
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest

from sb3_ac_ext.inspection import Limits, open_archive
from sb3_ac_ext.inspection.reader import Reader
from tests.inspection.files import folder, npz, zipped


def test_folder_and_zip_give_the_same_mapping(tmp_path):
    content = {"a.json": b"{}", "deep/b.npz": b"1234"}
    with (
        open_archive(folder(tmp_path / "folder", content)) as one,
        open_archive(zipped(tmp_path / "x.zip", content)) as two,
    ):
        for archive in (one, two):
            assert {name: entry.read(10) for name, entry in archive.items()} == content
            assert archive["deep/b.npz"].size == 4
        with two["deep/b.npz"].open() as reader:
            reader.seek(1)
            assert (reader.read(2), reader.read(), reader.read()) == (b"23", b"4", b"")


def test_numpy_reads_arrays_from_an_entry(tmp_path):
    values = {"a": np.arange(5), "b": np.ones((2, 3))}
    with open_archive(zipped(tmp_path / "x.zip", {"x.npz": npz(**values)})) as archive:
        loaded = np.load(archive["x.npz"].open(), allow_pickle=False)
        assert {name: loaded[name].tolist() for name in loaded} == {
            name: value.tolist() for name, value in values.items()
        }


def test_lines_of_any_length():
    text = b"one\n" + b"x" * 20_000 + b"\nthree"
    reader = Reader(io.BytesIO(text), len(text), "file")
    assert reader.readline() == b"one\n"
    assert reader.read(3) == b"xxx"
    assert reader.readline(100) == b"x" * 100
    assert reader.readline() == b"x" * 19_897 + b"\n"
    assert (reader.tell(), reader.left) == (len(text) - 5, 5)
    assert (reader.readline(), reader.readline()) == (b"three", b"")


def test_an_entry_is_not_read_beyond_the_limit_of_the_caller(tmp_path):
    with (
        open_archive(zipped(tmp_path / "x.zip", {"a.json": b"x" * 100})) as archive,
        pytest.raises(ValueError, match="100 bytes, at most 99 are read"),
    ):
        archive["a.json"].read(99)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../../up", "a//b", "C:/x", "a\\b", "."]
)
def test_names_that_lead_out(tmp_path, name):
    with pytest.raises(ValueError, match=r"x\.zip: the name .* (absolute|not portable)"):
        open_archive(zipped(tmp_path / "x.zip", {name: b""}))


def test_a_name_that_would_end_early(tmp_path):
    path = zipped(tmp_path / "x.zip", {"data?x": b""})
    path.write_bytes(path.read_bytes().replace(b"data?x", b"data\0x"))
    with pytest.raises(ValueError, match="not portable"):
        open_archive(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("data", "one")
        archive.writestr("data", "two")
    with pytest.raises(ValueError, match="holds 'data' twice"):
        open_archive(tmp_path / "x.zip")


def test_links_in_a_zip(tmp_path):
    info = zipfile.ZipInfo("data")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ValueError, match=r"x.zip: data: is a link"):
        open_archive(tmp_path / "x.zip")


def test_links_and_pipes_in_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="data is a link"):
        open_archive(tmp_path / "a")
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b" / "pipe")
    with pytest.raises(ValueError, match="pipe is a link or device"):
        open_archive(tmp_path / "b")
    with pytest.raises(ValueError, match="pipe: is no regular file"):
        open_archive(tmp_path / "b" / "pipe")


def test_a_link_that_replaces_a_file_after_the_folder_was_read(tmp_path):
    archive = open_archive(folder(tmp_path / "a", {"x.json": b"{}"}))
    (tmp_path / "a" / "x.json").unlink()
    (tmp_path / "a" / "x.json").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="is a link"):
        archive["x.json"].read(10_000)


def test_a_zip_bomb(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (65 << 20))
    with pytest.raises(ValueError, match=r"bomb.zip: .* more than 200 times as many: a zip bomb"):
        open_archive(path)
    assert len(open_archive(path, Limits(ratio=2000))) == 1


def test_small_archives_may_be_packed_well(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (1 << 20))
    assert open_archive(tmp_path / "x.zip")["zeros"].read(1 << 20) == b"\0" * (1 << 20)


def test_more_than_the_limits_allow(tmp_path):
    path = zipped(tmp_path / "x.zip", {str(index): b"12" for index in range(11)})
    with pytest.raises(ValueError, match="11 entries, at most 10"):
        open_archive(path, Limits(entries=10))
    with pytest.raises(ValueError, match="declares 22 bytes, at most 21"):
        open_archive(path, Limits(total_bytes=21))
    files = folder(tmp_path / "a", {str(index): b"12" for index in range(11)})
    with pytest.raises(ValueError, match="more than 10 files"):
        open_archive(files, Limits(entries=10))


def test_a_declared_size_that_is_wrong(tmp_path):
    """The directory says 5 bytes, the data hold a thousand: five are read, and refused."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packed.compress(b"x" * 1000) + packed.flush()
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", b"x" * 1000)
    raw = path.read_bytes()
    assert data in raw
    path.write_bytes(raw.replace(struct.pack("<I", 1000), struct.pack("<I", 5)))
    with pytest.raises(ValueError, match=r"x.zip: data: damaged"):
        open_archive(path)["data"].read(10)


def test_entries_that_share_bytes(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", "1" * 50)
        archive.writestr("b", "2" * 50)
        archive.filelist[1].header_offset = 0
    with pytest.raises(ValueError, match="overlaps another"):
        open_archive(tmp_path / "x.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("data", "text")
    with pytest.raises(ValueError, match="packed with method"):
        open_archive(tmp_path / "x.zip")


def test_something_before_the_archive(tmp_path):
    path = zipped(tmp_path / "x.zip", {"data": b"{}"})
    path.write_bytes(b"\x80\x04N." + path.read_bytes())
    with pytest.raises(ValueError, match="does not begin like a zip file"):
        open_archive(path)


def test_an_archive_inside_is_not_taken_for_one_that_is_cut_off(tmp_path):
    inner = zipped(tmp_path / "inner.zip", {"data": b"inner"}).read_bytes()
    path = zipped(tmp_path / "x.zip", {"data": b"outer", "policy.pth": inner})
    whole = path.read_bytes()
    for cut in (whole[: whole.rindex(b"PK\x01\x02")], whole[:-22], whole + b"more"):
        path.write_bytes(cut)
        with pytest.raises(ValueError, match=r"x\.zip: (is cut off|damaged)"):
            open_archive(path)


def test_a_comment_is_no_harm(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("data", "text")
        archive.comment = b"a comment"
    assert open_archive(tmp_path / "x.zip")["data"].read(9) == b"text"


def test_cut_off_and_changed_archives(tmp_path):
    path = zipped(tmp_path / "x.zip", {"data": np.arange(1000).tobytes()})
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(ValueError, match=r"x.zip: damaged archive"):
        open_archive(path)
    path.write_bytes(whole[:500] + b"\xff" + whole[501:])
    with pytest.raises(ValueError, match=r"x.zip: data: damaged: Bad CRC"):
        open_archive(path)["data"].read(10_000)


def test_no_such_file(tmp_path):
    with pytest.raises(ValueError, match="nothing: there is no such file"):
        open_archive(tmp_path / "nothing")
