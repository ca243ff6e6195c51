"""``da.gslfit.fit(...)``: an accessor of xarray's DataArrays, registered when this module is imported."""
from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from gslfit.checks import package
from gslfit.curves.job import FormulaLike
from gslfit.errors import InputError
from gslfit.integrations.variables import fit_model_or_formula, independent_of
from gslfit.models.model import Model
from gslfit.parameters.collection import Parameters

xarray = package("xarray", "xarray", "gslfit.integrations.xarray")


@xarray.register_dataarray_accessor("gslfit")
class DataArrayFits:
    """Fits of a DataArray along some of its dimensions.

    Parameters
    ----------
    data : xarray.DataArray

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import gslfit.integrations.xarray
    >>> t = np.linspace(0, 5, 40)
    >>> da = xarray.DataArray(np.array([[2.0], [3.0]])*np.exp(-t/1.5), coords={"row": [10, 20], "t": t}, dims=("row", "t"))
    >>> fits = da.gslfit.fit("t", "A*exp(-t/tau)", tau=1.0)
    >>> round(fits.A.sel(row=20).item(), 9)
    3.0
    """

    def __init__(self, data: Any):
        self._data = data

    def fit(self, dim: Hashable | Iterable[Hashable], model: Model | FormulaLike, params: Parameters | None = None, **options: Any) -> Any:
        """Fit a model along a dimension, once for each place on the others.

        Parameters
        ----------
        dim : hashable, or several
            The dimensions of a fit's points.
        model : Model, Formula, str or callable
            Its independent variable is the coordinate of its name, or the only dimension's.
        params : Parameters, optional
        **options
            As `gslfit.fit_batch` takes them: start values by name, ``yerr``, ``covar``, ...; ``x``, or an independent variable by its name,
            in place of a coordinate.

        Returns
        -------
        xarray.Dataset
            ``NAME`` and ``NAME_stderr`` of each parameter, ``status``, ``chisqr``, ... on the other dimensions, with the attributes of the
            data; of a DataArray in dask's chunks it is lazy.

        Raises
        ------
        InputError
            If there is no such dimension, or a variable has no coordinate.
        """
        data = self._data
        dims = (dim,) if isinstance(dim, str) or not isinstance(dim, (list, tuple, set)) else tuple(dim)
        for each in dims:
            if each not in data.dims:
                raise InputError(f"there is no dimension {each!r}; there are {', '.join(map(str, data.dims))}")
        x = options.pop("x", None)
        if x is None:
            along = [str(name) for name, each in data.coords.items() if set(each.dims) & set(dims) and name not in dims]
            chosen = independent_of(model, [str(each) for each in dims], along, options, in_order=False)
            x = {name: self._at_points(column, dims) for name, column in chosen.items()}
        return fit_model_or_formula(model, data, params, x, {"axis": dims, **options}).to_xarray()

    def _at_points(self, name: str, dims: tuple[Hashable, ...]) -> Any:
        """Return a coordinate with a number at each point; places from 0 for a dimension without one."""
        found = self._data[name]
        if len(dims) == 1 or set(dims) <= set(found.dims):
            return found
        points = self._data.isel({dim: 0 for dim in self._data.dims if dim not in dims}, drop=True)
        return found.broadcast_like(points).transpose(*points.dims)
