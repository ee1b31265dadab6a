"""Views of stored values, made on the scale of 8 bits."""

import keras
from keras import layers
from keras import ops

from keras_dim import configurable
from keras_dim.batches import ValueRange


@keras.saving.register_keras_serializable(package="keras_dim")
class OnRange(configurable.Configurable, layers.Layer):
    """Makes the views of another layer from stored values.

    The values are scaled so that 0 and 255 are the ends of each band's range,
    the views are made, and scaled back. Methods put this layer around their
    views if their encoder takes stored values.

    Args:
        views: layer from images on the scale of 8 bits to a dict of views.
        low, high: lists of float, see `batches.ValueRange`.

    Returns, when called with stored values, the dict of `views`, of stored
    values in float32.
    """

    def __init__(self, views, low, high, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        values = ValueRange(low, high)
        self.views = views
        self.low = list(values.low)
        self.high = list(values.high)
        self._scales, self._offsets = values.affine
        if hasattr(views, "names"):
            self.names = views.names

    def call(self, images, training=False):
        made = self.views(self.scaled(images), training=training)
        return {
            # Entries that are no images, such as indices, are not scaled.
            name: self._stored(view) if len(view.shape) == 4 else view
            for name, view in made.items()
        }

    def scaled(self, images):
        """Returns stored values on the scale of 8 bits."""
        images = ops.cast(images, "float32")
        return images * ops.array(self._scales) + ops.array(self._offsets)

    def _stored(self, images):
        # A constant band, whose scale is 0, gets its constant back.
        widths = [h - low for low, h in zip(self.low, self.high, strict=True)]
        return images * ops.array(widths) / 255.0 + ops.array(self.low)


def on_range(views, values):
    """Returns views of stored values, or `views` if `values` is `None`.

    `values` is a `ValueRange`. Views that are an `OnRange` already stay.
    """
    if values is None or isinstance(views, OnRange):
        return views
    return OnRange(views, values.low, values.high)
