"""A forecast for other tools: what pandas, xarray and files hold, and that they come back as they went."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import Run

from bayescale import NEW_FAMILY, Posterior
from bayescale.cli.options import SEED
from bayescale.errors import FileError, MissingDependencyError
from bayescale.forecast import Forecast


@pytest.fixture(scope="module")
def forecast(posterior: Posterior) -> Forecast:
    return posterior.forecast(family=["Family-A", NEW_FAMILY], flops=[1e24, 1e25], random_seed=0)


@pytest.fixture(scope="module")
def saved(posterior: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posterior.save(tmp_path_factory.mktemp("export") / "posterior.nc")


def test_the_table_is_the_summary_with_the_figures_of_the_models(forecast: Forecast) -> None:
    table = forecast.to_pandas(prob=0.5)
    summary = forecast.summary(prob=0.5)
    pd.testing.assert_frame_equal(table[summary.columns], pd.DataFrame(summary))
    assert (table["prob"] == 0.5).all()
    assert (table["interval"] == "equal-tailed").all()
    assert table["flops"].tolist() == [1e24] * 5 + [1e25] * 5
    assert table.attrs["posterior"] == forecast.posterior.identity
    assert table.attrs["spec"] == forecast.posterior.spec.name


def test_the_draws_are_tidy(forecast: Forecast) -> None:
    draws = forecast.to_pandas(all_draws=True)
    assert draws.columns.tolist() == [
        "chain", "draw", "model", "family", "flops", "benchmark", "expected_score", "predicted_score",
    ]  # fmt: skip
    assert len(draws) == forecast.draws["predicted_score"].size
    one = draws.iloc[4321]
    cell = forecast.draws.sel(chain=one["chain"], draw=one["draw"], model=one["model"], benchmark=one["benchmark"])
    assert one["predicted_score"] == cell["predicted_score"].item()
    # Whoever summarises them gets the table.
    median = draws.groupby(["model", "benchmark"])["predicted_score"].median()
    table = forecast.to_pandas().set_index(["model", "benchmark"])["median"]
    pd.testing.assert_series_equal(median.loc[table.index], table, check_names=False)


def test_xarray_gets_a_copy_with_its_provenance(posterior: Posterior) -> None:
    forecast = posterior.forecast(family="Family-A", flops=1e24, given={"bench-1": 0.6}, random_seed=0)
    draws = forecast.to_xarray()
    assert set(draws.sizes) == {"chain", "draw", "model", "benchmark"}
    assert json.loads(draws.attrs["given"]) == {"bench-1": 0.6}
    assert draws.attrs["converged"] == 1
    assert draws["flops"].attrs["units"] == "FLOP"
    draws["expected_score"] *= 0
    assert forecast.draws["expected_score"].max() > 0
    assert "spec" not in forecast.draws.attrs


@pytest.mark.parametrize("draws", [False, True])
def test_csv_comes_back_to_the_last_bit(forecast: Forecast, draws: bool, tmp_path: Path) -> None:
    path = forecast.to_csv(tmp_path / "forecast.csv", all_draws=draws)
    back = pd.read_csv(path)
    pd.testing.assert_frame_equal(back, forecast.to_pandas(draws), check_dtype=False, rtol=1e-15, atol=0)
    assert list(tmp_path.iterdir()) == [path]


def test_csv_is_compressed_where_its_name_says_so(forecast: Forecast, tmp_path: Path) -> None:
    path = forecast.to_csv(tmp_path / "forecast.csv.gz")
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert pd.read_csv(path)["benchmark"].tolist() == forecast.to_pandas()["benchmark"].tolist()


@pytest.mark.parametrize("draws", [False, True])
def test_parquet_comes_back_with_what_it_rests_on(forecast: Forecast, draws: bool, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = forecast.to_parquet(tmp_path / "forecast.parquet", all_draws=draws)
    back, sent = pd.read_parquet(path), forecast.to_pandas(draws)
    pd.testing.assert_frame_equal(back, sent, check_dtype=False, check_exact=True)
    assert back.attrs == sent.attrs
    assert list(tmp_path.iterdir()) == [path]


def test_netcdf_comes_back(forecast: Forecast, tmp_path: Path) -> None:
    path = forecast.to_netcdf(tmp_path / "forecast.nc")
    with xr.open_dataset(path, engine="h5netcdf") as back:
        xr.testing.assert_equal(back, forecast.to_xarray())
        assert back.attrs["posterior"] == forecast.posterior.identity


def test_without_pyarrow_the_error_says_how_to_install_it(
    forecast: Forecast, run: Run, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bayescale\[parquet\]'"):
        forecast.to_parquet(tmp_path / "forecast.parquet")
    code, out, err = run("forecast", saved, "--new-family", "--flops", 1e25, "--parquet", tmp_path / "forecast.parquet")
    assert (code, out) == (2, "")
    assert "bayescale[parquet]" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["to_csv", "to_parquet", "to_netcdf"])
def test_a_writer_that_fails_leaves_what_was_there(
    name: str, forecast: Forecast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "forecast.out"
    path.write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FileError, match="No space left on device"):
        getattr(forecast, name)(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_reported(forecast: Forecast, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"No such file or directory|non-existent directory"):
        forecast.to_csv(tmp_path / "none" / "forecast.csv")


@pytest.mark.heavy
def test_the_command_writes_every_format(run: Run, saved: Path, posterior: Posterior, tmp_path: Path) -> None:
    names = {"--csv": "a.csv", "--parquet": "a.parquet", "--netcdf": "a.nc", "--plot": "a.PNG"}
    outputs = [part for option, name in names.items() for part in (option, tmp_path / name)]
    code, out, err = run("forecast", saved, "--family", "Family-B", "--flops", 1e25, "--prob", 0.5, *outputs)
    assert code == 0, err
    assert [f"Wrote {tmp_path / name}." for name in names.values()] == err.splitlines()
    assert "50% equal-tailed" in out
    expected = posterior.forecast(family="Family-B", flops=1e25, random_seed=SEED)
    table = expected.to_pandas(prob=0.5)
    for back in (pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")):
        pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-12)
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back["predicted_score"], expected.draws["predicted_score"])
    assert (tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names.values())
