"""An encoder of stored values on a server takes images of its own dtype."""

import numpy as np
import pytest
from serving.conformance_server import ConformanceServer
from serving.conformance_server import Model
from tiny_encoder import tiny_encoder

from keras_dim import encoders
from keras_dim import serving
from keras_dim.batches import ValueRange
from keras_dim.cli import main
from keras_dim.exporting import export
from keras_dim.exporting import parity

RANGE = ValueRange((100.0,) * 3, (4095.0,) * 3, "uint16")
IMAGES = RANGE.example(3, (8, 8))


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """The encoder's file, and a server of its export."""
    folder = tmp_path_factory.mktemp("deep")
    encoder = encoders.with_range(tiny_encoder(), RANGE)
    encoder.save(folder / "deep.keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "report", lambda *_: {})
        export(encoder, folder / "deep")
    with ConformanceServer({"deep": Model(folder / "deep")}) as server:
        yield folder / "deep.keras", server


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_features_are_those_of_the_encoder(deep, protocol, tmp_path):
    path, server = deep
    host = getattr(server, protocol)
    for number, image in enumerate(IMAGES):
        (tmp_path / "tiles").mkdir(exist_ok=True)
        np.save(tmp_path / "tiles" / f"{number}.npy", image)
    here, there = tmp_path / "here", tmp_path / "there"
    embed = ["embed", f"--source={tmp_path / 'tiles'}"]
    server_flags = [f"--server={host}", "--model=deep"]
    assert main.run([*embed, f"--encoder={path}", f"--output={here}"]) == 0
    assert main.run([*embed, *server_flags, f"--output={there}"]) == 0
    expected = np.load(here / "features.npy")

    np.testing.assert_allclose(
        np.load(there / "features.npy"), expected, rtol=1e-5, atol=1e-5
    )
    with serving.Client(host, "deep") as client:
        # Big-endian arrays have the same values.
        found = client.embed(IMAGES.astype(">u2"), "global")
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_another_dtype_is_refused(deep):
    _, server = deep
    with serving.Client(server.grpc, "deep") as client:
        with pytest.raises(ValueError, match="that takes {'images': 'uint8'}"):
            client.embed(IMAGES.astype("uint8"))
        mixed = iter([IMAGES, IMAGES.astype("float32")])
        with pytest.raises(ValueError, match="dtype uint16. Received: dtype f"):
            client.embed(mixed)
