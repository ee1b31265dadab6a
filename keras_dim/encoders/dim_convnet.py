"""The strided convolutional networks of Deep InfoMax."""

from keras import layers

from keras_dim import checks
from keras_dim.encoders import blocks

# By image size: filters, kernel size, stride, padding, and which map is local.
CONFIGURATIONS = {
    28: ((64, 128), 5, 2, 2, 1),
    32: ((64, 128, 256), 4, 2, 1, 1),
    64: ((64, 128, 256, 512), 4, 2, 1, 2),
}


def dim_convnet(
    image_size=32,
    channels=3,
    filters=None,
    units=1024,
    global_units=64,
    variational=False,
):
    """Strided convolutional encoder of Deep InfoMax.

    The authors' basic28x28 (MNIST), basic32x32 (CIFAR, Table 1) and
    basic64x64: convolutions of stride 2, one dense layer, one linear layer,
    with batch norm and ReLU between them.

    Args:
        image_size: int. Height and width of the images: 28, 32 or 64. Defaults
            to 32.
        channels: int. Channels of the images. Defaults to 3.
        filters: tuple of ints, or None for the published ones. Filters of
            each convolution, as many as published.
        units: int. Width of the dense layer. Defaults to 1024.
        global_units: int. Width of the global vector. Defaults to 64.
        variational: bool. Whether to add the output `"global_log_variance"`
            that the variational prior needs. Defaults to `False`.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255], shape
        `(batch, image_size, image_size, channels)`, to a dict: `"local"` and
        `"conv"`, maps `(batch, height, width, filters)`, `"fc"`
        `(batch, units)` and `"global"` `(batch, global_units)`.

    Raises:
        ValueError: for another image size or number of `filters`.

    Example:
    ```python
    encoder = keras_dim.encoders.dim_convnet(image_size=32)
    features = encoder(images)["fc"]
    ```

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670).
    """
    checks.one_of(CONFIGURATIONS, image_size=image_size)
    published, kernel_size, strides, padding, local = CONFIGURATIONS[image_size]
    filters = published if filters is None else tuple(filters)
    if len(filters) != len(published):
        raise ValueError(
            f"`filters` must name {len(published)} convolutions for images of "
            f"{image_size} pixels. Received: filters={filters}"
        )
    image, x = blocks.raw_pixels(image_size, channels)
    maps = []
    for num_filters in filters:
        x = blocks.convolution(x, num_filters, kernel_size, strides, padding)
        maps.append(x)
    features = {
        "local": maps[local],
        "conv": x,
        "fc": blocks.dense(layers.Flatten()(x), units, name="fc"),
    }
    name = f"dim_convnet_{image_size}"
    return blocks.encoder(image, features, global_units, variational, name)
