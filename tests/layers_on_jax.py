"""Trains a small method with a memory bank and a moving average on JAX.

Started by `layers/layers_on_jax_test.py` as `layers_on_jax.py FOLDER`, with
`KERAS_BACKEND=jax`. In the folder lies `bank.keras`; it leaves it there trained
as `trained.keras`, and the losses in `losses.json`. Queues and teachers train
on JAX in `jax_test.py`, in MoCo and BYOL.
"""

import json
import pathlib
import sys

import keras
import tiny_bank_method


def main(folder):
    model = keras.models.load_model(folder / "bank.keras")
    losses = tiny_bank_method.fit(model)
    model.save(folder / "trained.keras")
    (folder / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
