"""Embeds images on many machines, with Apache Beam.

It needs the extra `beam`. `python -m keras_dim.beam --help` is the command.
"""

try:
    import apache_beam  # noqa: F401
except ImportError as error:
    raise ImportError(
        "keras_dim.beam needs Apache Beam, which cannot be imported "
        f'({error}). Install it with: pip install "keras-dim[beam]"'
    ) from error

from keras_dim.beam.embedding import Embed
from keras_dim.beam.embedding import Embedded
from keras_dim.beam.embedding import ImageFiles
from keras_dim.beam.embedding import SavedModelHandler

__all__ = ["Embed", "Embedded", "ImageFiles", "SavedModelHandler"]
