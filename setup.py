"""Packaging of keras_dim: its dependencies, each with a reason."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent

# `make test-oldest` installs the lower bounds below exactly as written here.
REQUIRED = [
    # Models, layers and the training loop. 3.10 is the oldest that TensorFlow
    # 2.20 supports.
    "keras>=3.10",
    # Keras's default backend, and on every backend the input pipeline
    # (tf.data), tf.distribute and SavedModel. Releases before 2.20 need a
    # protobuf below 6, with which tensorflow-datasets cannot be imported.
    "tensorflow>=2.20",
    # `tf.summary.scalar` and Keras's TensorBoard callback need it; TensorFlow
    # no longer requires it since 2.21.
    "tensorboard>=2.20",
    # Standard data sets by name. The only release that has been tested.
    "tensorflow-datasets>=4.9.10",
    # tensorflow-datasets 4.9.10 imports it without requiring it.
    "importlib_resources>=6.4",
    # Probes and neighbours of the evaluation, and the bundled digits, which
    # need no network. Releases before 1.7.2 call SciPy's L-BFGS in a way that
    # SciPy 1.18 no longer supports.
    "scikit-learn>=1.7.2",
    # Decodes and resizes image files. The tests compare augmentations with it.
    "pillow>=10.3",
    # Arrays in, features out.
    "numpy>=2.0",
    # Log messages. Keras and TensorFlow require it, too.
    "absl-py>=2.0",
]

SERVING = [
    # The gRPC messages of `keras_dim.serving`. The oldest release for the
    # oldest TensorFlow above.
    "tensorflow-serving-api>=2.20",
    # Sends them. The oldest release with wheels for Python 3.13.
    "grpcio>=1.66.2",
    # Sends REST requests. Older releases lose the answer of a server that
    # closes the connection before it has read all of a large request.
    "urllib3>=2.2",
]

PLOTS = [
    # `keras_dim.plots`, and `curves.png` of every run. With the current
    # pyparsing, older releases warn at import, which the tests treat as an
    # error.
    "matplotlib>=3.10.7",
]

NOTEBOOKS = [
    # Makes notebooks from scripts.
    "jupytext>=1.16",
    # Runs them.
    "nbclient>=0.10",
    # Reads and writes them.
    "nbformat>=5.10",
    # Runs their code.
    "ipykernel>=6.29",
    # Their pictures.
    *PLOTS,
]

LITERT = [
    # Loads the files of `keras_dim.export(format="litert")`, to compare
    # features. TensorFlow writes them.
    "ai-edge-litert>=2.1",
]

ONNX = [
    # Writes the files of `keras_dim.export(format="onnx")`. Older releases do
    # not support NumPy 2.
    "tf2onnx>=1.17",
    # tf2onnx needs it to write.
    "onnx>=1.18",
    # Loads the files, to compare features.
    "onnxruntime>=1.22",
]

OPENVINO = [
    # Loads exported SavedModels, to compare features.
    "openvino>=2025.2",
]

PARQUET = [
    # Writes the tables of `keras-dim report` as Parquet. Older releases have no
    # wheels for Python 3.13.
    "pyarrow>=18",
]

TIFF = [
    # Reads TIFF files of several bands, and colours of more than 8 bits.
    "tifffile>=2024.1",
]

DICOM = [
    # Reads DICOM files.
    "pydicom>=3.0",
]

BEAM = [
    # `keras_dim.beam` runs exports on Beam's runners, and writes Parquet by the
    # pyarrow that Beam requires. On Python 3.11, older releases do not support
    # the grpcio above. It is not in `test`, but in `make test-beam`: Beam does
    # not support protobuf 7, nor the grpcio and the Pillow of `make
    # test-oldest`; with protobuf 6, tensorflow-datasets warns, which the tests
    # treat as an error.
    "apache-beam>=2.72",
]

TEST = [
    "pytest>=8.2",
    # Runs test files in several processes.
    "pytest-xdist>=3.7.0",
    # Draws damaged files for `tests/survival/fuzz_test.py`.
    "hypothesis>=6.100",
    # `make lint` and `make format`. Its style changes every year: older
    # releases format differently.
    "ruff>=0.15",
    # The backend that `tests/jax_test.py` compares with TensorFlow.
    "jax>=0.6",
    # `tests/packaging_test.py` builds a wheel without a network.
    "setuptools>=70.1",
    # The client of TensorFlow Serving, tested with servers of the tests.
    *SERVING,
    # The tests compare the features of an export in each runtime.
    *LITERT,
    *ONNX,
    *OPENVINO,
    *PARQUET,
    # The tests write files of these kinds.
    *DICOM,
    *TIFF,
    # The tests run the notebooks.
    *NOTEBOOKS,
]

DOCS = [
    # The site of docs/: `make docs`.
    "mkdocs-material>=9.7",
    # Builds it. The oldest release with generated pages.
    "mkdocs>=1.6",
    # Pages from the docstrings, which it reads without importing the package.
    "mkdocstrings>=1.0",
    # Its handler for Python.
    "mkdocstrings-python>=2.0",
    # Formats long signatures there.
    "ruff>=0.15",
]

JAX = [
    # The backend for KERAS_BACKEND=jax.
    "jax>=0.6",
]


def version():
    """Reads the version as text, without importing the package."""
    text = (ROOT / "keras_dim" / "version.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


def long_description():
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


setuptools.setup(
    name="keras-dim",
    version=version(),
    description=("Image encoders from unlabelled images, for Keras 3."),
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="The keras_dim authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=[
        "deep infomax",
        "keras",
        "mutual information",
        "representation learning",
        "self-supervised learning",
        "tensorflow",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    # 3.11 is the oldest that the current Keras supports, 3.13 the newest that
    # the tests have run on.
    python_requires=">=3.11,<3.14",
    install_requires=REQUIRED,
    extras_require={
        "test": TEST,
        "docs": DOCS,
        "beam": BEAM,
        "tiff": TIFF,
        "dicom": DICOM,
        "notebooks": NOTEBOOKS,
        "jax": JAX,
        "litert": LITERT,
        "onnx": ONNX,
        "openvino": OPENVINO,
        "parquet": PARQUET,
        "plots": PLOTS,
        "serving": SERVING,
    },
    entry_points={
        "console_scripts": ["keras-dim = keras_dim.cli.main:console"]
    },
    # The pretrained encoders are at the top of the repository, and inside the
    # package once it is installed, as a folder without code.
    packages=[
        *setuptools.find_packages(include=["keras_dim", "keras_dim.*"]),
        "keras_dim.saved_models",
    ],
    package_dir={"keras_dim.saved_models": "saved_models"},
    package_data={
        "keras_dim": ["py.typed"],
        "keras_dim.report": ["page.css", "page.html", "page.js"],
        "keras_dim.saved_models": [
            "*/config.json",
            "*/encoder.keras",
            "*/metadata.json",
            "*/README.md",
            "*/SHA256SUMS",
        ],
    },
    include_package_data=False,
    zip_safe=False,
)
