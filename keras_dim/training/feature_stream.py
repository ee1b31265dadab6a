"""One feature of an encoder that runs here or on a server."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_dim import encoders
from keras_dim import evaluation
from keras_dim import serving


@dataclasses.dataclass(frozen=True)
class FeatureStream:
    """Turns batches of images into batches of one feature.

    Args:
        feature: str. Its name.
        image_shape: tuple. `(height, width, channels)` of the encoder's
            input; `None` stands for any number.
        run: function from batches with `"image"` to batches with the feature,
            `(rows, width)`, instead.
        identity: function that returns a dict for JSON, which differs for
            another encoder.
    """

    feature: str
    image_shape: tuple[int | None, ...]
    run: Callable[[Iterable[dict[str, Any]]], Iterator[dict[str, np.ndarray]]]
    identity: Callable[[], dict[str, Any]]

    def width(self, image_shape: tuple[int, int, int]) -> int:
        """Returns the width of the feature, computed for one black image."""
        image = np.zeros((1, *image_shape), np.uint8)
        batch = next(iter(self.run([{"image": image}])))
        return batch[self.feature].shape[1]


def feature_stream(
    encoder: keras.Model | serving.Client, feature: str | None, batch_size: int
) -> FeatureStream:
    """Returns the stream of a feature; None is the encoder's default.

    Raises:
        ValueError: if the encoder has no such feature or takes no images.
        ServerError: see `keras_dim.serving`.
    """
    if isinstance(encoder, serving.Client):
        # All features must be of one version, even if the server gets a newer
        # one.
        return _of_server(encoder.pinned(), feature)
    feature = feature or encoders.default_feature(encoder)
    encoders.features.features_of(encoder, feature)
    model = evaluation.feature_model(encoder, feature)
    return FeatureStream(
        feature,
        tuple(model.inputs[0].shape[1:]),
        functools.partial(
            evaluation.stream, model, features=feature, batch_size=batch_size
        ),
        functools.partial(_identity_of_model, model),
    )


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

    def run(batches):
        for batch in batches:
            columns = {key: np.asarray(column) for key, column in batch.items()}
            pixels = columns.pop("image")
            values = client.embed(pixels, feature, name)
            yield {feature: values.reshape(len(pixels), -1), **columns}

    def identity():
        found = {"server": str(client), "version": client.version}
        if client.version is None:
            # With a version, others may change and the features stay the same.
            states = client.status()
            found["versions"] = sorted(
                key for key, state in states.items() if state == "AVAILABLE"
            )
        return found

    return FeatureStream(feature, images.shape[1:], run, identity)


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
