"""Writes a report on a set of images: one HTML page and tables."""

from keras_dim.report.writing import PAGE
from keras_dim.report.writing import write_report

__all__ = ["PAGE", "write_report"]
