"""Files are written whole or not at all."""

import errno
import hashlib
import json
import os
import resource
import stat

import pytest

from keras_dim import files


def leftovers(folder, *expected):
    return sorted(set(os.listdir(folder)) - set(expected))


def test_a_finished_block_leaves_only_the_file(tmp_path):
    with files.atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    assert leftovers(tmp_path, "a.txt") == []


def test_the_temporary_file_has_the_same_folder_and_suffix(tmp_path):
    with files.atomic_path(tmp_path / "model.keras") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".keras"


def test_a_failed_block_leaves_the_old_file(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError, match="full"):
        with files.atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk full")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert leftovers(tmp_path, "a.txt") == []


def test_a_failed_block_makes_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with files.atomic_path(tmp_path / "a.txt"):
            raise KeyboardInterrupt
    assert leftovers(tmp_path) == []


def test_an_existing_file_is_replaced(tmp_path):
    files.write_text(tmp_path / "a.txt", "a long old text")
    files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_missing_folders_are_made(tmp_path):
    files.write_text(tmp_path / "b" / "c" / "a.txt", "x")
    assert (tmp_path / "b" / "c" / "a.txt").read_text() == "x"


def test_files_get_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "ordinary").write_text("")
    files.write_text(tmp_path / "atomic", "")
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode)
        for name in ("ordinary", "atomic")
    ]
    assert modes[0] == modes[1]


def test_text_is_written_as_utf8(tmp_path):
    files.write_text(tmp_path / "a.txt", "é")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9"


def test_json_keeps_the_order_and_ends_with_a_newline(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [2.5, None]})
    text = (tmp_path / "a.json").read_text()
    assert text.endswith("}\n")
    assert list(json.loads(text).items()) == [("b", 1), ("a", [2.5, None])]


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    files.write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "a.json", object())
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_write_json_once_keeps_the_existing_file(tmp_path):
    files.write_json_once(tmp_path / "new" / "a.json", {"a": 1})
    files.write_json_once(tmp_path / "new" / "a.json", {"a": 2})

    assert (tmp_path / "new" / "a.json").read_text() == '{\n  "a": 1\n}\n'
    assert leftovers(tmp_path / "new", "a.json") == []


@pytest.mark.parametrize("removes_leftovers", [False, True])
def test_of_two_writers_of_json_the_first_one_wins(
    tmp_path, monkeypatch, removes_leftovers
):
    link = os.link

    def come_second(source, destination):
        monkeypatch.setattr(os, "link", link)
        files.write_json_once(destination, {"a": 1})
        if removes_leftovers:
            files.remove_leftovers(destination)
        link(source, destination)

    monkeypatch.setattr(os, "link", come_second)
    files.write_json_once(tmp_path / "a.json", {"a": 2})

    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert leftovers(tmp_path, "a.json") == []


def test_json_is_written_once_on_file_systems_without_links(
    tmp_path, monkeypatch
):
    def link(source, destination):
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "link", link)
    files.write_json_once(tmp_path / "a.json", {"a": 1})

    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


def test_sha256_gives_the_example_of_the_standard(tmp_path):
    # FIPS 180-4's example "abc".
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_sha256_reads_files_larger_than_its_buffer(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "large").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert files.sha256(tmp_path / "large") == expected


@pytest.fixture
def small_files():
    """Limits files to 1,000 bytes, to imitate a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_error_of_a_full_disk_names_the_path_and_the_remedy(
    tmp_path, small_files
):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="no room for .*a.txt .*Free") as error:
        files.write_text(path, "x" * 2000)
    assert error.value.errno == errno.EFBIG
    assert path.read_text() == "before"
    assert leftovers(tmp_path, "a.txt") == []


def test_a_full_disk_is_reported_for_a_folder_too(tmp_path, small_files):
    with pytest.raises(OSError, match="no room for .*run "):
        with files.atomic_folder(tmp_path / "run") as temporary:
            files.write_text(temporary / "a.txt", "x" * 2000)
    assert leftovers(tmp_path) == []


def test_a_full_disk_is_reported_if_a_writer_hides_it(tmp_path):
    with pytest.raises(OSError, match="No space left on device"):
        with files.atomic_path(tmp_path / "a.txt"):
            try:
                raise OSError(errno.ENOSPC, "full")
            except OSError:
                # As zipfile does on closing after a failed write.
                raise ValueError("there is an open writing handle")  # noqa: B904


# Of TensorFlow, whose errors are not OSError and have no errno.
@pytest.mark.parametrize("make", [files.atomic_path, files.atomic_folder])
@pytest.mark.parametrize("kind", ["ResourceExhaustedError", "InternalError"])
def test_a_full_disk_is_recognised_by_the_message_alone(tmp_path, make, kind):
    error = type(kind, (Exception,), {})
    with pytest.raises(OSError, match="no room for .*run .*Free") as caught:
        with make(tmp_path / "run"):
            raise error(f"{tmp_path}/variables; No space left on device")
    assert caught.value.errno == errno.ENOSPC
    assert isinstance(caught.value.__cause__, error)
    assert leftovers(tmp_path) == []


def test_a_full_disk_is_reported_for_a_temporary_folder(tmp_path, monkeypatch):
    def full(*arguments, **names):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.pathlib.Path, "mkdir", full)
    with pytest.raises(OSError, match="There is no room for"):
        with files.atomic_folder(tmp_path / "run"):
            raise AssertionError("there is no folder")
    assert leftovers(tmp_path) == []


def test_a_disk_that_is_full_at_the_sync_is_reported(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="There is no room for"):
        files.write_text(tmp_path / "a.txt", "x")
    assert leftovers(tmp_path) == []


def test_other_errors_of_the_disk_are_not_changed(tmp_path):
    with pytest.raises(PermissionError, match="not yours"):
        with files.atomic_path(tmp_path / "a.txt"):
            raise PermissionError(errno.EACCES, "not yours")


def test_only_leftovers_of_the_same_file_are_removed(tmp_path):
    for name in (
        ".a-0b_cd9ef.json",
        ".a-0b_cd9ef.txt",
        ".ab-0b_cd9ef.json",
        ".a-mine.json",
        "a.json",
    ):
        (tmp_path / name).write_text("x")

    files.remove_leftovers(tmp_path / "a.json")

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".a-0b_cd9ef.txt",
        ".a-mine.json",
        ".ab-0b_cd9ef.json",
        "a.json",
    ]


def test_leftovers_may_be_removed_by_two_at_once(tmp_path, monkeypatch):
    leftover = tmp_path / ".a-0123abcd.npy"
    leftover.touch()
    # Both have listed the leftover.
    monkeypatch.setattr(
        type(tmp_path), "glob", lambda folder, pattern: [leftover, leftover]
    )
    files.remove_leftovers(tmp_path / "a.npy")

    assert leftovers(tmp_path) == []


def test_the_temporary_file_of_a_killed_process_is_recognised(tmp_path):
    with files.atomic_path(tmp_path / "a.json") as temporary:
        (tmp_path / "copy").write_text("x")
        name = temporary.name
    (tmp_path / "copy").rename(tmp_path / name)

    files.remove_leftovers(tmp_path / "a.json")

    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_finished_block_leaves_only_the_folder(tmp_path):
    with files.atomic_folder(tmp_path / "b" / "run") as temporary:
        assert temporary.parent == tmp_path / "b"
        (temporary / "inner").mkdir()
        (temporary / "inner" / "a.txt").write_text("x")
        assert not (tmp_path / "b" / "run").exists()
    assert (tmp_path / "b" / "run" / "inner" / "a.txt").read_text() == "x"
    assert leftovers(tmp_path / "b", "run") == []


def test_a_failed_block_leaves_no_folder(tmp_path):
    with pytest.raises(RuntimeError, match="full"):
        with files.atomic_folder(tmp_path / "run") as temporary:
            (temporary / "a.txt").write_text("half")
            raise RuntimeError("disk full")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_folder_replaces_nothing(tmp_path, kind):
    path = tmp_path / "run"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="Nothing is overwritten.*run"):
        with files.atomic_folder(path):
            pass
    assert leftovers(tmp_path, "run") == []


def test_a_folder_made_during_the_block_is_not_replaced(tmp_path):
    with pytest.raises(ValueError, match="Nothing is overwritten"):
        with files.atomic_folder(tmp_path / "run"):
            (tmp_path / "run").mkdir()
    assert leftovers(tmp_path, "run") == []


def test_folders_get_the_permissions_of_any_new_folder(tmp_path):
    (tmp_path / "ordinary").mkdir()
    with files.atomic_folder(tmp_path / "atomic"):
        pass
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode)
        for name in ("ordinary", "atomic")
    ]
    assert modes[0] == modes[1]
