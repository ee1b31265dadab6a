"""Embedding of image files by Apache Beam, with an exported encoder."""

import io
import os
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

SIGNATURE = "encoded_images"
_SKIPPED = "skipped"
_MAIN = "main"


class SavedModelHandler(base.ModelHandler[bytes, Any, Any]):
    """Runs the signature `encoded_images` of an export, with TensorFlow alone.

    A batch in which an image cannot be decoded is halved until that image is
    alone, so that the other images get their features. For the arguments see
    `Embed`.
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
        if SIGNATURE not in loaded.signatures:
            raise ValueError(
                f"{self._saved_model} has no signature {SIGNATURE!r}, which "
                "`keras_dim.export` writes for encoders of grey or colour "
                f"images. Received one with: {sorted(loaded.signatures)}"
            )
        outputs = loaded.signatures[SIGNATURE].structured_outputs
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

        The result of an image that cannot be decoded is a str, the reason.
        """
        return self._features(model.signatures[SIGNATURE], list(batch))

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
            # Without it, the worker that lists the files would embed them.
            | beam.Reshuffle()
            | fileio.ReadMatches()
            | beam.Map(_keyed)
        )


class Embed(beam.PTransform):
    """Embeds images: from `(key, image)` to `Embedded`.

    An image is the bytes of a JPEG, PNG, WebP or BMP file, or a file of
    `apache_beam.io.fileio`, as from `ImageFiles`. A file that is no image, or
    has more than 89,478,485 pixels, is skipped before it is decoded.

    Args:
        saved_model: str. The folder of an exported version, which every
            worker must be able to read, e.g. `gs://bucket/models/digits/1`.
        feature: str. The feature to return; maps are flattened. Defaults to
            `"global"`.
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
    # Python decodes other bytes of a file's name to lone surrogates.
    path = os.fsencode(file.metadata.path)
    return path.decode("utf-8", "backslashreplace"), file


def _read(element):
    key, image = element
    try:
        if not isinstance(image, bytes):
            image_header.check_bytes(image.metadata.size_in_bytes)
            # Its own `read` would leave the file open.
            with image.open() as opened:
                image = opened.read()
        image_header.read_header(io.BytesIO(image))
    except (OSError, ValueError) as error:
        yield beam.pvalue.TaggedOutput(_SKIPPED, (key, str(error)))
    else:
        yield key, image


def _sorted(element):
    _, found = element
    if isinstance(found, str):
        return beam.pvalue.TaggedOutput(_SKIPPED, element)
    return element


def _reason(error):
    # TensorFlow writes lines of the graph before and behind the reason.
    before, _, _ = error.message.partition("[[{{node")
    text = (before.strip().splitlines() or ["no reason given"])[-1]
    return f"it cannot be decoded: {text[:200]}"
