"""Finds duplicates, outliers, defects, wrong labels and images to label.

Everything here works on arrays, and knows neither encoders nor files.
"""

from keras_dim.curation.alignment import best_correlation
from keras_dim.curation.alignment import detail_correlation
from keras_dim.curation.alignment import greys
from keras_dim.curation.clusters import Clusters
from keras_dim.curation.clusters import clusters
from keras_dim.curation.coreset import coreset
from keras_dim.curation.defects import DEFECTS
from keras_dim.curation.defects import Defect
from keras_dim.curation.defects import defects
from keras_dim.curation.defects import measure
from keras_dim.curation.duplicates import duplicates
from keras_dim.curation.duplicates import exact_duplicates
from keras_dim.curation.hashes import perceptual_hash
from keras_dim.curation.label_issues import LabelIssues
from keras_dim.curation.label_issues import label_issues
from keras_dim.curation.outliers import outliers

__all__ = [
    "Clusters",
    "DEFECTS",
    "Defect",
    "LabelIssues",
    "best_correlation",
    "clusters",
    "coreset",
    "defects",
    "detail_correlation",
    "duplicates",
    "exact_duplicates",
    "greys",
    "label_issues",
    "measure",
    "outliers",
    "perceptual_hash",
]
