"""The subcommands and their options; what they do is imported when one runs, so that ``--help`` needs neither NumPy nor the C core."""
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from gslfit import __version__
from gslfit.cli.endings import EXIT_CODES, INTERRUPTED, WRONG_CALL, Refused

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
MODEL_HELP = """The model: a formula of the variable, such as "A*exp(-x/tau) + c", or models of the library joined by +, such as
gaussian+linear."""


def run(args: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; a refusal is one line on standard error."""
    try:
        found = main.main(args=None if args is None else list(args), prog_name="gslfit", standalone_mode=False)
        return int(found or 0)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("gslfit: interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = f" (`{context.command_path} --help` lists the options)" if context is not None else ""
        return _tell(f"{error.format_message().rstrip('.')}{where}", WRONG_CALL)
    except Refused as error:
        return _tell(str(error), error.code)
    except BrokenPipeError:             # of a reader such as head, which has seen enough
        sys.stderr.close()
        return 0
    except (ImportError, MemoryError) as error:
        return _tell(str(error) or "there is not enough memory", WRONG_CALL)
    except Exception as error:
        from gslfit.errors import FitError
        if not isinstance(error, FitError):
            raise
        return _tell(str(error), WRONG_CALL)


def _tell(message: str, code: int) -> int:
    """Print a refusal in one line, without the mark below a place in a formula, and return its exit code."""
    lines = [line.strip() for line in message.splitlines() if line.strip(" ^")]
    click.echo(f"gslfit: {' '.join(lines)}", err=True)
    return code


@click.group(context_settings=CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="gslfit", message="%(prog)s %(version)s")
def main() -> None:
    """Fit curves by nonlinear least squares, with error bars: `gslfit fit data.csv --model "A*exp(-x/tau) + c" --start tau=2`."""


def _complete_models(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the models of the library that begin as what is typed."""
    from gslfit.cli.models import library
    head, plus, last = incomplete.rpartition("+")
    return [head + plus + name for name in library() if name.startswith(last.strip())]


def _complete_sets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return NIST's data sets that begin as what is typed."""
    from gslfit.nist import FORMULAS
    return [name for name in FORMULAS if name.lower().startswith(incomplete.lower())]


def _about_parameters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what the model is, and what is known of its parameters."""
    options = [
        click.option("-m", "--model", metavar="MODEL", shell_complete=_complete_models, help=MODEL_HELP),
        click.option("--start", multiple=True, metavar="NAME=VALUE",
                     help="Where a parameter starts. Models of the library are guessed; of a formula, parameters need one that do not "
                          "enter linearly."),
        click.option("--starts", metavar="NUMBER|auto", help="Try so many starts, side by side, and keep the lowest minimum; auto: where a "
                                                             "first fit is in doubt. Of a map also: neighbours."),
        click.option("--ranges", multiple=True, metavar="NAME=LOW:HIGH",
                     help="Where the starts of a parameter lie; it needs no --start then, and the range is no bound."),
        click.option("--bound", multiple=True, metavar="NAME=LOW:HIGH", help="The bounds of a parameter; one may be left out: tau=0: ."),
        click.option("--fix", multiple=True, metavar="NAME[=VALUE]", help="Hold a parameter."),
        click.option("--expr", multiple=True, metavar="NAME=EXPRESSION",
                     help="Compute a parameter from others: b=2*a; or a further one, with its error: half=tau*log(2)."),
        click.option("--loss", metavar="LOSS[:SCALE]",
                     help="What is minimised instead of the sum of squares: poisson for counts; against outliers soft_l1, huber, cauchy, "
                          "arctan, tukey, of residuals in units of SCALE: huber:0.5, tukey:mad."),
        click.option("--response", metavar="FILE[:COLUMN]",
                     help="Fold the model with a measured response, on the spacing of x: the only column of a file, or the second one."),
        click.option("--response-centre", type=click.IntRange(0), default=0, metavar="PLACE",
                     help="Which of its numbers, from 0 on, stands for no delay; the first, if not given."),
        click.option("--response-shift", metavar="NAME", help="A parameter that moves the response along x; it starts at 0."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command(epilog=EXIT_CODES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--x", "x", multiple=True, metavar="[NAME=]COLUMN",
              help="The column of the independent variable, by name or by number from 1; once for each variable. In the formula it is "
                   "called NAME, else as the column if the formula has that name, else x.")
@click.option("--y", "y", metavar="COLUMN", help="The column of the data. Without --x and --y the first two columns are taken.")
@click.option("--yerr", metavar="COLUMN", help="The column of the data's standard deviations.")
@_about_parameters
@click.option("--xlim", metavar="LOW:HIGH", help="Fit only points whose x lies between; one may be left out.")
@click.option("--known-errors", is_flag=True, help="Take --yerr as it is, instead of scaling errors by the reduced chi-square.")
@click.option("--plot", metavar="FILE", help="Draw data, curve and residuals into a PNG, PDF or SVG file.")
@click.option("--ci", is_flag=True, help="Confidence intervals of 68, 95 and 99.7 % from profiles of chi-square.")
@click.option("--bootstrap", metavar="N[:KIND]",
              help="Standard errors and 95 % intervals from N fits of resampled data: 10000, or 10000:pairs; also residual (the default), "
                   "parametric, poisson.")
@click.option("--seed", type=click.IntRange(0), metavar="NUMBER",
              help="Of the random numbers of --bootstrap: the same one gives the same replicates. Without it they differ from call to "
                   "call.")
@click.option("--shared", multiple=True, metavar="NAME", help="Fit all files together, with this parameter the same in all of them; once "
                                                             "for each, or joined by commas.")
@click.option("--json", "json_file", metavar="FILE", help="Write the result as JSON; - for standard output, without the report.")
@click.option("--save", metavar="FILE", help="Write the result with its data, for gslfit.load_modelresult.")
def fit(**options: Any) -> int:
    """Fit a model to each of some files of columns.

    CSV, TSV and columns apart by spaces are read, with decimal points or commas, comments, lines above the numbers, and missing values,
    whose rows are left out; NIST's files too, and standard input as "-". Of several files each is fitted by itself, and its name is
    added to the names of pictures and of results that are saved: fit-a.png, fit-b.png. With --shared they are fitted together.
    """
    from gslfit.cli.fit import fit_files
    return fit_files(**options)


@main.command(epilog=EXIT_CODES)
@click.argument("file", metavar="FILE[:NAME]")
@click.option("--x", "x", multiple=True, metavar="[NAME=]FILE[:NAME]",
              help="The file of the independent variable, an array or a column of a table; once for each. Of a long table its column.")
@click.option("--y", "y", metavar="COLUMN", help="Of a table: the column of the data.")
@click.option("--by", metavar="COLUMN", help="Of a table: the column that says which curve a row belongs to.")
@click.option("--yerr", metavar="FILE[:NAME]", help="The data's standard deviations: of their shape, the batch's, or that of a curve. Of a "
                                                  "table their column.")
@click.option("--mask", metavar="FILE[:NAME]", help="True where something is left out: of the batch's shape a fit, of the data's a point.")
@click.option("--axis", default="-1", show_default=True, metavar="AXIS",
              help="The axis of the points of a curve; several, joined by commas, for stacks of images.")
@_about_parameters
@click.option("--known-errors", is_flag=True, help="Take --yerr as it is, instead of scaling errors by the reduced chi-square.")
@click.option("--out", metavar="PATH", help="Where results are written as they come: NAME.zarr, or a folder of .npy; at the end: NAME.npz, "
                                            "and of a table NAME.csv.")
@click.option("--resume", is_flag=True, help="Go on with what --out holds; refused if the data, the model or an option has changed.")
@click.option("--maps", metavar="FILE", help="Draw the parameters over the batch.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="How many threads; all cores, if not given.")
def batch(**options: Any) -> int:
    """Fit a model to each of the curves of an array or of a long table.

    Arrays are read from .npy, .npz, HDF5, netCDF, zarr and TIFF files, block by block where the format allows that, so that they may be
    larger than memory. Of several arrays in a file the only one of several axes is taken, or the one named: movie.h5:/entry/data. Of
    a long table (.csv, .tsv, .txt, .dat, - for standard input) each row is a point, and --by, --x and --y say which columns are what.
    """
    from gslfit.cli.batch import fit_batch_file
    return fit_batch_file(**options)


@main.command(epilog=EXIT_CODES)
@click.argument("name", required=False, shell_complete=_complete_models)
def models(name: str | None) -> None:
    """List the models of the library, or show one with its formula and parameters."""
    from gslfit.cli.catalogue import list_models, show_model
    list_models() if name is None else show_model(name)


@main.command(epilog=EXIT_CODES)
@click.argument("name", required=False, shell_complete=_complete_sets)
@click.option("--data", is_flag=True, help="Print NIST's file as it is, for instance for `gslfit fit -`.")
def nist(name: str | None, data: bool) -> int:
    """Fit NIST's certified data sets from both of their starts, all or one, and compare with the certified values."""
    from gslfit.cli.certified import fit_sets, print_file
    if data:
        return print_file(name)
    return fit_sets(name)


@main.command(epilog=EXIT_CODES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes the command in a shell: `eval "$(gslfit completion bash)"`."""
    from click.shell_completion import get_completion_class
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "gslfit", "_GSLFIT_COMPLETE").source())
