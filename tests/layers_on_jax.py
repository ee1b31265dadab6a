"""Trains small methods with layers that hold state on JAX.

Started by `layers/layers_on_jax_test.py` as `layers_on_jax.py FOLDER`, with
`KERAS_BACKEND=jax`. In the folder lie `momentum.keras` and `bank.keras`; it
leaves them there trained, as `trained_momentum.keras` and so on, with their
losses in `losses.json`.
"""

import json
import pathlib
import sys

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))

import keras  # noqa: E402
import tiny_bank_method  # noqa: E402
import tiny_momentum_method  # noqa: E402

METHODS = {"momentum": tiny_momentum_method, "bank": tiny_bank_method}


def main(folder):
    losses = {}
    for name, module in METHODS.items():
        model = keras.models.load_model(folder / f"{name}.keras")
        losses[name] = module.fit(model)
        model.save(folder / f"trained_{name}.keras")
    (folder / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
