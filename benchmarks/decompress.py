"""Decompress a file to nowhere, with the library that is quickest at it.

python decompress.py FILE
"""

import importlib
import sys

_LIBRARIES = {"gz": "isal.igzip", "xz": "lzma", "zst": "zstandard"}


def main() -> None:
    """Decompress the file of the command line."""
    path = sys.argv[1]
    library = importlib.import_module(_LIBRARIES[path.rpartition(".")[2]])
    with library.open(path, "rb") as stream:
        while stream.read(1 << 20):
            pass


if __name__ == "__main__":
    main()
