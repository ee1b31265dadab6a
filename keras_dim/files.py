"""Writes files whole or not at all."""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
from collections.abc import Iterator
from typing import Any

# Errors of a full disk, a quota, and the largest file that a process may write.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Errors of a file system without hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path that becomes `path` if the block succeeds.

    Its folder is created. The temporary file lies in the same folder and has
    the same suffix, by which some writers choose their format. If the block
    raises an error, `path` is not changed and the temporary file is removed.

    Raises:
        OSError: if there is no room for the file, whatever error the writer
            raises then.
    """
    path = pathlib.Path(path)
    with _room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _hidden(path)
        temporary.touch(exist_ok=False)
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def remove_leftovers(path: str | os.PathLike) -> None:
    """Removes temporary files of killed processes that were writing `path`.

    A process that is writing it now gets a `FileNotFoundError`.
    """
    path = pathlib.Path(path)
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    name = re.compile(rf"\.{stem}-[a-z0-9_]{{8}}{suffix}")
    for other in path.parent.glob(".*"):
        if name.fullmatch(other.name):
            # Other processes may remove them, too.
            other.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary folder that becomes `path` if the block succeeds.

    See `atomic_path`.

    Raises:
        ValueError: if `path` exists.
    """
    path = pathlib.Path(path)
    refuse_existing(path)
    with _room_for(path):
        temporary = _hidden(path)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    _sync(os.path.join(folder, name))
                _sync_folder(folder)
            refuse_existing(path)
            os.rename(temporary, path)
            _sync_folder(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    write_text(path, _as_json(value))


def write_json_once(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` as JSON, unless `path` exists.

    If several processes do so at once, the file of the first one is kept.
    """
    if os.path.lexists(path):
        return
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(_as_json(value), encoding="utf-8")
            _sync(temporary)
            try:
                # Unlike a rename, this fails if the file exists by now.
                os.link(temporary, path)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
    except FileExistsError:
        return
    except FileNotFoundError:
        # The first process has removed this temporary file as a leftover.
        if not os.path.lexists(path):
            raise


def sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_existing(path: pathlib.Path) -> None:
    """Raises a `ValueError` if `path` exists."""
    if os.path.lexists(path):
        raise ValueError(
            f"Nothing is overwritten. Received: {str(path)!r}, which exists. "
            "Choose another path, or delete it first."
        )


def _hidden(path: pathlib.Path) -> pathlib.Path:
    """Returns a new hidden path in the folder and with the suffix of `path`."""
    return path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")


@contextlib.contextmanager
def _room_for(path: pathlib.Path) -> Iterator[None]:
    """Turns errors of a full disk into an `OSError` that says what to do."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            number = _number_of_no_room(cause)
            if number is not None:
                full = OSError(
                    f"There is no room for {path} ({os.strerror(number)}). "
                    "Existing files are whole. Free some space, or raise the "
                    "quota, and repeat the command; a training continues with "
                    "--resume."
                )
                full.errno = number
                raise full from error
            # Writers may fail again when they close the file.
            cause = cause.__cause__ or cause.__context__
        raise


def _number_of_no_room(error: BaseException) -> int | None:
    for number in _NO_ROOM:
        reason = os.strerror(number)
        # As in messages of TensorFlow, whose errors have no number, and Python.
        texts = (f"; {reason}", f"[Errno {number}] {reason}")
        if getattr(error, "errno", None) == number or any(
            text in str(error) for text in texts
        ):
            return number
    return None


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _sync(path: str | os.PathLike) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: str | os.PathLike) -> None:
    # The rename is durable only once the folder is on disk.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
