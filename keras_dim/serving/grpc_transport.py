"""Models on a server by gRPC, which sends pixels as they are."""

import math
import types

import numpy as np

from keras_dim.serving.address import Address
from keras_dim.serving.transport import Failure
from keras_dim.serving.transport import Metadata
from keras_dim.serving.transport import Signature
from keras_dim.serving.transport import TensorSpec
from keras_dim.serving.transport import Transport
from keras_dim.serving.transport import dtype_name

# Around the bytes of a string: its tag and its length.
_BYTES_AROUND_STRING = 6
_METADATA = "signature_def"


class GrpcTransport(Transport):
    """Models on a server by gRPC.

    Args:
        address: `Address` of the protocol `"grpc"`. The connection is not
            encrypted, as TensorFlow Serving's is not unless told so.
        max_message_bytes: int. The most that is sent and received.

    Raises:
        ImportError: if the protocol's packages are not installed.
    """

    def __init__(self, address: Address, max_message_bytes: int):
        self._libraries = _libraries()
        self._channel = self._libraries.grpc.insecure_channel(
            # Bare, a host named "unix" would be taken for a kind of address.
            f"dns:///{address.host_and_port}",
            options=[
                # gRPC's own limit is 4 MB.
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.max_receive_message_length", max_message_bytes),
                # After a refused connection gRPC answers from memory, for 1
                # to 120 seconds by itself: our retries would ask nobody. How
                # long a connection may take to be made is another option.
                ("grpc.initial_reconnect_backoff_ms", 50),
                ("grpc.max_reconnect_backoff_ms", 500),
                # As REST does it: servers of features are near.
                ("grpc.enable_http_proxy", 0),
            ],
        )
        self._predictions = self._libraries.predictions.PredictionServiceStub(
            self._channel
        )
        self._models = self._libraries.models.ModelServiceStub(self._channel)

    def predict(
        self, model, signature_name, signature, values, features, timeout
    ):
        request = self._libraries.predict.PredictRequest()
        _name_model(request.model_spec, model)
        request.model_spec.signature_name = signature_name
        (input_name,) = signature.inputs
        _fill(request.inputs[input_name], values)
        request.output_filter.extend(features)
        response = self._ask(self._predictions.Predict, request, timeout)
        return {
            name: _to_array(name, tensor)
            for name, tensor in response.outputs.items()
        }

    def metadata(self, model, timeout):
        messages = self._libraries.metadata
        request = messages.GetModelMetadataRequest(metadata_field=[_METADATA])
        _name_model(request.model_spec, model)
        response = self._ask(
            self._predictions.GetModelMetadata, request, timeout
        )
        found = messages.SignatureDefMap()
        try:
            unpacked = response.metadata[_METADATA].Unpack(found)
        except self._libraries.protobuf.DecodeError as error:
            raise Failure("INTERNAL", "the metadata are damaged") from error
        if not unpacked:
            raise Failure("INTERNAL", "the metadata have no signatures")
        spec = response.model_spec
        return Metadata(
            spec.version.value if spec.HasField("version") else None,
            {
                name: Signature(
                    _specs(signature.inputs), _specs(signature.outputs)
                )
                for name, signature in found.signature_def.items()
            },
        )

    def versions(self, model, timeout):
        request = self._libraries.status.GetModelStatusRequest()
        request.model_spec.name = model.name
        response = self._ask(self._models.GetModelStatus, request, timeout)
        return {
            status.version: status.State.Name(status.state)
            for status in response.model_version_status
        }

    def bytes_per_row(self, values):
        if isinstance(values, np.ndarray):
            return math.prod(values.shape[1:])
        return max(map(len, values)) + _BYTES_AROUND_STRING

    def close(self):
        self._channel.close()

    def _ask(self, method, request, timeout):
        try:
            return method(request, timeout=timeout)
        except self._libraries.grpc.RpcError as error:
            raise Failure(error.code().name, error.details() or "") from error


def _libraries() -> types.SimpleNamespace:
    # The protocol's packages import TensorFlow: seconds, for those who ask.
    try:
        import grpc
        from google.protobuf import message
        from tensorflow_serving.apis import get_model_metadata_pb2
        from tensorflow_serving.apis import get_model_status_pb2
        from tensorflow_serving.apis import model_service_pb2_grpc
        from tensorflow_serving.apis import predict_pb2
        from tensorflow_serving.apis import prediction_service_pb2_grpc
    except ImportError as error:
        raise ImportError(
            "gRPC needs tensorflow-serving-api and grpcio: pip install "
            "tensorflow-serving-api. REST needs neither: write "
            "http://host:8501 instead of host:8500. What could not be "
            f"imported: {error}"
        ) from error
    return types.SimpleNamespace(
        grpc=grpc,
        metadata=get_model_metadata_pb2,
        models=model_service_pb2_grpc,
        predict=predict_pb2,
        predictions=prediction_service_pb2_grpc,
        protobuf=message,
        status=get_model_status_pb2,
    )


def _name_model(spec, model):
    spec.name = model.name
    if model.version is not None:
        spec.version.value = model.version
    elif model.label is not None:
        spec.version_label = model.label


def _fill(tensor, values):
    if isinstance(values, np.ndarray):
        tensor.dtype = _number_of(tensor, "DT_UINT8")
        for size in values.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = values.tobytes()
    else:
        tensor.dtype = _number_of(tensor, "DT_STRING")
        tensor.tensor_shape.dim.add(size=len(values))
        tensor.string_val.extend(values)


def _to_array(name, tensor):
    if tensor.dtype != _number_of(tensor, "DT_FLOAT"):
        raise Failure(
            "INTERNAL",
            f"the feature {name!r} is {_dtype_of(tensor)}, not float32",
        )
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if min(shape, default=0) < 0 or len(tensor.tensor_content) % 4:
        raise Failure(
            "INTERNAL",
            f"the feature {name!r} has {len(tensor.tensor_content)} bytes for "
            f"the shape {shape}",
        )
    # Numbers may come as bytes or one by one.
    if tensor.tensor_content:
        values = np.frombuffer(tensor.tensor_content, "<f4")
    else:
        values = np.fromiter(tensor.float_val, "float32", len(tensor.float_val))
    if values.size != math.prod(shape):
        raise Failure(
            "INTERNAL",
            f"the feature {name!r} has {values.size} numbers for the shape "
            f"{shape}",
        )
    return values.reshape(shape)


def _specs(infos):
    return {name: _spec(info) for name, info in infos.items()}


def _spec(info):
    shape = info.tensor_shape
    return TensorSpec(
        dtype_name(_dtype_of(info)),
        None
        if shape.unknown_rank
        else tuple(None if dim.size < 0 else dim.size for dim in shape.dim),
    )


def _dtype_of(message):
    dtypes = message.DESCRIPTOR.fields_by_name["dtype"].enum_type
    value = dtypes.values_by_number.get(message.dtype)
    return value.name if value else str(message.dtype)


def _number_of(message, name):
    dtypes = message.DESCRIPTOR.fields_by_name["dtype"].enum_type
    return dtypes.values_by_name[name].number
