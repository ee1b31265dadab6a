"""Requests by gRPC. The package of its messages loads TensorFlow."""

from urllib.parse import SplitResult

import grpc
import numpy as np
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from keras_dim.serving import transport

# tensorflow/core/framework/types.proto
_DT_FLOAT, _DT_STRING = 1, 7
_DT_OF_IMAGES = {"uint8": 4, "int16": 5, "uint16": 17, "float32": _DT_FLOAT}
# At most so many bytes are added to a string, and to all images of a request:
# names, sizes, tags.
_BYTES_PER_STRING, _BYTES_PER_REQUEST = 6, 4096


class GrpcTransport:
    """Requests by gRPC, unencrypted, as TensorFlow Serving answers them."""

    is_closed = False

    def __init__(self, address: SplitResult, max_message_bytes: int):
        self._max_message_bytes = max_message_bytes
        self._channel = grpc.insecure_channel(
            # Without the scheme a host named "unix" would be a file.
            f"dns:///{address.netloc}",
            options=[
                # gRPC's own limit is 4 MB.
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.max_receive_message_length", max_message_bytes),
                # gRPC's own 1 to 120 seconds would make retries useless: it
                # does not connect before they are over.
                ("grpc.initial_reconnect_backoff_ms", 50),
                ("grpc.max_reconnect_backoff_ms", 500),
                # REST connects without proxies, too.
                ("grpc.enable_http_proxy", 0),
            ],
        )
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, request, timeout):
        message = predict_pb2.PredictRequest(output_filter=request.features)
        _set_model(message.model_spec, request)
        message.model_spec.signature_name = request.signature_name
        (input_name,) = request.signature.inputs
        tensor = message.inputs[input_name]
        for size in request.shape:
            tensor.tensor_shape.dim.add(size=size)
        images = request.images
        if isinstance(images, np.ndarray):
            num_bytes = images.nbytes
            tensor.dtype = _DT_OF_IMAGES[images.dtype.name]
            # Big-endian arrays have the same dtype name.
            little = images.dtype.newbyteorder("<")
            tensor.tensor_content = images.astype(little).tobytes()
        else:
            num_bytes = sum(len(file) + _BYTES_PER_STRING for file in images)
            tensor.dtype = _DT_STRING
            tensor.string_val.extend(images)
        # protobuf itself fails on more than 2 GB.
        num_bytes += _BYTES_PER_REQUEST
        transport.check_size(num_bytes, self._max_message_bytes)
        response = _ask(self._predictions.Predict, message, timeout)
        return {
            name: _to_array(name, tensor)
            for name, tensor in response.outputs.items()
        }

    def metadata(self, request, timeout):
        message = get_model_metadata_pb2.GetModelMetadataRequest(
            metadata_field=["signature_def"]
        )
        _set_model(message.model_spec, request)
        response = _ask(self._predictions.GetModelMetadata, message, timeout)
        with transport.reading("metadata"):
            # This also decodes the signatures, a message within the message.
            answer = _to_json(response)
        return transport.parse_metadata(answer)

    def versions(self, request, timeout):
        message = get_model_status_pb2.GetModelStatusRequest()
        message.model_spec.name = request.model
        response = _ask(self._models.GetModelStatus, message, timeout)
        return transport.parse_versions(_to_json(response))

    def close(self):
        self.is_closed = True
        self._channel.close()


def _ask(method, message, timeout):
    try:
        return method(message, timeout=timeout)
    except grpc.RpcError as error:
        message = error.details() or ""
        raise transport.ServerError(message, error.code().name) from error


def _set_model(spec, request):
    spec.name = request.model
    if isinstance(request.version, str):
        spec.version_label = request.version
    elif request.version is not None:
        spec.version.value = request.version


def _to_array(name, tensor):
    with transport.reading(f"feature {name!r}"):
        if tensor.dtype != _DT_FLOAT:
            raise ValueError("it is not float32")
        # Servers send the numbers as bytes or one by one.
        content = tensor.tensor_content or np.array(tensor.float_val, "<f4")
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        return np.frombuffer(content, "<f4").reshape(shape)


def _to_json(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
