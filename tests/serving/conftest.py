"""Tiny models, and the servers of these models."""

import os
import pathlib
import socket
import subprocess
import textwrap
import time
import types

import pytest
from serving import saved_models
from serving.conformance_server import ConformanceServer
from serving.conformance_server import Model
from tiny_encoder import tiny_encoder

from keras_dim.exporting import export
from keras_dim.exporting import parity

REAL_SERVER = "TENSORFLOW_MODEL_SERVER"
_SECONDS_TO_START = 60
_CONFIG = """
    model_config_list {{
      config {{
        name: "tiny" base_path: "{folder}/tiny" model_platform: "tensorflow"
      }}
      config {{
        name: "mean" base_path: "{folder}/mean" model_platform: "tensorflow"
        model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
        version_labels {{ key: "stable" value: 1 }}
      }}
      config {{
        name: "pixels" base_path: "{folder}/pixels" model_platform: "tensorflow"
      }}
    }}
"""


@pytest.fixture(scope="session")
def encoder():
    """The encoder that is exported as the model `tiny`."""
    return tiny_encoder()


@pytest.fixture(scope="session")
def folder(encoder, tmp_path_factory):
    """The folder with a folder for each model."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        # The check by other runtimes takes seconds.
        patch.setattr(parity, "report", lambda *_: {})
        export(encoder, folder / "tiny")
    saved_models.save_mean(1, folder / "mean" / "1")
    saved_models.save_mean(2, folder / "mean" / "2")
    saved_models.save_pixels(folder / "pixels" / "1")
    return folder


@pytest.fixture(scope="session")
def models(folder):
    """The same models as the argument of `ConformanceServer`."""
    return {
        "tiny": Model(folder / "tiny"),
        "mean": Model(folder / "mean", (1, 2), {"stable": 1}),
        "pixels": Model(folder / "pixels"),
    }


@pytest.fixture(scope="session")
def conformance_server(models):
    with ConformanceServer(models) as server:
        yield server


@pytest.fixture
def server(conformance_server):
    """The conformance server, reset after the previous test."""
    conformance_server.calls.clear()
    conformance_server.misbehaviour.clear()
    return conformance_server


@pytest.fixture(scope="session")
def real_server(folder, tmp_path_factory):
    """TensorFlow Serving itself, if its path is known."""
    program = os.environ.get(REAL_SERVER)
    if not program:
        pytest.skip(
            f"{REAL_SERVER} does not name the path of tensorflow_model_server"
        )
    config = tmp_path_factory.mktemp("server") / "model.config"
    config.write_text(textwrap.dedent(_CONFIG).format(folder=folder))
    ports = free_port(), free_port()
    with open(config.with_name("log"), "wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--port={ports[0]}",
                f"--rest_api_port={ports[1]}",
                f"--model_config_file={config}",
                "--allow_version_labels_for_unavailable_models=true",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(process, ports, pathlib.Path(log.name))
        yield types.SimpleNamespace(
            grpc=f"127.0.0.1:{ports[0]}", rest=f"http://127.0.0.1:{ports[1]}"
        )
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["conformance_server", "real_server"])
def any_server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["grpc", "rest"])
def protocol(request):
    return request.param


@pytest.fixture
def host(server, protocol):
    """The conformance server's address, for each protocol."""
    return getattr(server, protocol)


@pytest.fixture
def any_host(any_server, protocol):
    """The address of each server, for each protocol."""
    return getattr(any_server, protocol)


def free_port():
    """A port on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait_for(process, ports, log):
    """Waits until both ports accept: the server opens them after loading."""
    end = time.monotonic() + _SECONDS_TO_START
    for port in ports:
        while process.poll() is None and time.monotonic() < end:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"the server did not start: {log.read_text()}")
