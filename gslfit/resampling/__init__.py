"""Fits of resampled data: the bootstrap and the jackknife, and what single points do to a fit."""
