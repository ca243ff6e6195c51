"""Addresses of C functions and of C data, from whatever Python holds them in.

A function may come as an address, a ctypes or cffi function pointer, a numba cfunc, a scipy.LowLevelCallable or a PyCapsule named by
its C signature. Where the object knows its signature, the signature is checked: a wrong one would crash the process.
"""
from __future__ import annotations

import ctypes
import importlib
import operator
import re
from typing import Any

from gslfit.checks import shown
from gslfit.errors import InputError, InputTypeError
from gslfit.records import Record


class Role(Record):
    """What a C function has to look like: its prototype, and for each argument the C types that will do."""

    prototype: str
    arguments: tuple[frozenset[str], ...]


_VECTOR, _MATRIX, _VOID = (frozenset({name, "void*"}) for name in ("gsl_vector*", "gsl_matrix*", "void*"))
_TRANSPOSE = frozenset({"CBLAS_TRANSPOSE_t", "CBLAS_TRANSPOSE", "int", "unsigned"})

ROLES = {
    "f": Role("int (const gsl_vector *x, void *params, gsl_vector *f)", (_VECTOR, _VOID, _VECTOR)),
    "df": Role("int (const gsl_vector *x, void *params, gsl_matrix *J)", (_VECTOR, _VOID, _MATRIX)),
    "fvv": Role("int (const gsl_vector *x, const gsl_vector *v, void *params, gsl_vector *fvv)", (_VECTOR, _VECTOR, _VOID, _VECTOR)),
    "product": Role("int (CBLAS_TRANSPOSE_t TransJ, const gsl_vector *x, const gsl_vector *u, void *params, gsl_vector *v, "
                    "gsl_matrix *JTJ)",
                    (_TRANSPOSE, _VECTOR, _VECTOR, _VOID, _VECTOR, _MATRIX)),
}

_FUNCTION_POINTER: Any = ctypes.CFUNCTYPE(None).__base__         # what all functions of ctypes are
_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_name.restype, _capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_capsule_context = ctypes.pythonapi.PyCapsule_GetContext
_capsule_context.restype, _capsule_context.argtypes = ctypes.c_void_p, [ctypes.py_object]

_QUALIFIERS = r"\b(const|volatile|struct|enum|restrict|extern|static)\b"


def _bare(declaration: str) -> str:
    """Return one argument's C type without qualifiers, name and spaces: 'const gsl_vector * x' -> 'gsl_vector*'."""
    words = re.sub(_QUALIFIERS, " ", declaration)
    match = re.match(r"\s*([\w.]+)\s*((?:\*\s*)*)", words)
    return match[1].split(".")[-1] + match[2].replace(" ", "") if match else words.strip()


def _check_signature(signature: str, role: str) -> None:
    """Complain unless a C signature, such as a capsule's name, fits the role."""
    want = ROLES[role]
    match = re.fullmatch(r"\s*(.*?)\s*(?:\(\s*\*?\s*\w*\s*\))?\s*\(([^()]*)\)\s*(noexcept|nogil|\s)*", signature)
    if match:
        arguments = [_bare(part) for part in match[2].split(",")]
        if (_bare(match[1]) == "int" and len(arguments) == len(want.arguments)
                and all(have in allowed for have, allowed in zip(arguments, want.arguments, strict=True))):
            return
    raise InputTypeError(f"{role} has the C signature {signature!r}, and {want.prototype!r} is needed")


def _check_count(count: int | None, returns_int: bool, what: str, role: str) -> None:
    """Complain unless a function pointer's own declaration has as many arguments as the role, and returns an int."""
    want = ROLES[role]
    if count is not None and (count != len(want.arguments) or not returns_int):
        result = "an int" if returns_int else "no int"
        raise InputTypeError(f"{role} is {what} with {count} arguments, returning {result}; {want.prototype!r} is needed")


def _is_capsule(value: Any) -> bool:
    return type(value).__name__ == "PyCapsule"


def _is_cffi(value: Any) -> bool:
    return type(value).__module__ == "_cffi_backend"


def _cffi_address(value: Any) -> int:
    """Return where cffi data points to."""
    _cffi_backend: Any = importlib.import_module("_cffi_backend")
    return int(_cffi_backend.FFI().cast("uintptr_t", value))


def _from_capsule(capsule: Any, role: str) -> tuple[int, int]:
    name = _capsule_name(capsule)
    if name is None:
        raise InputTypeError(f"{role} is a capsule without a name: its name must be its C signature, {ROLES[role].prototype!r}")
    _check_signature(name.decode(), role)
    return _capsule_pointer(capsule, name), _capsule_context(capsule) or 0


def _from_low_level(callable_: Any, role: str) -> tuple[int, int]:
    """Read a scipy.LowLevelCallable: a tuple whose first element is a capsule named by the signature, its context the user data."""
    return _from_capsule(tuple.__getitem__(callable_, 0), role)


def _from_ctypes(pointer: Any, role: str) -> tuple[int, int]:
    types = pointer.argtypes
    _check_count(None if types is None else len(types), pointer.restype is ctypes.c_int, "a ctypes function", role)
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0, 0


def _from_cffi(pointer: Any, role: str) -> tuple[int, int]:
    _cffi_backend: Any = importlib.import_module("_cffi_backend")
    declared = _cffi_backend.typeof(pointer)
    if declared.kind == "function":
        _check_signature(f"{declared.result.cname} ({', '.join(arg.cname for arg in declared.args)})", role)
    elif declared.kind != "pointer" or declared.item.kind != "void":
        raise InputTypeError(f"{role} is cffi data of type {declared.cname!r}, and a pointer to {ROLES[role].prototype!r} is needed")
    return _cffi_address(pointer), 0


def _from_numba(function: Any, role: str) -> tuple[int, int]:
    signature = getattr(function, "_sig", None)
    if signature is not None:
        _check_count(len(signature.args), str(signature.return_type) == "int32", "a numba cfunc", role)
    return function.address, 0


def address_of(function: Any, role: str) -> tuple[int, int]:
    """Return the address of a C function and that of the user data it carries.

    Parameters
    ----------
    function : object
        An address, a ctypes or cffi function pointer, a numba cfunc, a scipy.LowLevelCallable, or a PyCapsule.
    role : {"f", "df", "fvv", "product"}
        Which of GSL's signatures it must have.

    Returns
    -------
    tuple of int
        The function's address, and that of its user data (0 if it carries none).

    Raises
    ------
    InputTypeError
        If the object holds no C function, or one of another signature.
    InputError
        If the address is null.
    """
    if _is_capsule(function):
        found = _from_capsule(function, role)
    elif type(function).__name__ == "LowLevelCallable":
        found = _from_low_level(function, role)
    elif isinstance(function, _FUNCTION_POINTER):
        found = _from_ctypes(function, role)
    elif _is_cffi(function):
        found = _from_cffi(function, role)
    elif hasattr(function, "address") and hasattr(function, "native_name"):
        found = _from_numba(function, role)
    elif isinstance(function, ctypes.c_void_p):
        found = function.value or 0, 0
    else:
        try:
            found = operator.index(function), 0
        except TypeError:
            raise InputTypeError(f"{role} is {type(function).__name__}, which holds no C function: hand over a ctypes or cffi function "
                                 "pointer, a numba cfunc, a scipy.LowLevelCallable, a PyCapsule or an address") from None
    if found[0] <= 0:
        raise InputError(f"{role} is a null pointer")
    return _address(role, found[0]), found[1]


def _address(name: str, number: int) -> int:
    """Return an address, if a pointer can hold it."""
    if not 0 <= number < 2 ** (8 * ctypes.sizeof(ctypes.c_void_p)):
        raise InputError(f"{name} is {shown(number)}, which is no address")
    return number


def memory_of(params: Any) -> tuple[int, Any]:
    """Return the address of C data, and what keeps it alive.

    Parameters
    ----------
    params : object
        An address, a ctypes object or pointer, cffi data, a capsule, or anything with a contiguous buffer.

    Returns
    -------
    tuple
        The address, and an object to hold on to for as long as the address is used.

    Raises
    ------
    InputTypeError
        If the object holds no memory.
    """
    if isinstance(params, ctypes._Pointer | ctypes.c_void_p | ctypes.c_char_p):
        return ctypes.cast(params, ctypes.c_void_p).value or 0, params
    if isinstance(params, ctypes._SimpleCData | ctypes.Structure | ctypes.Union | ctypes.Array):
        return ctypes.addressof(params), params
    if type(params).__name__ == "CArgObject":               # ctypes.byref(...)
        return ctypes.cast(params, ctypes.c_void_p).value or 0, params
    if _is_capsule(params):
        return _capsule_pointer(params, _capsule_name(params)), params
    if _is_cffi(params):
        return _cffi_address(params), params
    try:
        return _address("params", operator.index(params)), params
    except TypeError:
        pass
    try:
        import numpy as np
        array = np.frombuffer(params, dtype=np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise InputTypeError(f"params is {type(params).__name__}, which holds no C data: {error}") from None
    return array.ctypes.data, (params, array)


def get_include() -> str:
    """Return the folder of gslfit's .pxd and .h files, for one's own Cython and C.

    With it in Cython's include path ``cimport gsl`` gives GSL's declarations, so that nogil functions of GSL's signatures can be written
    and handed to `Function_fdf.from_pointers`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from gslfit import get_include
    >>> (Path(get_include()) / "gsl.pxd").exists()
    True
    """
    from pathlib import Path
    package = Path(__file__).parents[1]
    installed = package / "include"
    return str(installed if installed.exists() else package.parent / "src")         # an editable install is read where it lies
