"""Pictures of images and their views."""

import numpy as np
from keras import ops

# Small images are enlarged by a whole factor, up to this size in pixels.
CELL_SIZE = 96
GAP = 4
HEADER = 16
NUM_ROUNDS = 2


def show_views(views, images, num_images=8):
    """Draws images and their training views side by side.

    Each row shows an image, then its views, then its views drawn once more.
    Pixels are clipped to [0, 255]. Images of one or two channels show the first
    as grey; those of more channels show the first three as red, green and
    blue. Entries that are no images are left out. The random state of the views
    is restored afterwards.

    Args:
        views: layer from images to a dict of named views, or to images.
        images: array `(images, height, width, channels)` in [0, 255].
        num_images: int. Number of images to show, from the first on. Defaults
            to 8.

    Returns:
        A `PIL.Image.Image`.
    """
    images = ops.convert_to_numpy(images)
    if images.ndim != 4 or not len(images) or num_images < 1:
        raise ValueError(
            "There must be images to show, of shape (images, height, width, "
            f"channels). Received: shape {images.shape}, "
            f"num_images={num_images}"
        )
    images = images[:num_images]
    columns = [("image", images), *draw_views(views, images)]
    # Stored values are shown on the scale of 8 bits.
    scaled = getattr(views, "scaled", lambda values: values)
    return _grid(
        [(name, ops.convert_to_numpy(scaled(part))) for name, part in columns]
    )


def draw_views(views, images, num_rounds=NUM_ROUNDS, seed=None):
    """Returns pairs of a view's name and its images, drawn several times.

    Args:
        views, images: see `show_views`.
        num_rounds: int. How often each view is drawn. Defaults to 2.
        seed: int, to draw the same views each time, or None for those that
            training would draw next. Defaults to None.

    Returns:
        list of pairs of a str and an array `(images, height, width,
        channels)`. The random state of the views is restored.
    """
    drawn = []
    before = [ops.convert_to_numpy(state) for state in views.variables]
    try:
        for number, state in enumerate(views.variables):
            if seed is not None and state.path.endswith("seed_generator_state"):
                state.assign(np.array([seed, number], "uint32"))
        for _ in range(num_rounds):
            made = views(images, training=True)
            made = made if isinstance(made, dict) else {"view": made}
            drawn += [
                (name, ops.convert_to_numpy(view))
                for name, view in made.items()
                if len(view.shape) == 4
            ]
    finally:
        for state, value in zip(views.variables, before, strict=True):
            state.assign(value)
    return drawn


def _grid(columns):
    """Draws columns of images, each under its name."""
    from PIL import Image
    from PIL import ImageDraw

    largest = max(max(images.shape[1:3]) for _, images in columns)
    enlargement = max(1, CELL_SIZE // largest)
    step = largest * enlargement + GAP
    size = step * len(columns), step * len(columns[0][1]) + HEADER
    grid = Image.new("RGB", (size[0] + GAP, size[1] + GAP), "white")
    draw = ImageDraw.Draw(grid)
    for column, (name, images) in enumerate(columns):
        left = GAP + step * column
        draw.text((left, 2), name, fill="black")
        for row, image in enumerate(images):
            pixels = _in_color(image).repeat(enlargement, 0)
            picture = Image.fromarray(pixels.repeat(enlargement, 1))
            grid.paste(picture, (left, HEADER + GAP + step * row))
    return grid


def _in_color(image):
    """Returns an image as uint8 `(height, width, 3)`."""
    image = image[..., :3] if image.shape[-1] >= 3 else image[..., :1]
    pixels = np.clip(np.round(image.astype("float32")), 0, 255)
    return np.repeat(pixels.astype("uint8"), 3 // pixels.shape[-1], axis=-1)
