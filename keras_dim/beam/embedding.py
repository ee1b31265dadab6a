"""Embedding of image files by Apache Beam, with an exported encoder."""

import io
import os
import pathlib
import tempfile
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.io import fileio
from apache_beam.ml.inference import base

from keras_dim import checks
from keras_dim.data import image_header
from keras_dim.data import numpy_images
from keras_dim.data import stored_files

# The signature of pixels of 8 bits, and that of stored values.
SIGNATURE = "encoded_images"
STORED = "native"
_SKIPPED = "skipped"
_MAIN = "main"


class SavedModelHandler(base.ModelHandler[bytes, Any, Any]):
    """Runs an export on image files, with TensorFlow alone.

    The signature `encoded_images` decodes pixels of 8 bits. A batch with an
    image that cannot be decoded is halved until that image is alone, so that
    the other images get their features. An export without this signature takes
    stored values, which are read here and resized to the size that the
    signature `native` takes. For the arguments see `Embed`.
    """

    def __init__(self, saved_model: str, feature: str, batch_size: int):
        super().__init__()
        self._saved_model = saved_model
        self._feature = feature
        self._batch_size = batch_size

    def load_model(self) -> Any:
        """Loads the export.

        Raises:
            ValueError: if it is missing, damaged, or lacks the feature.
        """
        try:
            loaded = tf.saved_model.load(self._saved_model)
        except Exception as error:  # Damage leads to errors of any kind.
            raise ValueError(
                f"{self._saved_model} cannot be loaded: "
                f"{checks.in_one_line(error)} Expected the folder of a "
                "version, as `keras-dim export` names it, such as "
                "models/digits/1."
            ) from error
        known = [n for n in (SIGNATURE, STORED) if n in loaded.signatures]
        if not known:
            raise ValueError(
                f"{self._saved_model} has no signature {SIGNATURE!r} or "
                f"{STORED!r}, one of which `keras_dim.export` writes. Received "
                f"one with: {sorted(loaded.signatures)}"
            )
        outputs = loaded.signatures[known[0]].structured_outputs
        if self._feature not in outputs:
            raise ValueError(
                f"{self._saved_model} has no feature {self._feature!r}."
                f"{checks.did_you_mean(self._feature, outputs)} Expected one "
                f"of {sorted(outputs)}."
            )
        return loaded

    def run_inference(
        self,
        batch: Sequence[bytes],
        model: Any,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[np.ndarray | str]:
        """Returns the feature of each image file, float32 `(width,)`.

        The result of an image that cannot be read or decoded is a str, the
        reason.
        """
        signatures = model.signatures
        is_stored = SIGNATURE not in signatures
        if is_stored:
            native = signatures[STORED]
            spec = native.structured_input_signature[1]["images"]
        found, places, images = [""] * len(batch), [], []
        for place, encoded in enumerate(batch):
            try:
                if is_stored:
                    images.append(_stored_values(encoded, spec))
                else:
                    image_header.read_header(io.BytesIO(encoded))
                    images.append(encoded)
            except (OSError, ValueError) as error:
                found[place] = str(error)
            else:
                places.append(place)
        if images and is_stored:
            features = self._of_values(native, images, spec)
        elif images:
            features = self._features(signatures[SIGNATURE], images)
        for number, place in enumerate(places):
            found[place] = features[number]
        return found

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """Returns the arguments of `apache_beam.BatchElements`."""
        return {"max_batch_size": self._batch_size}

    def _features(self, signature, encoded):
        try:
            values = signature(encoded_images=tf.constant(encoded))
        except tf.errors.InvalidArgumentError as error:
            if len(encoded) == 1:
                return [_reason(error)]
            middle = len(encoded) // 2
            return [
                *self._features(signature, encoded[:middle]),
                *self._features(signature, encoded[middle:]),
            ]
        return list(values[self._feature].numpy().reshape(len(encoded), -1))

    def _of_values(self, signature, images, spec):
        # If any size is accepted, images may have different sizes.
        if None not in spec.shape[1:]:
            parts = [images]
        else:
            parts = [[image] for image in images]
        found = []
        for part in parts:
            values = signature(images=tf.constant(np.stack(part)))
            found += list(values[self._feature].numpy().reshape(len(part), -1))
        return found


class Embedded(NamedTuple):
    """The result of `Embed`: PCollections by the keys of the images.

    Args:
        features: of `(key, feature)`, float32 `(width,)`.
        skipped: of `(key, reason)`, for images that cannot be read or decoded.
    """

    features: beam.PCollection
    skipped: beam.PCollection


class ImageFiles(beam.PTransform):
    r"""Finds files: from a pipeline to `(path, file)`, as `Embed` takes them.

    Args:
        pattern: str. Such as `"photos/**"`, for files at any depth, on any
            file system that Beam knows. In the paths, bytes that are not
            UTF-8 are written as `\xe9`, since coders and tables take text.

    Raises:
        BeamIOError: in the pipeline, if nothing matches.
    """

    def __init__(self, pattern: str):
        super().__init__()
        self._pattern = pattern

    # Beam fails on a type hint of the result that it does not know.
    def expand(self, pipeline: Any):
        return (
            pipeline
            | fileio.MatchFiles(
                self._pattern, fileio.EmptyMatchTreatment.DISALLOW
            )
            # Otherwise the worker that lists the files would embed all of them.
            | beam.Reshuffle()
            | fileio.ReadMatches()
            | beam.Map(_keyed)
        )


class Embed(beam.PTransform):
    """Embeds images: from `(key, image)` to `Embedded`.

    An image is the bytes of a JPEG, PNG, WebP or BMP file, or a file of
    `apache_beam.io.fileio`, as from `ImageFiles`. A file that is no image, or
    has more than 89,478,485 pixels, is skipped before it is decoded.

    An encoder of stored values takes the files that
    `data.open_source(values="stored")` reads, with one image each; pages of a
    file are its bands. A file of another type or number of bands than the
    encoder takes is skipped.

    Args:
        saved_model: str. The folder of an exported version, which every
            worker must be able to read, e.g. `gs://bucket/models/digits/1`.
        feature: str. The feature to return; feature maps are flattened.
            Defaults to `"global"`.
        batch_size: int. Most images at a time. Defaults to `64`.

    Raises:
        ValueError: for a `batch_size` below 1; in the pipeline, if the export
            has no such feature.

    Example:
    ```python
    with apache_beam.Pipeline() as pipeline:
        embedded = (
            pipeline
            | keras_dim.beam.ImageFiles("photos/**")
            | keras_dim.beam.Embed("models/digits/1", feature="fc")
        )
        embedded.features | apache_beam.Map(print)
    ```
    """

    def __init__(
        self, saved_model: str, feature: str = "global", batch_size: int = 64
    ):
        super().__init__()
        checks.integers(1, batch_size=batch_size)
        self._handler = SavedModelHandler(saved_model, feature, batch_size)

    def expand(self, images: beam.PCollection):
        read = images | "Read" >> beam.FlatMap(_read).with_outputs(
            _SKIPPED, main=_MAIN
        )
        embedded = (
            read[_MAIN]
            | "Encode"
            >> base.RunInference(base.KeyedModelHandler(self._handler))
            | "Sort" >> beam.Map(_sorted).with_outputs(_SKIPPED, main=_MAIN)
        )
        skipped = (read[_SKIPPED], embedded[_SKIPPED]) | beam.Flatten()
        return Embedded(embedded[_MAIN], skipped)


def _keyed(file):
    # Python decodes bytes of a file's name that are not UTF-8 to surrogates.
    path = os.fsencode(file.metadata.path)
    return path.decode("utf-8", "backslashreplace"), file


def _read(element):
    key, image = element
    try:
        if not isinstance(image, bytes):
            image_header.check_bytes(image.metadata.size_in_bytes)
            # `image.read` would leave the file open.
            with image.open() as opened:
                image = opened.read()
        if not image:
            raise ValueError("the file is empty")
    except (OSError, ValueError) as error:
        yield beam.pvalue.TaggedOutput(_SKIPPED, (key, str(error)))
    else:
        yield key, image


def _sorted(element):
    _, found = element
    if isinstance(found, str):
        return beam.pvalue.TaggedOutput(_SKIPPED, element)
    return element


def _stored_values(encoded, spec):
    """Returns the values of an image file, of the shape and type of a spec."""
    *size, bands = spec.shape[1:]
    # Readers take a path. Other kinds of files are recognised by content.
    suffix = {b"\x93N": ".npy", b"PK": ".npz"}.get(encoded[:2], "")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"image{suffix}")
        path.write_bytes(encoded)
        header = stored_files.header(str(path))
        num_bands = header.num_pages * header.bands
        if (header.dtype, num_bands) != (spec.dtype.name, bands):
            raise ValueError(
                f"it has {num_bands} band(s) of {header.dtype}, and the "
                f"encoder takes {bands} of {spec.dtype.name}"
            )
        image = stored_files.read(str(path)).astype(header.dtype, copy=False)
    numpy_images.check_finite(image)
    shape = image.shape if None in size else (*size, bands)
    return numpy_images.convert(image, shape)


def _reason(error):
    # TensorFlow writes lines about the graph before and after the reason.
    before, _, _ = error.message.partition("[[{{node")
    text = (before.strip().splitlines() or ["no reason given"])[-1]
    return f"it cannot be decoded: {text[:200]}"
