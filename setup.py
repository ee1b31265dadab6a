"""Packaging of keras_dim. What the package needs, each with its reason."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent

# `make test-oldest` installs the lower bounds below exactly as written here.
REQUIRED = [
    # Models, layers and the training loop: what this package is made of.
    # 3.10 is the oldest that TensorFlow 2.20 takes.
    "keras>=3.10",
    # Keras's default backend, and at any backend the input pipeline (tf.data),
    # tf.distribute and SavedModel. Releases before 2.20 hold protobuf below 6,
    # with which the metadata package of tensorflow-datasets does not import.
    "tensorflow>=2.20",
    # Since 2.21 TensorFlow leaves this out, without which neither
    # `tf.summary.scalar` nor Keras's TensorBoard callback can write.
    "tensorboard>=2.20",
    # Standard data sets by name. The one release that all this is tested with.
    "tensorflow-datasets>=4.9.10",
    # tensorflow-datasets 4.9.10 imports this and does not say so.
    "importlib_resources>=6.4",
    # Probes and neighbours of the evaluation, and the bundled digits that
    # everything here runs on without a network. Releases before 1.7.2 call
    # SciPy's L-BFGS in a way that SciPy 1.18 takes away.
    "scikit-learn>=1.7.2",
    # Bitmaps with a palette, whose indices TensorFlow takes for grey values;
    # every image where Keras runs on another backend.
    # The tests compare augmentations with it, too.
    "pillow>=10.3",
    # Arrays in, features out.
    "numpy>=2.0",
    # Log messages. Keras and TensorFlow bring it along anyway.
    "absl-py>=2.0",
]

SERVING = [
    # The messages of gRPC that `keras_dim.serving` sends. The oldest that goes
    # with the oldest TensorFlow above.
    "tensorflow-serving-api>=2.20",
    # Sends them. The oldest with wheels for Python 3.13.
    "grpcio>=1.66.2",
    # Sends REST requests. Older releases drop the answer of a server that
    # closes the connection before it has read the whole of a large request.
    "urllib3>=2.2",
]

PLOTS = [
    # `keras_dim.plots`, and `curves.png` of every run. Older releases warn at
    # import, beside the present pyparsing, and the tests take warnings for
    # errors.
    "matplotlib>=3.10.7",
]

NOTEBOOKS = [
    # The notebooks are kept as scripts, this makes notebooks of them.
    "jupytext>=1.16",
    # Runs them.
    "nbclient>=0.10",
    # Reads and writes them.
    "nbformat>=5.10",
    # The process they run in.
    "ipykernel>=6.29",
    # Their pictures.
    *PLOTS,
]

LITERT = [
    # Reads the files of `keras_dim.export(format="litert")` back, to compare
    # features. TensorFlow alone writes them.
    "ai-edge-litert>=2.1",
]

ONNX = [
    # Writes the files of `keras_dim.export(format="onnx")`. Older releases do
    # not know NumPy 2.
    "tf2onnx>=1.17",
    # What that one writes with.
    "onnx>=1.18",
    # Reads the files back, to compare features.
    "onnxruntime>=1.22",
]

OPENVINO = [
    # Reads exported SavedModels, to compare features.
    "openvino>=2025.2",
]

PARQUET = [
    # Writes the tables of `keras-dim report` as Parquet, too. Older releases
    # have no wheels for Python 3.13.
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
    # pyarrow that Beam brings. Older releases take, on Python 3.11, no grpcio
    # as new as the one above. Not part of `test`: Beam refuses the grpcio and
    # the Pillow that `make test-oldest` installs, and protobuf 7, and with the
    # last protobuf 6 the metadata package of tensorflow-datasets warns, which
    # the tests take for an error. `make test-beam` runs what needs it.
    "apache-beam>=2.72",
]

TEST = [
    "pytest>=8.2",
    # Half of the test files on each of two cores.
    "pytest-xdist>=3.7.0",
    # Draws damaged files for `tests/survival/fuzz_test.py`.
    "hypothesis>=6.100",
    # `make lint` and `make format`. Formatting changes between its yearly
    # styles, hence a floor that knows the present one.
    "ruff>=0.15",
    # The backend that `tests/jax_test.py` compares TensorFlow with.
    # Keras's NumPy backend imports jax too, so nothing smaller would do.
    "jax>=0.6",
    # `tests/packaging_test.py` builds a wheel without a network.
    "setuptools>=70.1",
    # The client of TensorFlow Serving against servers of the tests.
    *SERVING,
    # The tests compare what each runtime makes of an export.
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
    # Makes it of those pages. The oldest with pages that are made of code.
    "mkdocs>=1.6",
    # Pages from the docstrings, which it reads without importing the package.
    "mkdocstrings>=1.0",
    # Its part for Python.
    "mkdocstrings-python>=2.0",
    # Lays out long signatures there.
    "ruff>=0.15",
]

JAX = [
    # Methods also train, on arrays and folders, with KERAS_BACKEND=jax.
    "jax>=0.6",
]


def version():
    """Reads the version as text, for importing the package needs Keras."""
    text = (ROOT / "keras_dim" / "version.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


def long_description():
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


setuptools.setup(
    name="keras-dim",
    version=version(),
    description=(
        "Image encoders without labels: Deep InfoMax and AMDIM for Keras."
    ),
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
    # 3.11 is the oldest that the present Keras runs on. The upper end is the
    # newest that the tests have run on.
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
    # The pretrained encoders lie at the top of the repository, where one sees
    # them, and inside the package once it is installed. That package has no
    # code: it is a folder of files.
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
