"""An exported encoder as a model of Beam's `RunInference`."""

import os
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from apache_beam.ml.inference import base
from google.protobuf import message
from tensorflow.core.protobuf import saved_model_pb2

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
        """Loads the export; refuses one without the signature or feature."""
        loaded = tf.saved_model.load(self._saved_model)
        signature = loaded.signatures.get(SIGNATURE)
        _check(
            self._saved_model,
            self._feature,
            loaded.signatures,
            signature and signature.structured_outputs,
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


def check_saved_model(saved_model: str, feature: str) -> None:
    """Refuses an export without a feature of files, before it is loaded.

    Raises:
        ValueError: also if the export is missing or damaged.
    """
    path = os.path.join(saved_model, "saved_model.pb")
    if not tf.io.gfile.exists(path):
        raise ValueError(
            f"There is no SavedModel in {saved_model}. Expected the folder of "
            "a version, as `keras-dim export` names it: models/digits/1"
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        data = file.read()
    try:
        graph = saved_model_pb2.SavedModel.FromString(data).meta_graphs[0]
    except (message.DecodeError, IndexError) as error:
        raise ValueError(
            f"{path} is damaged: it holds no graph in its {len(data):,} bytes. "
            "Copy or export it again."
        ) from error
    signatures = graph.signature_def
    outputs = SIGNATURE in signatures and signatures[SIGNATURE].outputs
    _check(saved_model, feature, signatures, outputs)


def _check(saved_model, feature, signatures, outputs):
    if SIGNATURE not in signatures:
        raise ValueError(
            f"{saved_model} has no signature {SIGNATURE!r}, which "
            "`keras_dim.export` writes for encoders of grey or colour images. "
            f"Received one with: {sorted(signatures)}"
        )
    if feature not in outputs:
        raise ValueError(
            f"{saved_model} has no feature {feature!r}. Expected one of "
            f"{sorted(outputs)}."
        )


def _reason(error):
    # TensorFlow writes lines of the graph before and behind the reason.
    before, _, _ = error.message.partition("[[{{node")
    text = (before.strip().splitlines() or ["no reason given"])[-1]
    return f"it cannot be decoded: {text[:200]}"
