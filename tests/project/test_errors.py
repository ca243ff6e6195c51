"""The exceptions, and the one table of GSL's status codes."""
import doctest
import pickle
import re
import subprocess

import pytest

from gslfit import errors
from gslfit.errors import STATUSES


def header_codes():
    """Names and numbers in gsl_errno.h, where the compiler's search path has it."""
    flags = subprocess.run(["gsl-config", "--prefix"], capture_output=True, text=True, check=False)
    try:
        with open(f"{flags.stdout.strip()}/include/gsl/gsl_errno.h") as header:
            return {name: int(code) for name, code in re.findall(r"^\s*GSL_(\w+)\s*=\s*(-?\d+)", header.read(), re.M)}
    except OSError:
        return None


def test_table_has_every_code_of_the_header():
    """Every status that GSL's header declares is in the table under its number."""
    codes = header_codes()
    if codes is None:
        pytest.skip("gsl_errno.h is not where gsl-config points")
    assert {status.name: status.code for status in STATUSES.values()} == codes


@pytest.mark.parametrize("code", [code for code in STATUSES if code])
def test_every_code_raises_its_own_class(code):
    """check() raises the class of the table, with code, name and prose."""
    with pytest.raises(STATUSES[code].error, match=f"covar: .*GSL_{STATUSES[code].name}") as caught:
        errors.check(code, "covar")
    assert caught.value.code == code
    assert STATUSES[code].prose in str(caught.value)
    assert isinstance(caught.value, errors.FitError)


def test_success_and_unknown_codes():
    """0 passes; a code that GSL does not define is a GSLError that shows it."""
    assert errors.check(0) == 0
    with pytest.raises(errors.GSLError, match="status 99") as caught:
        errors.check(99)
    assert caught.value.code == 99


@pytest.mark.parametrize(("code", "base"), [(8, MemoryError), (4, ValueError), (12, ZeroDivisionError), (1, ValueError),
                                            (21, ArithmeticError)])
def test_statuses_are_also_what_python_calls_them(code, base):
    """`except MemoryError` catches GSL_ENOMEM, and so on."""
    with pytest.raises(base):
        errors.check(code)


@pytest.mark.parametrize("error", [errors.error(21, "covar"), errors.ExpressionError("unknown name 'b'", "a+b", 2),
                                   errors.ParameterNameError("no parameter 'b'"), errors.error(99)], ids=repr)
def test_exceptions_survive_pickling(error):
    """An exception from a worker process arrives as it left."""
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))


def test_a_wrong_name_reads_as_a_sentence():
    """A KeyError shows its message, not the message's repr."""
    with pytest.raises(KeyError) as caught:
        raise errors.ParameterNameError("no parameter 'b'")
    assert str(caught.value) == "no parameter 'b'"


def test_docstrings_run():
    """The examples in the docstrings are true."""
    assert doctest.testmod(errors).failed == 0
