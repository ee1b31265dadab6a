"""`python -m keras_dim.cli`, which is `keras-dim`."""

import sys

from keras_dim.cli import main

if __name__ == "__main__":
    sys.exit(main.console())
