"""Trains encoders by recipes, resumes them, and embeds images with them."""

from keras_dim.evaluation.scoring import LabelledImages
from keras_dim.evaluation.scoring import NoLabelsError
from keras_dim.evaluation.scoring import labelled_images
from keras_dim.evaluation.scoring import run_probe
from keras_dim.evaluation.scoring import score
from keras_dim.training.alarms import NonFiniteAlarm
from keras_dim.training.alarms import NonFiniteError
from keras_dim.training.checkpoints import Checkpoint
from keras_dim.training.classifying import classify
from keras_dim.training.embedding import embed
from keras_dim.training.embedding import read_embedding
from keras_dim.training.encoders import in_float32
from keras_dim.training.encoders import load_encoder
from keras_dim.training.lost_workers import WorkerLostError
from keras_dim.training.pretraining import pretrain
from keras_dim.training.recipe import Recipe
from keras_dim.training.scoring import labelled_images_of
from keras_dim.training.scoring import score_run
from keras_dim.training.scoring import verify
from keras_dim.training.termination import Terminated

__all__ = [
    "Checkpoint",
    "LabelledImages",
    "NoLabelsError",
    "NonFiniteAlarm",
    "NonFiniteError",
    "Recipe",
    "Terminated",
    "WorkerLostError",
    "classify",
    "embed",
    "in_float32",
    "labelled_images",
    "labelled_images_of",
    "load_encoder",
    "pretrain",
    "read_embedding",
    "run_probe",
    "score",
    "score_run",
    "verify",
]
