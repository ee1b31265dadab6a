"""Estimates the mutual information of two arrays, in nats."""

import pathlib
import zipfile

from keras_dim.cli import flags

_FILE = (
    "An .npy file, or an .npz file of one array or of several with one called "
    "{name}. Each row is a sample."
)


def define(parser: flags.Parser) -> None:
    """Adds the flags."""
    add = parser.add
    for name in ("x", "z"):
        add(name, _FILE.format(name=name), required=True)
    help = "See keras_dim.mutual_information.estimate."
    add("estimator", help, "noise_contrastive")
    add("critic", "Default: the estimator's own.")
    add("encoder", "x must then be images; their features are used.")
    add("feature")
    add("seed", default=0)


def run(options) -> None:
    """Prints the estimate, its interval and its ceiling."""
    from keras_dim import mutual_information
    from keras_dim import training

    arrays = [_array(name, getattr(options, name)) for name in ("x", "z")]
    encoder = options.encoder and training.load_encoder(options.encoder)
    options = flags.chosen(options, "estimator critic feature seed")
    print(mutual_information.estimate(*arrays, encoder=encoder, **options))


def _array(name, path):
    import numpy as np

    if pathlib.Path(path).suffix not in (".npy", ".npz"):
        raise ValueError(f"--{name} takes an .npy or .npz file, not {path!r}")
    try:
        # `numpy.load(path)` would leave a damaged archive open.
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            key = loaded.files[0] if len(loaded.files) == 1 else name
            if key not in loaded.files:
                raise ValueError(
                    f"{path} has the arrays {loaded.files}: call one {name!r}"
                )
            return loaded[key]
    except (EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
