"""The names of the files in the folder of a run."""

RECIPE = "recipe.json"
LOG = "log.csv"
ENCODER = "encoder.keras"
UNTRAINED = "untrained_encoder.keras"
# The encoder that the training starts from, if it is a trained one.
START = "start_encoder.keras"
METRICS = "metrics.json"
VIEWS = "views.png"
CURVES = "curves.png"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
# The files that a run overwrites.
WRITTEN_ANEW = (RECIPE, LOG, ENCODER, UNTRAINED, START, METRICS, VIEWS, CURVES)
