"""The files that a fit writes: pictures and results, one for each file of data."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from os.path import samefile
from pathlib import Path
from typing import Any

from gslfit.checks import package
from gslfit.cli.columns import STANDARD_INPUT
from gslfit.cli.endings import FileRefused, Refused

DPI = 150


def checked(option: str, name: str) -> Path:
    """Return a file to be written, or raise FileRefused if its folder isn't there."""
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir():
        raise FileRefused(f"{option} {name}: " + ("it is a folder" if path.is_dir() else f"there is no folder {str(path.parent)!r}"))
    return path


def keep_inputs(outputs: Iterable[tuple[str, str | Path | None]], inputs: Iterable[str]) -> None:
    """Raise FileRefused if a file that is to be written is one that the command reads, or is written by another option too.

    Parameters
    ----------
    outputs : iterable of (str, str or Path or None)
        Options and what they write; None, and ``-``, for no file.
    inputs : iterable of str
        Files, each of which may name the array or column in it that is read.
    """
    named = [path for text in inputs if text != STANDARD_INPUT for path in (Path(text), Path(text.rpartition(":")[0]))]
    read = [path for path in named if path.is_file() or (path.suffix == ".zarr" and path.exists())]
    written: dict[Path, str] = {}
    for option, name in outputs:
        if name is None or str(name) == STANDARD_INPUT:
            continue
        path = Path(name)
        if path.exists() and any(samefile(path, each) for each in read):
            raise FileRefused(f"{option} {path} would overwrite a file that is read: name another one")
        before = written.setdefault(path.resolve(), option)
        if before is not option:
            raise FileRefused(f"{option} {path} is what {before} writes too: name another file")


def picture(option: str, name: str) -> Path:
    """Return the file of a picture; matplotlib must be there and know its ending.

    Raises
    ------
    FileRefused
        If its folder isn't there.
    ImportError
        If matplotlib isn't there.
    Refused
        If its ending is no kind of picture.
    """
    path = checked(option, name)
    matplotlib = package("matplotlib", "plot", option)
    matplotlib.use("Agg")
    known = package("matplotlib.backend_bases", "plot", option).FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        raise Refused(f"{option} {name}: the name must end with the kind of picture, one of {', '.join(sorted(known))}")
    return path


def draw(axes: Any, path: Path) -> None:
    """Write the figure of some axes to a file, and close it."""
    from matplotlib import pyplot
    figure = axes.figure
    try:
        figure.savefig(path, dpi=DPI, bbox_inches="tight")
    except OSError as error:
        raise FileRefused(f"{path} can't be written: {error.strerror}") from None
    finally:
        pyplot.close(figure)


class Outputs:
    """What is written for each file of data: its own name is added to that of the output where there are several.

    Parameters
    ----------
    plot, save, json_file : str or None
        The options.
    sources : sequence of str
        What messages call the files of data.
    inputs : sequence of str
        All files that are read.

    Raises
    ------
    FileRefused
        If an output can't be written, or would overwrite a file that is read.
    """

    def __init__(self, plot: str | None, save: str | None, json_file: str | None, sources: Sequence[str], inputs: Sequence[str]):
        self.plot = None if plot is None else picture("--plot", plot)
        self.save = None if save is None else checked("--save", save)
        self.json_file = json_file
        if json_file is not None and json_file != "-":
            checked("--json", json_file)
        stems = [Path(source).stem.replace(" ", "-") for source in sources]
        self.stems = [stem if stems.count(stem) == 1 else f"{stem}-{number}" for number, stem in enumerate(stems, 1)]
        each = [(option, self.path(path, number)) for option, path in (("--plot", self.plot), ("--save", self.save)) if path is not None
                for number in range(len(stems))]
        keep_inputs([*each, ("--json", json_file)], inputs)

    def path(self, path: Path, number: int) -> Path:
        """Return the path of an output of the file with a number."""
        return path if len(self.stems) == 1 else path.with_stem(f"{path.stem}-{self.stems[number]}")

    def write(self, number: int, result: Any, curve: Any) -> None:
        """Write what is asked for of the fit with a number."""
        if self.plot is not None:
            axes = result.plot(xlabel=curve.x[0].title, ylabel=curve.y.title) if len(curve.x) == 1 else result.plot()
            draw(axes[0], self.path(self.plot, number))
        if self.save is not None:
            from gslfit.models.files import save_modelresult
            path = self.path(self.save, number)
            try:
                save_modelresult(result, path)
            except OSError as error:
                raise FileRefused(f"{path} can't be written: {error.strerror}") from None
