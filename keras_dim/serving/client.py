"""A client that extracts features with an encoder on a server."""

import copy
import itertools
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_dim.serving import batching
from keras_dim.serving import errors
from keras_dim.serving import explaining
from keras_dim.serving import retrying
from keras_dim.serving.address import Address
from keras_dim.serving.address import parse_address
from keras_dim.serving.transport import MAX_MESSAGE_BYTES
from keras_dim.serving.transport import Failure
from keras_dim.serving.transport import Metadata
from keras_dim.serving.transport import ModelName
from keras_dim.serving.transport import Request
from keras_dim.serving.transport import Signature
from keras_dim.serving.transport import Transport

IMAGES = "images"
ENCODED_IMAGES = "encoded_images"
# How long to ask for the versions of a model that was not found.
_SECONDS_TO_EXPLAIN = 2.0
# The most bytes of a message beside its images: names, sizes, tags.
_BYTES_BESIDE_IMAGES = 4096


class Client:
    """An encoder on TensorFlow Serving, or on a server with its interface.

    The client sends gRPC to `"host:8500"` and REST to `"http://host:8501"`.
    gRPC sends pixels as they are and loads TensorFlow; REST writes them as
    JSON, in up to four times the bytes, and needs no TensorFlow.

    Features come in the order of the images. All features of one call are of
    one version of the model: the chosen one, or the one that is the newest,
    or has the label, when the call begins. A request that fails with
    `UNAVAILABLE` (REST: HTTP status 503, or a refused connection) is retried
    with exponential backoff until `timeout`; other failures are final.

    Threads may share a client. A `with` block closes its connections at the
    end. Proxies that the environment names are not used.

    Args:
        host: str. `"host:port"` for gRPC, `"http://host:port"` or
            `"https://host:port"` for REST, where a path may follow, such as
            that of a proxy. IPv6 addresses stand in brackets.
        model: str. The name of the model on the server.
        version: int or None. Defaults to None, the newest.
        label: str or None. The label of a version, instead of `version`.
            Defaults to None.
        batch_size: int. Most images in a request. Defaults to `32`.
        timeout: float. Seconds for one batch, with its retries and the waits
            between them. Defaults to `60.0`.
        max_retries: int or None. Most retries of a request. Defaults to None,
            as many as `timeout` has room for.
        max_message_bytes: int. The largest message to send or receive, where
            a proxy allows less than TensorFlow Serving does. Defaults to
            `2**31 - 1`.

    Raises:
        ValueError: for an invalid address, name or number.
        ImportError: for gRPC, if its packages cannot be imported.

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
        self.batch_size = _integer("batch_size", batch_size, 1)
        self.timeout = _seconds(timeout)
        self.max_retries = max_retries
        if max_retries is not None:
            self.max_retries = _integer("max_retries", max_retries, 0)
        self.max_message_bytes = _integer(
            "max_message_bytes", max_message_bytes, 1, MAX_MESSAGE_BYTES
        )
        self._transport = _open(self._address, self.max_message_bytes)
        # Of a version with a number, which does not change.
        self._metadata: Metadata | None = None

    @property
    def version(self) -> int | None:
        """The version of the model. None: the newest, or that of a label."""
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
            feature: str or None. The only feature to return. Defaults to
                None, all of them.
            signature: str. The function of the model. `"serving_default"`
                takes images of any size and resizes them, `"native"` takes
                images of the encoder's own size. Defaults to
                `"serving_default"`.

        Returns:
            dict of float32 arrays `(num_images, ...)`, the features by their
            names; or the array of `feature`.

        Raises:
            ValueError: for images that the model does not take, for no images
                at all, and for an unknown signature or feature.
            ServerError: one of the errors in `keras_dim.serving.errors`.
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
            feature: str or None. See `embed`.

        Returns:
            See `embed`.

        Raises:
            ValueError: for anything but bytes, for no images at all, and for
                a model that does not take files or lacks the feature.
            ServerError: `RequestRefusedError` for bytes that are no image,
                and the other errors in `keras_dim.serving.errors`.

        Example:
        ```python
        files = [path.read_bytes() for path in pathlib.Path("photos").iterdir()]
        client.embed_encoded(files, "global")  # (num_files, units)
        ```
        """
        batches = batching.encoded_batches(images, self.batch_size)
        name = ENCODED_IMAGES
        return self._embed(batches, feature, name, name, "string")

    def metadata(self) -> dict[str, Signature]:
        """Returns the signatures of the model by name.

        Example:
        ```python
        client.metadata()["native"].inputs["images"].shape  # (None, 32, 32, 3)
        ```
        """
        return self.pinned()._metadata.signatures

    def pinned(self) -> "Client":
        """Returns a client of the version that this client would use now.

        It makes the features of several calls come from one encoder, whatever
        versions go live meanwhile. It shares this client's connections and is
        closed with it.

        Example:
        ```python
        client = client.pinned()
        features = [client.embed(images, "global") for images in parts]
        ```
        """
        pinned = copy.copy(self)
        if pinned._metadata is None:
            pinned._metadata = self._call("metadata", Request(self._model))
        version = pinned._metadata.version
        if version is not None:
            pinned._model = ModelName(self._model.name, version)
        if self._model.version is not None:
            self._metadata = pinned._metadata
        return pinned

    def status(self) -> dict[int, str]:
        """Returns the state of each version of the model.

        The states are `"START"`, `"LOADING"`, `"AVAILABLE"`, `"UNLOADING"` and
        `"END"`.
        """
        return self._call("versions", Request(self._model))

    def input_shape(
        self, signature: str = "native"
    ) -> tuple[int | None, ...] | None:
        """Returns the shape of the images that a signature takes.

        Args:
            signature: str. Defaults to `"native"`.

        Returns:
            tuple `(None, height, width, channels)`, None for any size; or
            None for any shape.

        Raises:
            ValueError: if the model has no such signature of images.
        """
        found = self.pinned()._signature(signature, IMAGES, "uint8")
        return found.inputs[IMAGES].shape

    def close(self) -> None:
        """Closes the connections. The client cannot be used afterwards."""
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
        # Invalid images are refused before the server is asked.
        batches = _at_least_one(batches)
        return self.pinned()._embed_pinned(
            batches, feature, name, input_name, dtype
        )

    def _embed_pinned(self, batches, feature, name, input_name, dtype):
        signature = self._signature(name, input_name, dtype)
        features = tuple(signature.outputs)
        if feature is not None:
            if feature not in features:
                raise ValueError(
                    f"The model {self._model} at {self._address} has no "
                    f"feature {feature!r}. Expected one of {sorted(features)}."
                )
            features = (feature,)
        columns: dict[str, list[np.ndarray]] = {key: [] for key in features}
        for batch in batches:
            request = Request(self._model, name, signature, batch, features)
            self._check_shape(request)
            self._check_size(request)
            answer = self._call("predict", request)
            for key, column in columns.items():
                column.append(self._rows(answer, key, len(batch)))
                _check_same_shape(key, column)
        # One feature at a time, so that only one is in memory twice.
        found = {key: np.concatenate(columns.pop(key)) for key in features}
        return found if feature is None else found[feature]

    def _signature(self, name, input_name, dtype) -> Signature:
        """Returns a signature, which must have the one input to be sent."""
        signatures = self._metadata.signatures
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

    def _check_shape(self, request):
        (spec,) = request.signature.inputs.values()
        shape, expected = request.shape, spec.shape
        if (
            expected is None
            or len(shape) == len(expected)
            and all(
                size in (None, received)
                for size, received in zip(expected, shape, strict=True)
            )
        ):
            return
        name = request.signature_name
        hint = " The signature 'serving_default' resizes images."
        raise ValueError(
            f"The images do not fit the model {self._model}. Expected batches "
            f"of shape {expected} for its signature {name!r}. Received: "
            f"{shape}.{'' if name == 'serving_default' else hint}"
        )

    def _check_size(self, request):
        """Refuses a batch whose message might be too large."""
        num_images = request.shape[0]
        size = self._transport.bytes_per_image(request.images)
        room = self.max_message_bytes - _BYTES_BESIDE_IMAGES
        if num_images * size > room:
            raise explaining.too_large(
                f"A message of {num_images} images has up to "
                f"{num_images * size + _BYTES_BESIDE_IMAGES:,} bytes, and "
                f"`max_message_bytes` is {self.max_message_bytes:,}.",
                max(room // size, 0),
            )

    def _rows(self, answer, feature, num_images):
        values = answer.get(feature)
        if values is None or values.shape[:1] != (num_images,):
            shape = "nothing" if values is None else f"shape {values.shape}"
            raise errors.UnexpectedAnswerError(
                f"{self._address} must return the feature {feature!r} with one "
                f"row for each of {num_images} images. Received: {shape}"
            )
        return values

    def _call(self, method: str, request: Request) -> Any:
        """Calls a method of the transport, with retries."""
        ask = getattr(self._transport, method)
        try:
            return retrying.call(
                lambda timeout: ask(request, timeout),
                self.timeout,
                self.max_retries,
            )
        except Failure as failure:
            versions = None
            if failure.code == "NOT_FOUND":
                versions = self._versions_if_known(request)
            raise explaining.explain(
                failure, request, self._address, self.timeout, versions
            ) from failure

    def _versions_if_known(self, request) -> dict[int, str] | None:
        timeout = min(self.timeout, _SECONDS_TO_EXPLAIN)
        try:
            return self._transport.versions(request, timeout)
        except Failure as failure:
            return {} if failure.code == "NOT_FOUND" else None


def _open(address: Address, max_message_bytes: int) -> Transport:
    # Imported only when used: one loads TensorFlow, the other urllib3.
    if address.protocol != "grpc":
        from keras_dim.serving.rest_transport import RestTransport

        return RestTransport(address, max_message_bytes)
    try:
        from keras_dim.serving.grpc_transport import GrpcTransport
    except ImportError as error:
        raise ImportError(
            "gRPC needs tensorflow-serving-api and grpcio: pip install "
            "tensorflow-serving-api. REST needs neither: write "
            f"http://host:8501 instead of host:8500. Import failed: {error}"
        ) from error
    return GrpcTransport(address, max_message_bytes)


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
            "`version` and `label` both choose a version: pass one. "
            f"Received: version={version!r}, label={label!r}"
        )
    if version is not None:
        version = _integer("version", version, 0, 2**63 - 1)
    if label is not None and not (isinstance(label, str) and label):
        raise ValueError(
            f"`label` must be the label of a version. Received: {label!r}"
        )
    return ModelName(model, version, label)


def _integer(name, value, least, most=None):
    is_integer = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_integer or value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(
            f"`{name}` must be an integer of {limits}. Received: {value!r}"
        )
    return int(value)


def _seconds(timeout):
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    # Sockets and gRPC overflow beyond this.
    if not number or not 0 < timeout <= 1e6:
        raise ValueError(
            "`timeout` must be a number of seconds above 0 and up to "
            f"1,000,000. Received: {timeout!r}"
        )
    return float(timeout)


def _at_least_one(batches: Iterator[Any]) -> Iterator[Any]:
    """Returns the batches after checking that there is one."""
    for first in batches:
        return itertools.chain([first], batches)
    raise ValueError(
        "There are no images to extract features from. Received an empty "
        "array, list or data set."
    )


def _check_same_shape(feature, arrays):
    first, last = arrays[0].shape[1:], arrays[-1].shape[1:]
    if first != last:
        raise ValueError(
            f"The feature {feature!r} of images of another size has another "
            "shape. Embed images of one size at a time. Received: "
            f"{last} after {first}"
        )
