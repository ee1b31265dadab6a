"""Sheets of thumbnails: many small images in a few large ones."""

import base64
import io
from typing import Any

import numpy as np

# For the sheets of one thumbnail size, before base64 adds a third.
MOST_BYTES = 36 * 2**20
_QUALITIES = (75, 50, 25, 5)
_SHEET_SIDE = 1024


def sheets(thumbnails: np.ndarray, most_bytes: int = MOST_BYTES) -> dict:
    """Joins thumbnails row by row in sheets of about 1024 x 1024 pixels.

    Args:
        thumbnails: uint8 array `(num_images, side, side, 3)`.
        most_bytes: int. The quality is lowered, down to a minimum, if the
            sheets take more bytes. Defaults to 36 MB.

    Returns:
        dict for JSON: `"side"` of a thumbnail in pixels, `"columns"` (and
        rows) of a full sheet, `"type"`, and `"images"`, the sheets in base64.
    """
    side = thumbnails.shape[1]
    columns = max(1, _SHEET_SIDE // side)
    parts = range(0, len(thumbnails), columns**2)
    kind = _kind()
    for quality in _QUALITIES:
        encoded = []
        for start in parts:
            part = thumbnails[start : start + columns**2]
            encoded.append(_encoded(_joined(part, columns), kind, quality))
        if sum(map(len, encoded)) <= most_bytes:
            break
    return {
        "side": side,
        "columns": columns,
        "type": f"image/{kind.lower()}",
        "images": [base64.b64encode(one).decode() for one in encoded],
    }


def _joined(part, columns):
    num, side = part.shape[:2]
    sheet = np.zeros((columns**2, side, side, 3), np.uint8)
    sheet[:num] = part
    rows = -(-num // columns)
    sheet = sheet[: rows * columns].reshape(rows, columns, side, side, 3)
    return sheet.swapaxes(1, 2).reshape(rows * side, columns * side, 3)


def _encoded(sheet: np.ndarray, kind: str, quality: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    # Subsampled colours save bytes. They do not mix between thumbnails, because
    # their blocks of 16 pixels divide the sides.
    Image.fromarray(sheet).save(file, kind, quality=quality)
    return file.getvalue()


def _kind() -> Any:
    from PIL import features

    # WebP is a third smaller; Pillow may have been built without it.
    return "WEBP" if features.check("webp") else "JPEG"
