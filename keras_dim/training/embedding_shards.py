"""The folder of an embedding in shards, and its manifest."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_dim import files
from keras_dim.data.source import printable

MANIFEST = "embed.json"
# Each shard is three files in one folder.
MAX_SHARDS = 1_000_000


class EmbeddingShards:
    """The folder into which workers write the shards of one embedding.

    A shard is an array and two tables, e.g. `features-00003-of-00064.npy`,
    `index-00003-of-00064.csv` and `skipped-00003-of-00064.csv`. Each file is
    written whole or not at all, the array last: if it exists, the shard is
    done. The manifest, `embed.json`, describes the source and the encoder.
    The first worker writes it; that of every other worker must be equal.

    Args:
        folder: path. Created by `begin`.
        num_shards: int.
    """

    def __init__(self, folder: pathlib.Path, num_shards: int):
        self.folder = folder
        self.num_shards = num_shards

    def features(self, shard: int) -> pathlib.Path:
        """Returns the path of a shard's array."""
        return self._paths(shard)[0]

    def rows(self, shard: int, num_images: int) -> range:
        """Returns the indices of the images of a shard."""
        return range(
            num_images * shard // self.num_shards,
            num_images * (shard + 1) // self.num_shards,
        )

    def is_done(self, shard: int) -> bool:
        """Returns whether a shard has been written."""
        return self.features(shard).exists()

    def missing(self) -> list[int]:
        """Returns the numbers of the shards that have not been written."""
        return [n for n in range(self.num_shards) if not self.is_done(n)]

    def refuse_other_folder(self) -> None:
        """Raises a `ValueError` for a folder that holds something else."""
        if not os.path.lexists(self.folder):
            return
        is_folder = self.folder.is_dir()
        if is_folder and (self.folder / MANIFEST).exists():
            return
        # A hidden file may be the manifest that another worker is writing.
        if is_folder and all(p.name[0] == "." for p in self.folder.iterdir()):
            return
        raise ValueError(
            f"{self.folder} exists and holds no embedding in shards: it has no "
            f"{MANIFEST}. Choose a new folder, or that of an embedding to "
            "complete."
        )

    def begin(self, manifest: dict[str, Any]) -> None:
        """Writes the manifest, or compares it with the existing one.

        Args:
            manifest: dict for JSON. Everything that the features depend on.

        Raises:
            ValueError: if they differ, with the entries that do.
        """
        path = self.folder / MANIFEST
        files.write_json_once(path, manifest)
        files.remove_leftovers(path)
        found = _read_manifest(path)
        changes = [
            f"{printable(name)} was {found.get(name)!r} and is "
            f"{manifest.get(name)!r}"
            for name in sorted({*found, *manifest})
            if found.get(name) != manifest.get(name)
        ]
        if changes:
            raise ValueError(
                f"{self.folder} was begun as another embedding: "
                f"{'; '.join(changes)}. Pass the same arguments as then, or "
                "choose a new folder."
            )

    @contextlib.contextmanager
    def writing(self, shard: int) -> Iterator[tuple[pathlib.Path, ...]]:
        """Yields temporary paths for the array, the index and the skipped.

        If the block succeeds, they become the shard, the array last. If it
        raises, the folder is left as it was.

        Args:
            shard: int.
        """
        features, index, skipped = self._paths(shard)
        try:
            with (
                files.atomic_path(features) as new_features,
                files.atomic_path(index) as new_index,
                files.atomic_path(skipped) as new_skipped,
            ):
                yield new_features, new_index, new_skipped
        except FileNotFoundError:
            # Another process has written the same shard in the meantime and
            # removed our files, see `remove_leftovers`.
            if not self.is_done(shard):
                raise

    def remove_leftovers(self, shard: int) -> None:
        """Removes the temporary files of killed writers of a finished shard.

        A process that is writing the same shard again loses its files, too;
        `writing` then ends as if it had succeeded.
        """
        for path in self._paths(shard):
            files.remove_leftovers(path)

    def _paths(self, shard):
        number = f"{shard:05d}-of-{self.num_shards:05d}"
        return (
            self.folder / f"features-{number}.npy",
            self.folder / f"index-{number}.csv",
            self.folder / f"skipped-{number}.csv",
        )


def read_embedding(folder: str | os.PathLike) -> list[np.ndarray]:
    """Maps the features of all shards.

    Args:
        folder: str or path. The output of `embed(num_shards=...)`.

    Returns:
        list of float32 arrays `(rows, width)`, one for each shard, in order.
        They are mapped from the files and read when they are used.
        `numpy.concatenate` makes one array in memory of them.

    Raises:
        ValueError: if shards are missing, naming them, or if the folder holds
            no embedding in shards.

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
    manifest = _read_manifest(folder / MANIFEST)
    shards = EmbeddingShards(folder, manifest["num_shards"])
    missing = shards.missing()
    if missing:
        raise ValueError(
            f"{len(missing)} of {shards.num_shards} shards are missing in "
            f"{folder}: {_ranges(missing)}. The same `embed` again writes them."
        )
    return [
        np.load(shards.features(number), mmap_mode="r", allow_pickle=False)
        for number in range(shards.num_shards)
    ]


def _read_manifest(path):
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        num_shards = manifest["num_shards"]
        if type(num_shards) is not int or not 1 <= num_shards <= MAX_SHARDS:
            raise ValueError(
                f"num_shards must be a number from 1 to {MAX_SHARDS:,}, not "
                f"{num_shards!r:.40}"
            )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged: it does not say what the features beside it "
            f"are of. Received: {error!r:.200}. Put the file back, or choose "
            "a new folder."
        ) from error
    return manifest


def _ranges(numbers):
    """Writes e.g. `0-3, 7` for the numbers 0, 1, 2, 3 and 7."""
    ranges = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(
        f"{first}" if first == last else f"{first}-{last}"
        for first, last in ranges
    )
