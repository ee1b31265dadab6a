"""An encoder that runs on a server, in the place of one that runs here."""

import copy
import itertools
import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_dim.serving import batching
from keras_dim.serving import errors
from keras_dim.serving import explaining
from keras_dim.serving import retrying
from keras_dim.serving.address import parse_address
from keras_dim.serving.grpc_transport import GrpcTransport
from keras_dim.serving.rest_transport import RestTransport
from keras_dim.serving.transport import MAX_MESSAGE_BYTES
from keras_dim.serving.transport import Failure
from keras_dim.serving.transport import Metadata
from keras_dim.serving.transport import ModelName
from keras_dim.serving.transport import Signature

IMAGES = "images"
ENCODED_IMAGES = "encoded_images"

# How long to ask what a server does serve, when it does not serve a model.
_SECONDS_TO_EXPLAIN = 2.0

# What a message has beside its rows: names, sizes, tags.
_BYTES_BESIDE_ROWS = 4096


class Client:
    """An encoder that TensorFlow Serving, or what speaks like it, runs.

    It speaks gRPC to `"host:8500"` and REST to `"http://host:8501"`. gRPC
    sends pixels as they are and needs TensorFlow's packages; REST writes them
    out as JSON, at up to four times the bytes, and needs none of them.

    Features come in the order of the images, whatever the batches, and all
    that one call returns are of one version of the model: without `version`,
    of the one that is the newest when the call begins, or that has the label
    then. A request
    that the server answers with `UNAVAILABLE` (REST: HTTP status 503, or a
    refused connection) is sent again after a wait that grows; any other
    failure is final. A client may be used by several threads, and closes its
    connection at the end of a `with` block. Connections are made directly,
    past any proxy that the environment names.

    Args:
        host: str. `"host:port"` for gRPC, `"http://host:port"` or
            `"https://host:port"` for REST, where a path may follow that the
            server's own begins after. IPv6 addresses stand in brackets.
        model: str. The name of the model on the server.
        version: int or None. Defaults to None, the newest.
        label: str or None. The label of a version, instead of `version`.
            Defaults to None.
        batch_size: int. Most images in a request. Defaults to `32`.
        timeout: float. Seconds that one batch may take, its retries and the
            waits between them included. Defaults to `60.0`.
        max_retries: int or None. How often a request is sent again. Defaults
            to None, as often as `timeout` has room for.
        max_message_bytes: int. The largest message to be sent or received,
            where there is something between that allows less than TensorFlow
            Serving does. Defaults to `2**31 - 1`.

    Raises:
        ValueError: for an address, a name or a number that makes no sense.
        ImportError: for gRPC where its packages cannot be imported.

    Example:
    ```python
    with keras_dim.serving.Client("localhost:8500", "digits") as client:
        features = client.embed(images)  # uint8 (n, height, width, channels)
        features["global"].shape  # (n, units)
    ```
    """

    def __init__(
        self,
        host: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        batch_size: int = 32,
        timeout: float = 60.0,
        max_retries: int | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ):
        self._address = parse_address(host)
        self._model = _model_name(model, version, label)
        self.batch_size = _whole("batch_size", batch_size, 1)
        self.timeout = _seconds(timeout)
        self.max_retries = (
            None
            if max_retries is None
            else _whole("max_retries", max_retries, 0)
        )
        self.max_message_bytes = _whole(
            "max_message_bytes", max_message_bytes, 1, MAX_MESSAGE_BYTES
        )
        is_grpc = self._address.protocol == "grpc"
        transport = GrpcTransport if is_grpc else RestTransport
        self._transport = transport(self._address, self.max_message_bytes)
        # Of a version that is known by its number, and so does not change.
        self._known: Metadata | None = None

    @property
    def version(self) -> int | None:
        """The version that is asked. None: the newest, or that of a label."""
        return self._model.version

    def embed(
        self,
        images: Any,
        feature: str | None = None,
        signature: str = "serving_default",
    ) -> dict[str, np.ndarray] | np.ndarray:
        """Returns the features of images.

        Args:
            images: raw pixels, a uint8 array `(num_images, height, width,
                channels)`; or an iterable of such batches, such as a
                `tf.data.Dataset` or a generator, of `(images, labels)` pairs
                or of dicts with `"image"`.
            feature: str or None. The name of the only feature that is wanted.
                Defaults to None, all of them.
            signature: str. The function of the model. `"serving_default"`
                takes images of any size and resizes them, `"native"` takes
                those of the encoder's own. Defaults to `"serving_default"`.

        Returns:
            dict of float32 arrays, the features by their names, `(num_images,
            ...)`; or the one array of `feature`.

        Raises:
            ValueError: for images that the model does not take, no images at
                all, and a signature or feature that it does not have.
            ServerError: one of its kinds, see `keras_dim.serving.errors`.
        """
        batches = batching.image_batches(images, self.batch_size)
        return self._embed(batches, feature, signature, IMAGES, "uint8")

    def embed_encoded(
        self, images: Iterable[bytes], feature: str | None = None
    ) -> dict[str, np.ndarray] | np.ndarray:
        """Returns the features of image files, which the server decodes.

        Args:
            images: iterable of bytes. The contents of JPEG, PNG, WebP or BMP
                files, of any sizes.
            feature: str or None. As of `embed`.

        Returns:
            As `embed`.

        Raises:
            ValueError: for what is no bytes, no images at all, and a model
                that does not take files or lacks the feature.
            ServerError: one of its kinds; `RequestRefusedError` for bytes
                that are no image.

        Example:
        ```python
        files = [path.read_bytes() for path in pathlib.Path("photos").iterdir()]
        client.embed_encoded(files, "global")  # (num_files, units)
        ```
        """
        batches = batching.encoded_batches(images, self.batch_size)
        return self._embed(
            batches, feature, ENCODED_IMAGES, ENCODED_IMAGES, "string"
        )

    def metadata(self) -> dict[str, Signature]:
        """Returns what the model takes and gives.

        Returns:
            dict of `Signature`, each with `inputs` and `outputs`, dicts of
            `TensorSpec` with `dtype` and `shape`.

        Raises:
            ServerError: one of its kinds.

        Example:
        ```python
        client.metadata()["native"].inputs["images"].shape  # (None, 32, 32, 3)
        ```
        """
        return self._metadata().signatures

    def pinned(self) -> "Client":
        """Returns a client of the version that this one would ask now.

        For several calls whose features are to be of one encoder, whatever
        goes live between them. It shares this client's connection, and is
        closed with it.

        Raises:
            ServerError: one of its kinds.

        Example:
        ```python
        client = client.pinned()
        features = [client.embed(images, "global") for images in parts]
        ```
        """
        pinned = copy.copy(self)
        pinned._known = self._metadata()
        pinned._model = self._in_version(pinned._known.version)
        return pinned

    def status(self) -> dict[int, str]:
        """Returns the state of each version of the model.

        Returns:
            dict. `"AVAILABLE"`, or `"START"`, `"LOADING"`, `"UNLOADING"` or
            `"END"`, by version.

        Raises:
            ServerError: one of its kinds.
        """
        return self._call(
            lambda timeout: self._transport.versions(self._model, timeout),
            self._request(self._model),
        )

    def input_shape(
        self, signature: str = "native"
    ) -> tuple[int | None, ...] | None:
        """Returns the shape of the images that a signature takes.

        Args:
            signature: str. Defaults to `"native"`.

        Returns:
            tuple. `(None, height, width, channels)`, None for any number; or
            None for any shape.

        Raises:
            ValueError: if the model has no such signature of images.
            ServerError: one of its kinds.
        """
        found = self._signature(self._metadata(), signature, IMAGES, "uint8")
        return found.inputs[IMAGES].shape

    def close(self) -> None:
        """Closes the connection. The client cannot be used afterwards."""
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._model} at {self._address}>"

    def _embed(self, batches, feature, name, input_name, dtype):
        if feature is not None and not isinstance(feature, str):
            raise ValueError(
                "`feature` must be the name of one feature, or None for all. "
                f"Received: {feature!r}"
            )
        # What is no image is refused before anybody is asked.
        batches = _at_least_one(batches)
        metadata = self._metadata()
        model = self._in_version(metadata.version)
        signature = self._signature(metadata, name, input_name, dtype)
        features = self._features(signature, feature)
        columns: dict[str, list[np.ndarray]] = {}
        for batch in batches:
            self._check_shape(batch, name, signature.inputs[input_name].shape)
            self._check_size(batch)
            answer = self._predict(model, batch, name, signature, features)
            for wanted in features:
                parts = columns.setdefault(wanted, [])
                parts.append(answer[wanted])
                _check_parts(wanted, parts)
        # One column at a time, so that only one of them is in memory twice.
        found = {
            wanted: np.concatenate(columns.pop(wanted))
            for wanted in list(columns)
        }
        return found if feature is None else found[feature]

    def _metadata(self) -> Metadata:
        if self._known is not None:
            return self._known
        metadata = self._call(
            lambda timeout: self._transport.metadata(self._model, timeout),
            self._request(self._model),
        )
        if self._model.version is not None:
            self._known = metadata
        return metadata

    def _in_version(self, version: int | None) -> ModelName:
        """The model's name with the version that the server names, if any."""
        if version is None:
            return self._model
        return ModelName(self._model.name, version)

    def _predict(self, model, batch, name, signature, features):
        def attempt(timeout):
            return self._transport.predict(
                model, name, signature, batch, features, timeout
            )

        request = self._request(model, _shape(batch), name, signature)
        answer = self._call(attempt, request)
        for feature in features:
            values = answer.get(feature)
            if values is None or values.shape[:1] != (len(batch),):
                came = "nothing" if values is None else values.shape
                raise errors.UnexpectedAnswerError(
                    f"{self._address} must give the feature {feature!r} with "
                    f"one row to an image. Received: {came} for {len(batch)} "
                    "images"
                )
        return answer

    def _check_shape(self, batch, name, expected):
        if not _fits(_shape(batch), expected):
            hint = (
                ""
                if name == "serving_default"
                else " The signature 'serving_default' resizes images."
            )
            raise ValueError(
                f"The images do not fit the model {self._model}. Expected "
                f"batches of shape {expected} for its signature {name!r}. "
                f"Received: {_shape(batch)}.{hint}"
            )

    def _signature(self, metadata, name, input_name, dtype) -> Signature:
        """The signature of a name, which must take what is to be sent."""
        signatures = metadata.signatures
        if name not in signatures:
            public = sorted(n for n in signatures if not n.startswith("__"))
            raise ValueError(
                f"The model {self._model} at {self._address} has no signature "
                f"{name!r}. Expected one of {public}. `keras_dim.export` "
                "writes models that have 'serving_default', 'native' and "
                "'encoded_images'."
            )
        inputs = signatures[name].inputs
        takes = {key: spec.dtype for key, spec in inputs.items()}
        if takes != {input_name: dtype}:
            raise ValueError(
                f"The signature {name!r} of the model {self._model} must take "
                f"{ {input_name: dtype} } to be used here. It takes {takes}."
            )
        return signatures[name]

    def _features(self, signature, feature):
        if feature is None:
            return tuple(signature.outputs)
        if feature not in signature.outputs:
            raise ValueError(
                f"The model {self._model} at {self._address} has no feature "
                f"{feature!r}. Expected one of {sorted(signature.outputs)}."
            )
        return (feature,)

    def _check_size(self, batch):
        """Refuses a batch whose message might be too large."""
        row = self._transport.bytes_per_row(batch)
        rows = (self.max_message_bytes - _BYTES_BESIDE_ROWS) // row
        if len(batch) > rows:
            raise explaining.too_large(
                f"A message of {len(batch)} images has up to "
                f"{len(batch) * row + _BYTES_BESIDE_ROWS:,} bytes, and "
                f"`max_message_bytes` is {self.max_message_bytes:,}.",
                max(rows, 0),
            )

    def _request(self, model, shape=None, name=None, signature=None):
        return explaining.Request(
            self._address, model, self.timeout, shape, name, signature
        )

    def _call(
        self, attempt: Callable[[float], Any], request: explaining.Request
    ) -> Any:
        try:
            return retrying.call(attempt, self.timeout, self.max_retries)
        except Failure as failure:
            versions = None
            if failure.code == "NOT_FOUND":
                versions = self._versions_if_known()
            raise explaining.explain(failure, request, versions) from failure

    def _versions_if_known(self) -> dict[int, str] | None:
        try:
            return self._transport.versions(
                self._model, min(self.timeout, _SECONDS_TO_EXPLAIN)
            )
        except Failure as failure:
            return {} if failure.code == "NOT_FOUND" else None


def _model_name(model, version, label):
    if not isinstance(model, str) or not model.strip():
        raise ValueError(
            "`model` must be the name of a model on the server. Received: "
            f"{model!r}"
        )
    # Raises UnicodeEncodeError, a ValueError, for half a character.
    model.encode()
    if version is not None and label is not None:
        raise ValueError(
            "`version` and `label` are two ways to say the same: pass one. "
            f"Received: version={version!r}, label={label!r}"
        )
    if version is not None:
        version = _whole("version", version, 0, 2**63 - 1)
    if label is not None and not (isinstance(label, str) and label):
        raise ValueError(
            f"`label` must be the label of a version. Received: {label!r}"
        )
    return ModelName(model, version, label)


def _whole(name, value, least, most=math.inf):
    whole = isinstance(value, int) or hasattr(value, "__index__")
    if isinstance(value, bool) or not whole or not least <= value <= most:
        limits = (
            f"at least {least}" if most == math.inf else f"{least} to {most}"
        )
        raise ValueError(
            f"`{name}` must be an integer of {limits}. Received: {value!r}"
        )
    return int(value)


def _seconds(timeout):
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    # Beyond this, sockets and gRPC count the wrong way round.
    if not number or not 0 < timeout <= 1e6:
        raise ValueError(
            "`timeout` must be a number of seconds above 0 and up to "
            f"1,000,000. Received: {timeout!r}"
        )
    return float(timeout)


def _at_least_one(batches: Iterator[Any]) -> Iterator[Any]:
    """Returns the batches, once it has seen that there is one."""
    for first in batches:
        return itertools.chain([first], batches)
    raise ValueError(
        "There are no images to extract features from. Received an empty "
        "array, list or data set."
    )


def _shape(batch):
    # NumPy would first make an array of a list.
    return batch.shape if isinstance(batch, np.ndarray) else (len(batch),)


def _check_parts(feature, parts):
    first, last = parts[0].shape[1:], parts[-1].shape[1:]
    if first != last:
        raise ValueError(
            f"The feature {feature!r} of images of another size has another "
            "shape. Embed images of one size at a time. Received: "
            f"{last} after {first}"
        )


def _fits(shape, expected):
    if expected is None:
        return True
    return len(shape) == len(expected) and all(
        size in (None, received)
        for size, received in zip(expected, shape, strict=True)
    )
