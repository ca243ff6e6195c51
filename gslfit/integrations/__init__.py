"""Containers of other packages as ways into a fit: xarray's accessor, tables of pandas and polars. Each needs its package."""
