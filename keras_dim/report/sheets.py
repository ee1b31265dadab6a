"""Sheets of thumbnails: few images that hold many."""

import base64
import io
from typing import Any

import numpy as np

# Of the sheets of one size in a page, before base64 adds a third.
MOST_BYTES = 36 * 2**20
_QUALITIES = (75, 50, 25, 5)
_SHEET_SIDE = 1024


def sheets(thumbnails: np.ndarray, most_bytes: int = MOST_BYTES) -> dict:
    """Joins thumbnails in sheets of about 1024 x 1024 pixels, by rows.

    Args:
        thumbnails: uint8 array `(num_images, side, side, 3)`.
        most_bytes: int. The quality is lowered where the sheets would take
            more. Defaults to 36 MB.

    Returns:
        dict for JSON: `"side"`, `"columns"` of a sheet, which has as many
        rows, `"type"`, and `"images"`, the sheets in base64.
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
    # At full colour resolution neighbours in a JPEG would not mix, but it
    # takes more room; 16 pixels, in which colours are coded, divide the sides.
    Image.fromarray(sheet).save(file, kind, quality=quality)
    return file.getvalue()


def _kind() -> Any:
    from PIL import features

    # A third smaller, where Pillow was built with it.
    return "WEBP" if features.check("webp") else "JPEG"
