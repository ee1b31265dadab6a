"""An exported encoder as a model of Beam's `RunInference`."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from apache_beam.ml.inference import base

from keras_dim.data.image_header import in_one_line

SIGNATURE = "encoded_images"


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
                f"{self._saved_model} cannot be loaded: {in_one_line(error)} "
                "Expected the folder of a version, as `keras-dim export` names "
                "it, such as models/digits/1."
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
                f"{self._saved_model} has no feature {self._feature!r}. "
                f"Expected one of {sorted(outputs)}."
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


def _reason(error):
    # TensorFlow writes lines of the graph before and behind the reason.
    before, _, _ = error.message.partition("[[{{node")
    text = (before.strip().splitlines() or ["no reason given"])[-1]
    return f"it cannot be decoded: {text[:200]}"
