"""The names of the files in the folder of a run."""

RECIPE = "recipe.json"
LOG = "log.csv"
ENCODER = "encoder.keras"
UNTRAINED = "untrained_encoder.keras"
# Of a run from a trained encoder: that one.
START = "start_encoder.keras"
METRICS = "metrics.json"
VIEWS = "views.png"
CURVES = "curves.png"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
# Those that a run writes anew.
WRITTEN_ANEW = (RECIPE, LOG, ENCODER, UNTRAINED, START, METRICS, VIEWS)
WRITTEN_ANEW += (CURVES,)
