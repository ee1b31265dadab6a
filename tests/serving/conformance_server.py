"""A local server with TensorFlow Serving's two APIs, for real SavedModels.

It uses the messages of `tensorflow-serving-api`, runs the graphs in a session
as the real server does, and answers invalid requests with the real server's
status and message. It has the parts that `keras_dim.serving` uses: Predict,
GetModelMetadata and GetModelStatus; by REST the columnar format only. It
follows TensorFlow Serving's documentation and sources; tests with
`TENSORFLOW_MODEL_SERVER` show where it differs from the real server.
"""

import base64
import collections
import concurrent.futures
import dataclasses
import http.server
import json
import pathlib
import re
import threading
import time
import urllib.parse

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

MAX_MESSAGE_BYTES = 2**31 - 1
# The HTTP status for each code of gRPC.
HTTP_STATUS = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}
REST_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)"
    r"(/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>:predict|/metadata|)",
    re.IGNORECASE,
)


class Status(Exception):
    """An error to be sent as the answer."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


@dataclasses.dataclass
class Model:
    """One model of a server's configuration.

    Args:
        folder: path. It holds a folder for each version.
        versions: tuple of int or None. The versions to serve. Defaults to
            None, only the newest.
        labels: dict of version by label.
    """

    folder: pathlib.Path
    versions: tuple[int, ...] | None = None
    labels: dict[str, int] = dataclasses.field(default_factory=dict)


class ConformanceServer:
    """Serves SavedModels by gRPC and by REST.

    Args:
        models: dict of `Model` by name.
        grpc_port, rest_port: int. Defaults to `0`, any that is free.
        max_message_bytes: int. The largest request by gRPC. Defaults to
            `2**31 - 1`.
        prefix: str. The beginning of every path of REST, as behind a proxy.

    Attributes:
        grpc, rest: str. The addresses.
        calls: Counter of the calls by the name of the method.
        misbehaviour: list of functions without arguments. Each Predict first
            removes one and calls it.
    """

    def __init__(
        self,
        models,
        grpc_port=0,
        rest_port=0,
        max_message_bytes=MAX_MESSAGE_BYTES,
        prefix="",
    ):
        self.calls = collections.Counter()
        self.misbehaviour = []
        self._loaded = {}
        for name, model in models.items():
            self.serve(name, model)
        self._threads = concurrent.futures.ThreadPoolExecutor(4)
        self._grpc = self._start_grpc(grpc_port, max_message_bytes)
        self._rest = self._start_rest(rest_port, prefix)

    def serve(self, name, model):
        """Loads a model, and replaces one of the same name."""
        found = sorted(
            int(path.name)
            for path in model.folder.iterdir()
            if path.name.isdigit()
        )
        versions = model.versions or found[-1:]
        self._loaded[name] = (
            {v: Bundle(model.folder / str(v)) for v in versions},
            model.labels,
        )

    def answer_next(self, *answers):
        """Adds functions to `misbehaviour`."""
        self.misbehaviour.extend(answers)

    def close(self):
        """Stops at once, and cancels running requests."""
        self._grpc.stop(grace=0).wait()
        self._rest.shutdown()
        self._rest.server_close()
        self._threads.shutdown(wait=False)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def predict(self, request):
        """PredictionService.Predict."""
        self.calls["Predict"] += 1
        if self.misbehaviour:
            self.misbehaviour.pop(0)()
        version, bundle = self._find(request.model_spec)
        name = request.model_spec.signature_name or "serving_default"
        if name not in bundle.signatures:
            raise Status(
                "FAILED_PRECONDITION",
                f'Serving signature key "{name}" not found.',
            )
        outputs = bundle.run(
            bundle.signatures[name],
            dict(request.inputs),
            list(request.output_filter),
        )
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.signature_name = name
        response.model_spec.version.value = version
        for alias, values in outputs.items():
            _fill(response.outputs[alias], values)
        return response

    def get_model_metadata(self, request):
        """PredictionService.GetModelMetadata."""
        self.calls["GetModelMetadata"] += 1
        if not request.metadata_field:
            raise Status(
                "INVALID_ARGUMENT",
                "GetModelMetadataRequest must specify at least one "
                "metadata_field",
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise Status(
                    "INVALID_ARGUMENT",
                    f"Metadata field {field} is not supported",
                )
        version, bundle = self._find(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        response.metadata["signature_def"].Pack(bundle.signature_map())
        return response

    def get_model_status(self, request):
        """ModelService.GetModelStatus."""
        self.calls["GetModelStatus"] += 1
        spec = request.model_spec
        if spec.name not in self._loaded:
            raise Status(
                "NOT_FOUND",
                f"Could not find any versions of model {spec.name}",
            )
        bundles, _ = self._loaded[spec.name]
        wanted = [*bundles]
        if spec.HasField("version") or spec.version_label:
            wanted = [self._find(spec)[0]]
        response = get_model_status_pb2.GetModelStatusResponse()
        # The newest first.
        for version in sorted(wanted, reverse=True):
            status = response.model_version_status.add()
            status.version = version
            status.state = status.AVAILABLE
            status.status.error_code = 0
        return response

    def _find(self, spec):
        if not spec.name:
            raise Status("INVALID_ARGUMENT", "ModelSpec has no name specified.")
        bundles, labels = self._loaded.get(spec.name, ({}, {}))
        if spec.version_label:
            if spec.version_label not in labels:
                raise Status(
                    "INVALID_ARGUMENT",
                    "Unrecognized servable version label: "
                    f"{spec.version_label}",
                )
            version = labels[spec.version_label]
        elif spec.HasField("version"):
            version = spec.version.value
            if version not in bundles:
                raise Status(
                    "NOT_FOUND",
                    "Servable not found for request: "
                    f"Specific({spec.name}, {version})",
                )
        elif not bundles:
            raise Status(
                "NOT_FOUND",
                f"Servable not found for request: Latest({spec.name})",
            )
        else:
            version = max(bundles)
        return version, bundles[version]

    def _start_grpc(self, port, max_message_bytes):
        server = grpc.server(
            self._threads,
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                # A second server must not share the port unnoticed.
                ("grpc.so_reuseport", 0),
            ],
        )
        services = prediction_service_pb2_grpc
        services.add_PredictionServiceServicer_to_server(
            GrpcPredictions(self), server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            GrpcModels(self), server
        )
        self.grpc = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
        server.start()
        return server

    def _start_rest(self, port, prefix):
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", port), RestHandler
        )
        server.daemon_threads = True
        server.conformance = self
        server.prefix = prefix
        self.rest = f"http://127.0.0.1:{server.server_address[1]}{prefix}"
        # `shutdown` waits as long as one interval of polling.
        threading.Thread(
            target=server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return server


class Bundle:
    """One SavedModel in a session of its own."""

    def __init__(self, folder):
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            meta_graph = tf.compat.v1.saved_model.load(
                self._session, ["serve"], str(folder)
            )
        self.signatures = meta_graph.signature_def

    def signature_map(self):
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.signatures.items():
            found.signature_def[name].CopyFrom(signature)
        return found

    def run(self, signature, inputs, output_filter):
        sent, known = set(inputs), set(signature.inputs)
        if len(sent) != len(known):
            raise Status(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {len(sent)}!="
                f"{len(known)} len({{{','.join(sorted(sent))}}}) != "
                f"len({{{','.join(sorted(known))}}}). Sent extra: "
                f"{{{','.join(sorted(sent - known))}}}. Missing but required: "
                f"{{{','.join(sorted(known - sent))}}}.",
            )
        for alias in sent - known:
            raise Status(
                "INVALID_ARGUMENT",
                f"input tensor alias not found in signature: {alias}. Inputs "
                f"expected to be in the set {{{','.join(sorted(known))}}}.",
            )
        for alias in output_filter:
            if alias not in signature.outputs:
                raise Status(
                    "INVALID_ARGUMENT",
                    f"output tensor alias not found in signature: {alias} "
                    "Outputs expected to be in the set "
                    f"{{{','.join(sorted(signature.outputs))}}}.",
                )
        aliases = output_filter or sorted(signature.outputs)
        options = config_pb2.CallableOptions(
            feed=[signature.inputs[name].name for name in inputs],
            fetch=[signature.outputs[name].name for name in aliases],
        )
        # Session.run would check shapes in Python; the server does not.
        call = self._session._make_callable_from_options(options)
        try:
            values = call(*(_to_array(*item) for item in inputs.items()))
        except tf.errors.OpError as error:
            code = grpc_code(error.error_code).name
            raise Status(code, error.message) from error
        return dict(zip(aliases, values, strict=True))


class GrpcPredictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The two methods of PredictionService that the client uses."""

    def __init__(self, server):
        self._server = server

    def Predict(self, request, context):
        return _answer(self._server.predict, request, context)

    def GetModelMetadata(self, request, context):
        return _answer(self._server.get_model_metadata, request, context)


class GrpcModels(model_service_pb2_grpc.ModelServiceServicer):
    """The method of ModelService that the client uses."""

    def __init__(self, server):
        self._server = server

    def GetModelStatus(self, request, context):
        return _answer(self._server.get_model_status, request, context)


class RestHandler(http.server.BaseHTTPRequestHandler):
    """Translates JSON to the messages of gRPC and back."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._handle(b"")

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        self._handle(self.rfile.read(size))

    def log_message(self, format, *arguments):
        pass

    def _handle(self, body):
        path = self.path
        prefix = self.server.prefix
        if not path.startswith(f"{prefix}/v1/"):
            # TensorFlow Serving has nothing at such paths.
            self._reply(404, "text/html", b"<h1>Not Found</h1>")
            return
        try:
            answer = self._answer(path.removeprefix(prefix), body)
            self._reply(200, "application/json", answer.encode())
        except Status as status:
            self._reply(
                HTTP_STATUS.get(status.code, 500),
                "application/json",
                json.dumps({"error": str(status)}).encode(),
            )
        except (ConnectionAbortedError, BrokenPipeError):
            # `hang_up`, or the client has closed the connection.
            self.close_connection = True

    def _answer(self, path, body):
        match = REST_PATH.fullmatch(path)
        if match is None or (match["what"] == ":predict") != (
            self.command == "POST"
        ):
            raise Status(
                "INVALID_ARGUMENT",
                f"Malformed request: {self.command} {path}",
            )
        conformance = self.server.conformance
        if match["what"] == ":predict":
            return self._predict(match, body, conformance)
        if match["what"] == "/metadata":
            request = get_model_metadata_pb2.GetModelMetadataRequest(
                metadata_field=["signature_def"]
            )
            _name_model(request.model_spec, match)
            response = conformance.get_model_metadata(request)
            signatures = get_model_metadata_pb2.SignatureDefMap()
            response.metadata["signature_def"].Unpack(signatures)
            return json.dumps(
                {
                    "model_spec": _to_json(response.model_spec),
                    "metadata": {"signature_def": _to_json(signatures)},
                },
                indent=1,
            )
        request = get_model_status_pb2.GetModelStatusRequest()
        _name_model(request.model_spec, match)
        return json.dumps(_to_json(conformance.get_model_status(request)))

    def _predict(self, match, body, conformance):
        try:
            values = json.loads(body)
        except ValueError as error:
            raise Status(
                "INVALID_ARGUMENT", f"JSON Parse error: {error}"
            ) from error
        request = predict_pb2.PredictRequest()
        _name_model(request.model_spec, match)
        request.model_spec.signature_name = values.get("signature_name", "")
        _, bundle = conformance._find(request.model_spec)
        name = request.model_spec.signature_name or "serving_default"
        if name not in bundle.signatures:
            raise Status(
                "INVALID_ARGUMENT",
                f'Serving signature name: "{name}" not found in signature def',
            )
        for alias, info in bundle.signatures[name].inputs.items():
            if alias not in values["inputs"]:
                raise Status(
                    "INVALID_ARGUMENT",
                    f"Missing named input: {alias} in 'inputs' object.",
                )
            tensor = request.inputs[alias]
            _fill_from_json(tensor, values["inputs"][alias], info.dtype)
        outputs = {
            alias: tf.make_ndarray(tensor)
            for alias, tensor in conformance.predict(request).outputs.items()
        }
        texts = {alias: _decimals(array) for alias, array in outputs.items()}
        if len(texts) == 1:
            # A single output comes without its name.
            (text,) = texts.values()
        else:
            text = ", ".join(f'"{alias}": {t}' for alias, t in texts.items())
            text = f"{{{text}}}"
        return f'{{"outputs": {text}}}'

    def _reply(self, status, kind, content):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def refuse(code, message="a test says so"):
    """Returns a misbehaviour: an error instead of an answer."""

    def answer():
        raise Status(code, message)

    return answer


def wait(seconds):
    """Returns a misbehaviour: a late answer."""
    return lambda: time.sleep(seconds)


def hang_up():
    """A misbehaviour by REST: the connection ends without an answer."""
    raise ConnectionAbortedError


def grpc_code(number):
    """Returns the status code of gRPC with this number."""
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def _answer(method, request, context):
    try:
        return method(request)
    except Status as status:
        context.abort(getattr(grpc.StatusCode, status.code), str(status))


def _to_array(alias, tensor):
    try:
        return tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise Status(
            "INVALID_ARGUMENT", f"tensor parsing error: {alias}"
        ) from error


def _fill(tensor, values):
    """Writes floats as the real server does, one by one."""
    tensor.dtype = tf.as_dtype(values.dtype).as_datatype_enum
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend(values.ravel().tolist())


def _name_model(spec, match):
    spec.name = urllib.parse.unquote(match["model"])
    if match["version"]:
        spec.version.value = int(match["version"])
    if match["label"]:
        spec.version_label = urllib.parse.unquote(match["label"])


def _to_json(message):
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _fill_from_json(tensor, value, dtype):
    shape = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    leaves = [value]
    for size in shape:
        for part in leaves:
            if not isinstance(part, list) or len(part) != size:
                raise Status(
                    "INVALID_ARGUMENT",
                    "Encountered list at unexpected size: "
                    f"{len(part) if isinstance(part, list) else 0}",
                )
        leaves = [leaf for part in leaves for leaf in part]
    if dtype == tf.string.as_datatype_enum:
        tensor.string_val.extend(
            base64.b64decode(leaf["b64"])
            if isinstance(leaf, dict)
            else leaf.encode()
            for leaf in leaves
        )
        return
    for leaf in leaves:
        if not isinstance(leaf, int):
            raise Status(
                "INVALID_ARGUMENT",
                f"JSON Value: {json.dumps(leaf)} Type: "
                f"{type(leaf).__name__} is not of expected type: uint8",
            )
    tensor.int_val.extend(leaves)


def _decimals(array):
    """Formats floats in the fewest digits that restore them, and bare NaN."""
    if array.ndim:
        return f"[{', '.join(map(_decimals, array))}]"
    if np.isnan(array):
        return "NaN"
    if np.isinf(array):
        return "Infinity" if array > 0 else "-Infinity"
    return str(array)
