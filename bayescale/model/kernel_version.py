"""Under which number PyTensor keeps a compiled kernel on disk: other code, another number."""

from __future__ import annotations

import hashlib
from pathlib import Path


def kernel_version(*sources: str) -> int:
    """Number of the text of `sources`, all files from which a kernel is compiled.

    A number raised by hand was one to forget: the kernel on disk would go on running with the formula of yesterday.
    """
    digest = hashlib.sha256()
    for source in sources:
        text = Path(source).read_bytes()
        digest.update(len(text).to_bytes(8, "big") + text)
    return int.from_bytes(digest.digest()[:6], "big")
