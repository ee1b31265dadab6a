"""Extracts features, scores them by probes, and reports on a run."""

from keras_dim.evaluation.board import Board
from keras_dim.evaluation.board import board
from keras_dim.evaluation.board import two_views
from keras_dim.evaluation.callbacks import CeilingReport
from keras_dim.evaluation.callbacks import CollapseReport
from keras_dim.evaluation.callbacks import OnlineProbe
from keras_dim.evaluation.callbacks import ProbeCallback
from keras_dim.evaluation.comparison import PROTOCOLS
from keras_dim.evaluation.comparison import Comparison
from keras_dim.evaluation.comparison import compare
from keras_dim.evaluation.features import extract
from keras_dim.evaluation.features import feature_model
from keras_dim.evaluation.features import raw_pixels
from keras_dim.evaluation.features import raw_pixels_encoder
from keras_dim.evaluation.features import stream
from keras_dim.evaluation.fine_tuning import fine_tune
from keras_dim.evaluation.measures import alignment
from keras_dim.evaluation.measures import alpha_req
from keras_dim.evaluation.measures import lidar
from keras_dim.evaluation.measures import rank_me
from keras_dim.evaluation.measures import uniformity
from keras_dim.evaluation.probes import few_shot
from keras_dim.evaluation.probes import linear_probe
from keras_dim.evaluation.probes import mlp_probe
from keras_dim.evaluation.probes import nearest_neighbors
from keras_dim.evaluation.probes import sgd_probe
from keras_dim.evaluation.reconstruction import ms_ssim
from keras_dim.evaluation.reconstruction import reconstruct
from keras_dim.evaluation.scoring import PROBES
from keras_dim.evaluation.scoring import LabelledImages
from keras_dim.evaluation.scoring import NoLabelsError
from keras_dim.evaluation.scoring import check_arguments
from keras_dim.evaluation.scoring import compare_with_untrained
from keras_dim.evaluation.scoring import labelled_images
from keras_dim.evaluation.scoring import run_probe
from keras_dim.evaluation.scoring import score
from keras_dim.evaluation.spread import deviations
from keras_dim.evaluation.spread import effective_rank
from keras_dim.evaluation.spread import relative_deviation
from keras_dim.evaluation.total_correlation import total_correlation

__all__ = [
    "Board",
    "CeilingReport",
    "CollapseReport",
    "Comparison",
    "LabelledImages",
    "NoLabelsError",
    "OnlineProbe",
    "PROBES",
    "PROTOCOLS",
    "ProbeCallback",
    "alignment",
    "alpha_req",
    "board",
    "check_arguments",
    "compare",
    "compare_with_untrained",
    "deviations",
    "effective_rank",
    "extract",
    "feature_model",
    "few_shot",
    "fine_tune",
    "labelled_images",
    "lidar",
    "linear_probe",
    "mlp_probe",
    "ms_ssim",
    "nearest_neighbors",
    "rank_me",
    "raw_pixels",
    "raw_pixels_encoder",
    "reconstruct",
    "relative_deviation",
    "run_probe",
    "score",
    "sgd_probe",
    "stream",
    "total_correlation",
    "two_views",
    "uniformity",
]
