"""Principal components of benchmark scores with missing values imputed, as in the paper."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

_ROUNDS = 1000
_TOLERANCE = 1e-9  # in standard deviations


def principal_components(training: np.ndarray, test: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first principal components of scores, fitted to the training models.

    As in Ruan, Maddison & Hashimoto (2024), section 3 (ryoungj/ObsScaling, utils/data.py): scores are imputed on the
    standardised scale and cut to [0, 1]; the components are then those of the raw scores, centred and not standardised.

    Parameters
    ----------
    training, test : ndarray (model, benchmark)
        NaN where a score is missing; every benchmark has a score among `training`.
    count : int
        At most as many as benchmarks, and as training models.

    Returns
    -------
    training, test : ndarray (model, component)
    """
    training, test = impute(training, test)
    pca = PCA(n_components=count).fit(training)
    return pca.transform(training), pca.transform(test)


def impute(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Impute missing scores from one principal component, alternating fit and imputation until convergence.

    The test models are imputed with the component of the training models.
    """
    scaler = StandardScaler().fit(training)
    filled, pca = _iterate(scaler.transform(training), None)
    others, _ = _iterate(scaler.transform(test), pca)
    return np.clip(scaler.inverse_transform(filled), 0, 1), np.clip(scaler.inverse_transform(others), 0, 1)


def _iterate(scaled: np.ndarray, fitted: PCA | None) -> tuple[np.ndarray, PCA]:
    missing = np.isnan(scaled)
    filled = np.where(missing, 0.0, scaled)  # the mean, on the standardised scale
    pca = fitted if fitted is not None else PCA(n_components=1).fit(filled)
    for _ in range(_ROUNDS if missing.any() else 0):
        pca = fitted if fitted is not None else PCA(n_components=1).fit(filled)
        rebuilt = pca.inverse_transform(pca.transform(filled))[missing]
        change = np.abs(rebuilt - filled[missing]).max()
        filled[missing] = rebuilt
        if change < _TOLERANCE:
            break
    return filled, pca
