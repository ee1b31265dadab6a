"""Files for TensorFlow Serving beside a SavedModel."""

import pathlib
import textwrap

import keras
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_log_pb2

from keras_dim import files

WARMUP = "tf_serving_warmup_requests"
MODEL_CONFIG = "model.config"
BATCHING_CONFIG = "batching.config"
# Most images of several requests in one pass, if the server batches them.
MAX_BATCH_SIZE = 64
WARMUP_BATCH_SIZES = (1, MAX_BATCH_SIZE)


def write_warmup(
    folder: pathlib.Path, encoder: keras.Model, model_name: str
) -> None:
    """Writes requests that a server runs before it takes others.

    The first request of a shape is slow, since TensorFlow plans for it.

    Args:
        folder: path. The SavedModel, which gets the folder `assets.extra`.
        encoder: `keras.Model`.
        model_name: str. The name of the model on the server.
    """
    height, width, channels = encoder.inputs[0].shape[1:]
    # 64 for an encoder of any size.
    image = np.zeros((height or 64, width or 64, channels), "uint8")
    requests = [
        (name, "images", np.stack([image] * batch_size))
        for name in ("serving_default", "native")
        for batch_size in WARMUP_BATCH_SIZES
    ]
    if height is not None and channels in (1, 3):
        png = tf.io.encode_png(image).numpy()
        requests.append(("encoded_images", "encoded_images", np.array([png])))
    extra = folder / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / WARMUP)) as file:
        for signature_name, name, value in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = model_name
            request.model_spec.signature_name = signature_name
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            file.write(log.SerializeToString())


def write_configs(folder: pathlib.Path) -> None:
    """Writes the server's settings, unless they are there already.

    Args:
        folder: path. The model, with a sub-folder for each version. Its path
            on the server is that of the official Docker image, in `/models`.
    """
    name = folder.name.replace("\\", r"\\").replace('"', r"\"")
    texts = {
        MODEL_CONFIG: f"""\
            # tensorflow_model_server --model_config_file=THIS
            model_config_list {{
              config {{
                name: "{name}"
                base_path: "/models/{name}"
                model_platform: "tensorflow"
              }}
            }}
            """,
        BATCHING_CONFIG: f"""\
            # tensorflow_model_server --enable_batching
            #     --batching_parameters_file=THIS
            # Requests of several clients go through the encoder together. For
            # servers that are asked for the signature "native" alone: where
            # images of other sizes meet, or one is no image, every request of
            # the batch fails, those of other clients too. A request of more
            # than max_batch_size images is refused.
            max_batch_size {{ value: {MAX_BATCH_SIZE} }}
            # How long a request waits for others.
            batch_timeout_micros {{ value: 2000 }}
            max_enqueued_batches {{ value: 100 }}
            # As many as the server has cores.
            num_batch_threads {{ value: 4 }}
            """,
    }
    for file, text in texts.items():
        if not (folder / file).exists():
            files.write_text(folder / file, textwrap.dedent(text))
