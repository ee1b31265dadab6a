"""The folder of an embedding in shards, and its manifest."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_dim import files
from keras_dim.training import run_folder

MANIFEST = "embed.json"
# Each shard is three files in one folder.
MAX_SHARDS = 1_000_000


class EmbeddingShards:
    """The folder into which workers write the shards of one embedding.

    A shard is an array and two tables. Each file is written whole or not at
    all, the array last: if it exists, the shard is done. The manifest,
    `embed.json`, describes the source and the encoder. The first worker writes
    it; that of every other worker must be equal.
    """

    def __init__(self, folder: pathlib.Path, num_shards: int):
        self.folder = folder
        self.num_shards = num_shards

    def paths(self, shard: int) -> tuple[pathlib.Path, ...]:
        """Returns the paths of the array, the index and the skipped images."""
        number = f"{shard:05d}-of-{self.num_shards:05d}"
        return (
            self.folder / f"features-{number}.npy",
            self.folder / f"index-{number}.csv",
            self.folder / f"skipped-{number}.csv",
        )

    def rows(self, shard: int, num_images: int) -> range:
        """Returns the indices of the images of a shard."""
        return range(
            num_images * shard // self.num_shards,
            num_images * (shard + 1) // self.num_shards,
        )

    def is_done(self, shard: int) -> bool:
        """Returns whether a shard has been written."""
        return self.paths(shard)[0].exists()

    def begin(self, manifest: dict[str, Any]) -> None:
        """Writes the manifest, or raises a `ValueError` if another one exists.

        Args:
            manifest: dict for JSON. Everything that the features depend on.
        """
        path = self.folder / MANIFEST
        if os.path.lexists(self.folder):
            is_folder = self.folder.is_dir()
            names = os.listdir(self.folder) if is_folder else ["other"]
            # A hidden file may be the manifest that another worker is writing.
            if MANIFEST not in names and any(name[0] != "." for name in names):
                raise ValueError(
                    f"{self.folder} exists and holds no embedding in shards: "
                    f"it has no {MANIFEST}. Choose another folder."
                )
        files.write_json_once(path, manifest)
        files.remove_leftovers(path)
        changes = run_folder.differences(_read_manifest(path), manifest)
        if changes:
            raise ValueError(
                f"{self.folder} was begun as another embedding: {changes}. "
                "Pass the same arguments as then, or choose a new folder."
            )

    @contextlib.contextmanager
    def writing(self, shard: int) -> Iterator[tuple[pathlib.Path, ...]]:
        """Yields temporary paths that become `paths(shard)`, the array last."""
        try:
            with contextlib.ExitStack() as stack:
                yield tuple(
                    stack.enter_context(files.atomic_path(path))
                    for path in self.paths(shard)
                )
        except FileNotFoundError:
            # Another process has written the same shard in the meantime and
            # removed our files, see `remove_leftovers`.
            if not self.is_done(shard):
                raise

    def remove_leftovers(self, shard: int) -> None:
        """Removes what other writers, killed or not, left of a done shard."""
        for path in self.paths(shard):
            files.remove_leftovers(path)


def read_embedding(folder: str | os.PathLike) -> list[np.ndarray]:
    """Maps the features of all shards.

    Args:
        folder: str or path. The output of `embed(num_shards=...)`.

    Returns:
        list of float32 arrays `(rows, width)`, one for each shard, in order.
        They are mapped from the files and read when they are used.

    Raises:
        ValueError: if shards are missing, or if the folder holds no embedding
            in shards.

    Example:
    ```python
    features = numpy.concatenate(keras_dim.training.read_embedding("features"))
    ```
    """
    folder = pathlib.Path(folder)
    if not (folder / MANIFEST).is_file():
        raise ValueError(
            f"There is no {MANIFEST} in {folder}: it is no embedding in "
            "shards. One that was made without `num_shards` is the array "
            "features.npy."
        )
    shards = EmbeddingShards(
        folder, _read_manifest(folder / MANIFEST)["num_shards"]
    )
    numbers = range(shards.num_shards)
    missing = [number for number in numbers if not shards.is_done(number)]
    if missing:
        raise ValueError(
            f"{len(missing)} of {shards.num_shards} shards are missing in "
            f"{folder}, the first of them number {missing[0]}. The same "
            "`embed` again writes them."
        )
    return [
        np.load(shards.paths(number)[0], mmap_mode="r", allow_pickle=False)
        for number in numbers
    ]


def _read_manifest(path):
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        num_shards = manifest["num_shards"]
        if type(num_shards) is not int or not 1 <= num_shards <= MAX_SHARDS:
            raise ValueError(f"num_shards is {num_shards!r:.40}")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged: {error!r:.200}. Put the file back, or choose "
            "a new folder."
        ) from error
    return manifest
