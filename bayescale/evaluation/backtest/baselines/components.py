"""Principal components of benchmark scores, missing ones imputed, as the paper takes them."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

_ROUNDS = 1000
_SETTLED = 1e-9  # in standard deviations


def principal_components(learnt_from: np.ndarray, asked: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """First principal components of scores, the directions taken from the models learnt from.

    As in Ruan, Maddison & Hashimoto (2024), section 3 (ryoungj/ObsScaling, utils/data.py): scores are imputed on the
    standardised scale and cut to [0, 1]; the components are then those of the raw scores, centred and not standardised.

    Parameters
    ----------
    learnt_from, asked : ndarray (model, benchmark)
        NaN where a score is missing; every benchmark has a score among `learnt_from`.
    count : int
        At most as many as benchmarks, and as models to learn from.

    Returns
    -------
    learnt_from, asked : ndarray (model, component)
    """
    learnt_from, asked = impute(learnt_from, asked)
    pca = PCA(n_components=count).fit(learnt_from)
    return pca.transform(learnt_from), pca.transform(asked)


def impute(learnt_from: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill missing scores from one principal component, fitted and filled in turns until the values settle.

    The models asked for are filled from the component of the others.
    """
    scaler = StandardScaler().fit(learnt_from)
    filled, pca = _settle(scaler.transform(learnt_from), None)
    others, _ = _settle(scaler.transform(asked), pca)
    return np.clip(scaler.inverse_transform(filled), 0, 1), np.clip(scaler.inverse_transform(others), 0, 1)


def _settle(scaled: np.ndarray, fitted: PCA | None) -> tuple[np.ndarray, PCA]:
    missing = np.isnan(scaled)
    filled = np.where(missing, 0.0, scaled)  # the mean, on the standardised scale
    pca = fitted if fitted is not None else PCA(n_components=1).fit(filled)
    for _ in range(_ROUNDS if missing.any() else 0):
        pca = fitted if fitted is not None else PCA(n_components=1).fit(filled)
        rebuilt = pca.inverse_transform(pca.transform(filled))[missing]
        change = np.abs(rebuilt - filled[missing]).max()
        filled[missing] = rebuilt
        if change < _SETTLED:
            break
    return filled, pca
