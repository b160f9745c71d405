"""Machine code for kernels: plain Python functions that Numba compiles once, kept as an object file between runs.

A kernel is a module of plain functions over pointers and 64-bit numbers (see `formats.log_kernel`), which may call
those of another such module. Compiled, it is one C function that is called without the GIL. Numba is imported only
where there is something to compile: a kept object is loaded by llvmlite alone, in a tenth of the time.

Objects are kept in the cache folder (`traceview.kept`); where that cannot be written, a kernel is compiled anew in each
run that needs it. ``TRACEVIEW_COMPILED=0`` does without kernels altogether. ``python -m traceview.compiled`` compiles
all of them beforehand, for an image or a machine that is shared.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import inspect
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from traceview.kept import cache_folder, keep, kept

__all__ = ["KERNELS", "LOG", "PADDING", "SIMPLETRACE", "Kernel", "kernel_for", "kernel_function"]

COMPILED_FROM = 4 << 20
"""Bytes of a trace from which on a kernel is worth loading."""
COMPILE_FROM = 48 << 20
"""Bytes from which on it is worth compiling where it never was: some seconds, once."""
PADDING = 64
"""Bytes behind what a kernel is to look at that it may read, whatever stands in them."""

_DECLARED = re.compile(r"^declare .*@(?!llvm\.)([A-Za-z_]\w*)\(", re.MULTILINE)
_BUILTIN = ("memcpy", "memmove", "memset")
"""What LLVM may call of itself."""
_OPTIONS: dict[str, Any] = {"boundscheck": False, "error_model": "numpy"}


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function of a module, and the functions of the module that it calls.

    The module's ``SIGNATURE`` says the C types of its arguments, in order: ``u8*``, ``i32*``, ``i64*``, ``u64*``,
    ``i64``. It returns an ``i64``.
    """

    module: str
    function: str


LOG = Kernel("traceview.formats.log_kernel", "scan_block")
SIMPLETRACE = Kernel("traceview.formats.simpletrace_kernel", "scan_records")
KERNELS = (LOG, SIMPLETRACE)


def kernel_for(kernel: Kernel, size: int) -> Callable[..., int] | None:
    """Return a kernel for a trace of at least `size` bytes, or None where there is none that is worth it."""
    return kernel_function(kernel, wait=size >= COMPILE_FROM) if size >= COMPILED_FROM else None


def kernel_function(kernel: Kernel, *, wait: bool) -> Callable[..., int] | None:
    """Return a kernel as a C function of addresses and numbers, or None where there is none.

    There is none where llvmlite is not installed or kernels are switched off, and without `wait` where it would have to
    be compiled first (some seconds).
    """
    if os.environ.get("TRACEVIEW_COMPILED") == "0":
        return None
    try:
        return _loaded(kernel) or (_compiled(kernel) if wait else None)
    except ImportError:
        return None


_functions: dict[Kernel, Callable[..., int]] = {}
_engines: list[object] = []
"""What owns the machine code: it must live as long as the functions."""


def _loaded(kernel: Kernel) -> Callable[..., int] | None:
    """Return a kernel that was kept, or None."""
    if kernel not in _functions:
        known = kept(_object_name(kernel))  # nothing that is damaged: LLVM would end the process over it
        if known is None:
            return None
        names, _, code = known.partition(b"\n")
        symbol, *needed = names.decode("ascii").split()
        _functions[kernel] = _link(kernel, symbol, needed, code)
    return _functions[kernel]


def _compiled(kernel: Kernel) -> Callable[..., int]:
    """Compile a kernel and keep it."""
    symbol, needed, code = _compile(kernel)
    keep(_object_name(kernel), " ".join([symbol, *needed]).encode("ascii") + b"\n" + code)
    _functions[kernel] = _link(kernel, symbol, needed, code)
    return _functions[kernel]


@cache
def _object_name(kernel: Kernel) -> str:
    """Return the name of a kernel's object file, a digest of all that it depends on (a log may ask block by block)."""
    import llvmlite  # noqa: PLC0415
    import llvmlite.binding as llvm  # noqa: PLC0415

    modules = {function.__module__ for _, function in _functions_of(_module(kernel))}
    made_of = (
        *(inspect.getsource(sys.modules[m]) for m in sorted({__name__, *modules})), llvmlite.__version__,
        llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(),
        platform.python_version(),
    )  # fmt: skip
    digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()
    return f"{kernel.function}-{digest[:20]}.o"


def _module(kernel: Kernel) -> ModuleType:
    return importlib.import_module(kernel.module)


def _signature(kernel: Kernel) -> list[str]:
    return list(_module(kernel).SIGNATURE)


@cache
def _target() -> Any:
    """Return LLVM's machine, made ready for loading."""
    import llvmlite.binding as llvm  # noqa: PLC0415

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(opt=3, jit=True)


def _link(kernel: Kernel, symbol: str, needed: list[str], code: bytes) -> Callable[..., int]:
    """Load an object file; `needed` are the functions that it names and others define."""
    import llvmlite.binding as llvm  # noqa: PLC0415

    process = ctypes.CDLL(None)
    for name in needed:
        # Numba's C wrapper has an error path that names functions of its runtime. A kernel raises nothing, so nothing
        # ever calls them.
        function = getattr(process, name, process.abort)
        llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    types = [ctypes.c_int64 if t == "i64" else ctypes.c_void_p for t in _signature(kernel)]
    return ctypes.CFUNCTYPE(ctypes.c_int64, *types)(engine.get_function_address(symbol))


def _compile(kernel: Kernel) -> tuple[str, list[str], bytes]:
    """Return the symbol of a kernel, the functions that it names and others define, and its object file."""
    import numba  # noqa: PLC0415  (slow to import)

    types: Any = numba.types
    compiler: Any = numba.cfunc
    scalars = {"u8": types.uint8, "i32": types.int32, "i64": types.int64, "u64": types.uint64}
    arguments = [types.CPointer(scalars[t[:-1]]) if t[-1] == "*" else scalars[t] for t in _signature(kernel)]
    names = _callable(_module(kernel), kernel.function)
    entry = compiler(types.int64(*arguments), **_OPTIONS)(names[kernel.function])
    library = entry._library
    needed = _DECLARED.findall(library.get_llvm_str())
    return str(entry.native_name), [*needed, *_BUILTIN], bytes(library._get_compiled_object())


def _callable(module: ModuleType, entry: str = "") -> dict[str, Any]:
    """Return the names of a kernel's module, its functions ready to be compiled; `entry` is left a plain function."""
    import numba  # noqa: PLC0415

    names: dict[str, Any] = dict(vars(module))
    for name, function in _functions_of(module):
        if function.__module__ != module.__name__:
            names[name] = _callable(sys.modules[function.__module__])[function.__name__]
            continue
        bound = FunctionType(function.__code__, names, name, function.__defaults__)
        names[name] = bound if name == entry else numba.njit(nogil=True, **_OPTIONS)(bound)
    return names


def _functions_of(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Yield the functions that a kernel's module defines or imports, with the names that it has for them."""
    for name, value in vars(module).items():
        if isinstance(value, FunctionType):
            yield name, value


if __name__ == "__main__":
    for each in KERNELS:
        kernel_function(each, wait=True)
        print(each.function, cache_folder() / _object_name(each))
