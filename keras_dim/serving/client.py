"""A client that extracts features with an encoder on a server."""

import contextlib
import copy
import dataclasses
import functools
import itertools
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim.batches import ranges
from keras_dim.serving import address
from keras_dim.serving import errors
from keras_dim.serving import transport


class Client(contextlib.AbstractContextManager):
    """An encoder on TensorFlow Serving, or on a server with its interface.

    Features come in the order of the images. All features of one call are from
    one version: `version` or, when the call began, the newest or the one with
    the label. A request that fails with `UNAVAILABLE` (REST: HTTP status 503,
    or a refused connection) is retried with exponential backoff until
    `timeout`; other failures are final. Threads may share a client. Proxies
    that the environment names are not used.

    Args:
        host: str. `host:port` for gRPC, or a URL of `http` or `https` for REST,
            with the path of a proxy if there is one.
        model: str. The name of the model on the server.
        version: int, str or None. The number or the label of a version.
            Defaults to None, the newest.
        batch_size: int. Most images in a request. Defaults to `32`.
        timeout: float. Seconds for one batch, with its retries and the waits
            between them. Defaults to `60.0`.
        max_retries: int or None. Most retries of a request. Defaults to None,
            no limit but `timeout`.
        max_message_bytes: int. The largest message to send or receive, in
            bytes. Defaults to `2**31 - 1`, TensorFlow Serving's own limit.

    Raises:
        ValueError: for an invalid address, name or number.
        ImportError: if the packages of the protocol cannot be imported.

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
        version: int | str | None = None,
        batch_size: int = 32,
        timeout: float = 60.0,
        max_retries: int | None = None,
        max_message_bytes: int = transport.MAX_MESSAGE_BYTES,
    ):
        self._address = address.parse_address(host)
        _check_name("model", model)
        if isinstance(version, str):
            _check_name("version", version)
        elif version is not None:
            checks.integers(0, 2**63 - 1, version=version)
            version = int(version)
        checks.integers(1, batch_size=batch_size)
        # More seconds overflow in sockets and gRPC.
        checks.between(1e-3, 1e6, timeout=timeout)
        checks.integers(0, **checks.given(max_retries=max_retries))
        checks.integers(
            1, transport.MAX_MESSAGE_BYTES, max_message_bytes=max_message_bytes
        )
        self._model = transport.Request(model, version)
        self.batch_size = batch_size
        self.timeout = float(timeout)
        self.max_retries = max_retries
        self.max_message_bytes = max_message_bytes
        self._transport = _open(self._address, max_message_bytes)
        # Of `version`; None until the server has been asked.
        self._signatures: dict[str, transport.Signature] | None = None

    @property
    def version(self) -> int | None:
        """The number of the version; None for the newest or a label's."""
        version = self._model.version
        return None if isinstance(version, str) else version

    def embed(
        self,
        images: Any,
        feature: str | None = None,
        signature: str = "serving_default",
    ) -> dict[str, np.ndarray] | np.ndarray:
        """Returns the features of images.

        Args:
            images: raw pixels, a uint8 array `(num_images, height, width,
                channels)`, or of another dtype for a model of stored values; or
                an iterable of batches of them, of `(images, labels)` or of
                dicts with `"image"`, such as a `tf.data.Dataset`.
            feature: str or None. The only feature to return. Defaults to
                None, all of them.
            signature: str. The function of the model. `"serving_default"`, the
                default, resizes images; `"native"` takes images of the
                encoder's own size.

        Returns:
            dict of float32 arrays `(num_images, ...)`, the features by name;
            or the array of `feature`.

        Raises:
            ValueError: for images that the model does not take, for no images
                at all, and for an unknown signature or feature.
            ServerError: if the server returns no features.
        """
        found = _image_batches(images, self.batch_size)
        return self._embed(found, feature, signature, "images")

    def embed_encoded(
        self, images: Iterable[bytes], feature: str | None = None
    ) -> dict[str, np.ndarray] | np.ndarray:
        """Returns the features of image files, which the server decodes.

        As `embed`, for an iterable of bytes: the contents of JPEG, PNG, WebP or
        BMP files, of any sizes. Bytes that are no image raise a
        `RequestRefusedError`.
        """
        found = _file_batches(images, self.batch_size)
        return self._embed(found, feature, "encoded_images", "encoded_images")

    def metadata(self) -> dict[str, transport.Signature]:
        """Returns the signatures of the model by name."""
        return self.pinned()._signatures

    def pinned(self) -> "Client":
        """Returns a client of the version that this client would use now.

        So the features of several calls come from one encoder, whichever
        versions go live meanwhile. It shares this client's connections and is
        closed with it.
        """
        if self._signatures is not None:
            return self
        version, signatures = self._call("metadata", self._model)
        pinned = self if self.version is not None else copy.copy(self)
        pinned._signatures = signatures
        if version is not None:
            pinned._model = transport.Request(self._model.model, version)
        return pinned

    def status(self) -> dict[int, str]:
        """Returns the state of each version: `"AVAILABLE"`, `"LOADING"`, ..."""
        return self._call("versions", self._model)

    def close(self) -> None:
        """Closes the connections, also for clients made by `pinned`.

        Any later call raises a `ValueError`.
        """
        self._transport.close()

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._model} at {address.as_text(self._address)}>"

    def _embed(self, image_batches, feature, name, input_name):
        # Invalid images are refused before the server is asked.
        first = next(image_batches, None)
        if first is None:
            raise ValueError("There are no images. Expected at least one.")
        is_array = isinstance(first, np.ndarray)
        expected = {input_name: first.dtype.name if is_array else "string"}
        client = self.pinned()
        takes = {
            key: {k: spec.dtype for k, spec in signature.inputs.items()}
            for key, signature in client._signatures.items()
            if not key.startswith("__")
        }
        if is_array and takes.get(name) == {input_name: "uint8"}:
            _check_dtype(first, "uint8")
        if takes.get(name) != expected:
            raise ValueError(
                f"{client} has no signature {name!r} that takes {expected}. It "
                f"has {takes}."
            )
        signature = client._signatures[name]
        if feature not in (None, *signature.outputs):
            raise ValueError(
                f"{client} has no feature {feature!r}."
                f"{checks.did_you_mean(feature, signature.outputs)} Expected "
                f"one of {sorted(signature.outputs)}."
            )
        names = tuple(signature.outputs) if feature is None else (feature,)
        (shape,) = (spec.shape for spec in signature.inputs.values())
        columns = {key: [] for key in names}
        for images in itertools.chain([first], image_batches):
            request = dataclasses.replace(
                client._model,
                signature_name=name,
                signature=signature,
                images=images,
                features=names,
            )
            if shape is not None:
                checks.shape(shape, **{f"images for {name!r}": request})
            answer = client._call("predict", request)
            for key, column in columns.items():
                column.append(_rows(answer.get(key), key, len(images), column))
        # One at a time, so that only one feature is in memory twice.
        found = {key: np.concatenate(columns.pop(key)) for key in names}
        return found if feature is None else found[feature]

    def _call(self, method, request):
        """Calls a method of the transport, with retries and clear errors."""
        if self._transport.is_closed:
            raise ValueError("The client has been closed.")
        try:
            return transport.with_retries(
                functools.partial(getattr(self._transport, method), request),
                self.timeout,
                self.max_retries,
            )
        except errors.ServerError as failure:
            versions = None
            if failure.code == "NOT_FOUND":
                seconds = min(self.timeout, 2.0)
                try:
                    versions = self._transport.versions(request, seconds)
                except errors.ServerError as other:
                    versions = {} if other.code == "NOT_FOUND" else None
            raise errors.explain(
                failure, request, self._address, self.timeout, versions
            ) from failure


def _open(server, max_message_bytes):
    # Imported only when used: one loads TensorFlow, the other urllib3.
    try:
        if server.scheme == "grpc":
            from keras_dim.serving.grpc_transport import (
                GrpcTransport as Transport,
            )
        else:
            from keras_dim.serving.rest_transport import (
                RestTransport as Transport,
            )
    except ImportError as error:
        raise ImportError(
            f'The client needs `pip install "keras-dim[serving]"`: {error}. '
            "For REST (http://host:8501 instead of host:8500) urllib3 suffices."
        ) from error
    return Transport(server, max_message_bytes)


def _check_name(argument, name):
    # Lone surrogates, which cannot be encoded, are not printable.
    if not (isinstance(name, str) and name.strip() and name.isprintable()):
        raise ValueError(
            f"`{argument}` must be a name on the server. Received: {name!r}"
        )


def _image_batches(images: Any, batch_size: int) -> Iterator[np.ndarray]:
    expected = None
    for columns in batches.iterate(images, batch_size, "Client.embed"):
        found = columns["image"]
        batches.check_spec(found.shape, found.dtype, None, "Client.embed")
        if expected is None and found.dtype.name in ranges.DTYPES:
            expected = found.dtype.name
        _check_dtype(found, expected or "uint8")
        yield found


def _check_dtype(images: np.ndarray, expected: str) -> None:
    if images.dtype.name != expected or not images.size:
        raise ValueError(
            f"Client.embed expects raw pixels of dtype {expected}. Received: "
            f"dtype {images.dtype}, shape {images.shape}. numpy.clip("
            "numpy.rint(images), 0, 255).astype('uint8') makes uint8 of "
            "floats in [0, 255]."
        )


def _file_batches(files: Any, batch_size: int) -> Iterator[list[bytes]]:
    files = iter(files)
    while batch := list(itertools.islice(files, batch_size)):
        for file in batch:
            if not isinstance(file, bytes | bytearray | memoryview):
                raise ValueError(
                    "Encoded images must be a list of bytes, such as [pathlib."
                    "Path('photo.jpeg').read_bytes()]. Received one of type "
                    f"{type(file).__name__}"
                )
        yield list(map(bytes, batch))


def _rows(values, feature, num_images, earlier):
    """Returns the values of a feature, which must have a row for each image."""
    if values is None or values.shape[:1] != (num_images,):
        raise errors.UnexpectedAnswerError(
            f"The server must return the feature {feature!r} with one row for "
            f"each of {num_images} images. Received shape: "
            f"{getattr(values, 'shape', None)}"
        )
    if earlier and values.shape[1:] != earlier[0].shape[1:]:
        raise ValueError(
            f"The shape of the feature {feature!r} depends on the size of the "
            "images. Embed images of one size at a time. Received: "
            f"{values.shape[1:]} after {earlier[0].shape[1:]}"
        )
    return values
