"""Where the tables and specs that ship with the package lie on this machine."""

from __future__ import annotations

from pathlib import Path

from bayescale.errors import BayescaleError

_PACKAGE = Path(__file__).resolve().parent


def shipped(kind: str) -> Path:
    """Find a folder that ships with the package.

    A wheel carries the folders inside the package; a checkout or an editable install has them at the top of the
    repository.

    Parameters
    ----------
    kind : str
        Name of the folder: ``"data"`` or ``"models"``.

    Returns
    -------
    pathlib.Path
        The folder; it exists.

    Raises
    ------
    BayescaleError
        The folder is in neither place, so the installation is incomplete.

    Examples
    --------
    >>> shipped("data").name
    'data'
    """
    candidates = [_PACKAGE / "_shipped" / kind]
    # Next to an installed package lie other people's packages, so the folder there is ours only in a checkout.
    if (_PACKAGE.parent / "pyproject.toml").is_file():
        candidates.append(_PACKAGE.parent / kind)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise BayescaleError(
        f"The installation of bayescale is incomplete: its folder {kind!r} is in none of "
        f"{', '.join(str(c) for c in candidates)}. Install the package again: pip install --force-reinstall bayescale"
    )
