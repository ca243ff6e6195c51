"""Confidence intervals and regions from profiles of chi-square, and the F-test between two fits."""
from gslfit.confidence.ftest import f_compare
from gslfit.confidence.interval import ConfidenceIntervals, conf_interval
from gslfit.confidence.region import conf_interval2d

__all__ = ["ConfidenceIntervals", "conf_interval", "conf_interval2d", "f_compare"]
