"""Trains the small method with a teacher and a queue on JAX.

Started by `layers/teacher_test.py` as `momentum_method_on_jax.py FOLDER`, with
`KERAS_BACKEND=jax`. It loads `before.keras` from the folder and leaves
`after.keras` and `losses.json` there.
"""

import json
import pathlib
import sys

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))

import keras  # noqa: E402
import tiny_momentum_method  # noqa: E402


def main(folder):
    model = keras.models.load_model(folder / "before.keras")
    losses = tiny_momentum_method.fit(model)
    model.save(folder / "after.keras")
    (folder / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
