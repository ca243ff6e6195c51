"""Try an installed gslfit that stands alone: it imports and fits, and each extra that is missing is named in one line.

Run by `make wheel` and cibuildwheel with the Python of a fresh environment.
"""
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import gslfit
from gslfit import nist


def close(value, right, tolerance):
    """Stop unless a number is right."""
    if not abs(value - right) <= tolerance*abs(right):
        raise SystemExit(f"{value!r} is not {right!r}")


def fits():
    """Fit by each way into the package."""
    data = nist.read("Misra1a")
    result = gslfit.fit(data.formula, data.y, x=data.x, **dict(zip(data.names, data.starts[0], strict=True)))
    model = gslfit.models.GaussianModel() + gslfit.models.LinearModel()
    x = np.linspace(0, 10, 200)
    guessed = model.fit(7*np.exp(-(x - 4)**2/2) + x + 1, x=x)
    params = gslfit.Parameters()
    for name, start in zip(data.names, data.starts[1], strict=True):
        params.add(name, value=start)
    minimized = gslfit.minimize(lambda p: p["b1"].value*(1 - np.exp(-p["b2"].value*data.x)) - data.y, params)
    for found in (result, minimized):
        for name, value, error in zip(data.names, data.certified, data.stderr, strict=True):
            close(found.params[name].value, value, 1e-6)
            close(found.params[name].stderr, error, 1e-5)
    close(guessed.params["center"].value, 4, 1e-9)
    batch = gslfit.fit_batch("A*exp(-x/tau)", 2*np.exp(-x/np.linspace(1, 3, 1000)[:, None]), x=x, A=1, tau=2)
    if not batch.success.all() or not np.allclose(batch.values["tau"], np.linspace(1, 3, 1000)):
        raise SystemExit("fit_batch did not find the decays")
    popt, _ = gslfit.curve_fit(lambda x, a, b: a*np.exp(-b*x), x, 3*np.exp(-0.5*x), (1, 1))
    close(popt[1], 0.5, 1e-9)
    return result, batch, x


def missing(result, batch, x):
    """Ask for what each extra brings; return the extras whose absence was told in one line."""
    asked = {
        "plot": ("matplotlib", result.plot),
        "xarray": ("xarray", batch.to_xarray),
        "zarr": ("zarr", lambda: gslfit.fit_batch("A*exp(-x/tau)", np.ones((3, x.size)), x=x, A=1, tau=2,
                                                  out=str(Path(tempfile.mkdtemp()) / "out.zarr"))),
    }
    told = []
    for extra, (package, ask) in asked.items():
        if importlib.util.find_spec(package) is not None:
            continue
        try:
            ask()
        except ImportError as error:
            message = str(error)
        else:
            raise SystemExit(f"{package} is missing, and nothing was said")
        if "\n" in message or f"gslfit[{extra}]" not in message:
            raise SystemExit(f"{package} is missing, and that was said: {message}")
        told.append(message)
    if importlib.util.find_spec("click") is None:
        done = subprocess.run([sys.executable, "-I", "-m", "gslfit", "models"], capture_output=True, text=True)
        if done.returncode != 2 or done.stderr.count("\n") != 1 or "gslfit[cli]" not in done.stderr:
            raise SystemExit(f"click is missing, and that was said: {done.stderr}")
        told.append(done.stderr.strip())
    return told


if __name__ == "__main__":
    print(f"gslfit {gslfit.__version__} from {Path(gslfit.__file__).parent}")
    print(*missing(*fits()), sep="\n")
    print("it imports and fits")
