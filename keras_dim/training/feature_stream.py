"""One feature of an encoder that runs here or on a server."""

import functools
import hashlib
import json
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_dim import encoders
from keras_dim import evaluation
from keras_dim import serving


class FeatureStream:
    """Turns batches of images into batches of one feature.

    Args:
        encoder: `keras.Model`, or a `keras_dim.serving.Client` of one.
        feature: str or None. Name of the feature; None for the encoder's
            default.
        batch_size: int. Largest number of images in a batch.

    Attributes:
        feature: str.
        batch_size: int.
        image_shape: tuple. `(height, width, channels)` of the encoder's
            input; `None` stands for any number.

    Raises:
        ValueError: if the encoder has no such feature or takes no images.
        ServerError: see `keras_dim.serving`.
    """

    def __init__(
        self,
        encoder: keras.Model | serving.Client,
        feature: str | None,
        batch_size: int,
    ):
        self.batch_size = batch_size
        if isinstance(encoder, serving.Client):
            # All features must be of one version, even if the server gets a
            # newer one.
            encoder = encoder.pinned()
            shape, feature, self._stream = _of_server(encoder, feature)
            self._identity = functools.partial(_identity_of_server, encoder)
        else:
            feature = feature or encoders.default_feature(encoder)
            encoders.features.features_of(encoder, feature)
            model = evaluation.feature_model(encoder, feature)
            shape = model.inputs[0].shape
            self._stream = functools.partial(
                evaluation.stream,
                model,
                features=feature,
                batch_size=batch_size,
            )
            self._identity = functools.partial(_identity_of_model, model)
        self.feature = feature
        self.image_shape: tuple[int | None, ...] = tuple(shape[1:])

    def __call__(
        self, batches: Iterable[dict[str, Any]]
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yields batches with the feature, `(rows, width)`, index and label."""
        return self._stream(batches)

    def width(self, image_shape: tuple[int, int, int]) -> int:
        """Returns the width of the feature, computed for one black image.

        Args:
            image_shape: tuple. `(height, width, channels)` of the images.
        """
        image = np.zeros((1, *image_shape), np.uint8)
        batch = next(iter(self._stream([{"image": image}])))
        return batch[self.feature].shape[1]

    def identity(self) -> dict[str, Any]:
        """Returns a dict for JSON that differs for another encoder.

        Of a model, a checksum of weights and layers. Of a server, its address
        and the model's name and version; without a version of the client, the
        versions that are available.
        """
        return self._identity()


def _of_server(client, feature):
    signatures = client.metadata()
    # Exports without this signature take the encoder's size by default.
    name = "native" if "native" in signatures else "serving_default"
    signature = signatures.get(name, serving.Signature({}, {}))
    images = signature.inputs.get("images", serving.TensorSpec("", None))
    if images.dtype != "uint8" or len(images.shape or ()) != 4:
        raise ValueError(
            f"{client} must take batches of images, uint8 (batch, height, "
            f"width, channels), by its signature {name!r}. It takes "
            f"{signature.inputs}"
        )
    feature = feature or encoders.default_feature(signature.outputs)
    if feature not in signature.outputs:
        raise ValueError(
            f"{client} has no feature {feature!r}. Expected one of "
            f"{sorted(signature.outputs)}."
        )
    ask = functools.partial(_ask_server, client, name, feature)
    return images.shape, feature, ask


def _ask_server(
    client: serving.Client,
    signature: str,
    feature: str,
    batches: Iterable[dict[str, Any]],
) -> Iterator[dict[str, np.ndarray]]:
    for batch in batches:
        columns = {name: np.asarray(column) for name, column in batch.items()}
        images = columns.pop("image")
        values = client.embed(images, feature, signature)
        yield {feature: values.reshape(len(images), -1), **columns}


def _identity_of_server(client):
    identity = {"server": str(client), "version": client.version}
    if client.version is None:
        # With a version, others may change and the features stay the same.
        states = client.status()
        identity["versions"] = sorted(
            key for key, state in states.items() if state == "AVAILABLE"
        )
    return identity


def _identity_of_model(model):
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(f"{weight.dtype} {weight.shape}\n".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    try:
        digest.update(json.dumps(model.get_config(), sort_keys=True).encode())
    except (NotImplementedError, TypeError):
        # A custom class without a configuration for JSON.
        digest.update(type(model).__qualname__.encode())
    return {"sha256": digest.hexdigest()}
