"""scikit-learn's bundled digits: real images that need no download."""

from typing import Any

import numpy as np

from keras_dim.data.arrays import ArraySource
from keras_dim.data.arrays import open_arrays

_NUM_TEST = 360


def open_digits(
    split: str | None, *, image_size: Any = None, channels: int | None = None
) -> ArraySource:
    """Opens the 1,797 handwritten digits of 8x8 pixels.

    Their 17 grey levels are spread over 0 to 255. The split is stratified
    and always the same.

    Args:
        split: str. `"train"` (1,437 images), `"test"` (360) or `"all"`.
        image_size: int, `(height, width)` or `None`. Larger than 8 to
            upsample.
        channels: int or `None`. 1 or 3; `None` is 1.

    Reference:
        Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI
        Machine Learning Repository, 1998.
    """
    from sklearn import datasets
    from sklearn import model_selection

    digits = datasets.load_digits()
    rows = np.arange(len(digits.target))
    train, test = model_selection.train_test_split(
        rows, test_size=_NUM_TEST, stratify=digits.target, random_state=0
    )
    splits = {"train": np.sort(train), "test": np.sort(test), "all": rows}
    if split not in splits:
        raise ValueError(
            f"Unknown split of the digits. Expected one of {list(splits)}. "
            f"Received: {split!r}"
        )
    rows = splits[split]
    images = np.rint(digits.images[rows] * (255 / 16)).astype(np.uint8)
    source = open_arrays(
        (images, digits.target[rows]),
        image_size=image_size,
        channels=channels,
        name="digits",
    )
    source.class_names = tuple(str(name) for name in digits.target_names)
    return source
