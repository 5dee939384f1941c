"""The report in a real browser: it loads, answers and looks alive; where Chromium is missing, nothing is tested."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from simulate import posterior_near, simulate, simulation_spec
from test_report import HOSTILE, renamed

from bayescale.forecast import NEW_FAMILY
from bayescale.forecast.query import at_predicted_compute, read_query
from bayescale.methods import Posterior
from bayescale.report import LiveForecast, live_forecast

pytestmark = pytest.mark.heavy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRAWS = 150


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("There is no chromium on this machine: apt install chromium")
    with sync_api.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def hostile() -> Posterior:
    """Two capabilities, a testlet, a benchmark without items, and names that want to be scripts."""
    evals, truth = simulate(factors=2)
    return posterior_near(renamed(evals, HOSTILE), truth, simulation_spec(2))


@pytest.fixture(scope="module")
def live(hostile: Posterior) -> LiveForecast:
    return live_forecast(hostile, draws=DRAWS, random_seed=0)


@pytest.fixture(scope="module")
def file(hostile: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(hostile.to_html(draws=DRAWS, random_seed=0), encoding="utf-8")
    return path


@pytest.fixture(params=["light", "dark"])
def page(browser: Any, file: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page on a phone, every picture drawn; whatever it complains of or asks of a network is an error."""
    opened = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=request.param)
    wrong: list[str] = []
    opened.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
    opened.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith("file:") else None)
    opened.goto(file.as_uri())
    opened.wait_for_selector("html[data-ready=all]", state="attached")
    yield opened
    opened.close()
    assert wrong == []


def shown(page: Any) -> np.ndarray:
    """Numbers in the page (benchmark, 3) once it has answered."""
    page.wait_for_selector("#scores[aria-busy=false]")
    rows = page.locator("#scores tbody tr").evaluate_all("rows => rows.map(r => ({...r.dataset}))")
    return np.array([[float(r[end]) for end in ("lower", "median", "upper")] for r in rows])


def by_python(table: pd.DataFrame) -> np.ndarray:
    return table[["lower", "median", "upper"]].to_numpy()


def type_score(page: Any, place: int, text: str) -> None:
    page.locator("#scores tbody tr").nth(place).locator("input").fill(text)


def test_a_reader_asks_by_keyboard_and_gets_the_numbers_of_python(page: Any, live: LiveForecast) -> None:
    data = live.draws.data
    before = shown(page)
    page.locator("#slider-flops").focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    value = float(page.locator("#slider-flops").input_value())
    family = data.coords["family"][int(page.locator("#family").input_value())]
    moved = shown(page)
    np.testing.assert_allclose(moved, by_python(live.summary(family, 10**value)), rtol=0, atol=1e-6)
    assert np.abs(moved - before).max() > 0.01

    type_score(page, 0, "0.62")
    type_score(page, 3, "0.4")
    known = {data.coords["benchmark"][0]: 0.62, data.coords["benchmark"][3]: 0.4}
    conditioned = shown(page)
    np.testing.assert_allclose(conditioned, by_python(live.summary(family, 10**value, given=known)), rtol=0, atol=1e-6)
    said = page.locator("#weight").inner_text() + page.locator("#trouble").inner_text()
    assert f"of {DRAWS} draws are compatible" in said

    page.locator("#family").select_option("-1")
    page.locator("#value-flops").fill("4e23")
    new = by_python(live.summary(NEW_FAMILY, 4e23, given=known))
    np.testing.assert_allclose(shown(page), new, rtol=0, atol=1e-6)
    page.locator("#clear").click()
    np.testing.assert_allclose(shown(page), by_python(live.summary(NEW_FAMILY, 4e23)), rtol=0, atol=1e-6)
    assert "family=bs.NEW_FAMILY, flops=4e+23" in page.locator("#python").text_content()


def test_dates_and_flags_are_inputs_too(browser: Any, dated: Posterior, tmp_path: Path) -> None:
    (tmp_path / "dated.html").write_text(dated.to_html(draws=60, random_seed=0), encoding="utf-8")
    live, wrong = live_forecast(dated, draws=60, random_seed=0), list[str]()
    page = browser.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((tmp_path / "dated.html").as_uri())
    page.wait_for_selector("html[data-ready=all]", state="attached")
    page.locator("#family").select_option("0")
    page.locator("#value-flops").fill("4e23")
    page.locator("#value-released").fill("2026.5")
    for reasoning in (False, True):
        page.locator("#slider-reasoning").set_checked(reasoning)
        expected = by_python(live.summary("Family-A", 4e23, released=2026.5, reasoning=reasoning))
        np.testing.assert_allclose(shown(page), expected, rtol=0, atol=1e-6)
    asked = page.locator("#python").text_content()
    assert 'family="Family-A", released=2026.5, flops=4e+23, reasoning=True' in asked
    page.wait_for_timeout(600)
    assert "Family-A, released 2026.50, 4.00e+23 FLOP, reasoning:" in page.locator("#answer").inner_text()
    page.close()
    assert wrong == []


def test_a_box_says_that_compute_is_not_disclosed(browser: Any, hidden_compute: Posterior, tmp_path: Path) -> None:
    (tmp_path / "hidden.html").write_text(hidden_compute.to_html(draws=60, random_seed=0), encoding="utf-8")
    live, wrong = live_forecast(hidden_compute, draws=60, random_seed=0), list[str]()
    page = browser.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.goto((tmp_path / "hidden.html").as_uri())
    page.wait_for_selector("html[data-ready=all]", state="attached")
    page.locator("#family").select_option("0")
    page.locator("#value-released").fill("2026.5")
    page.locator("#slider-reasoning").set_checked(True)
    facts: dict[str, Any] = {"released": 2026.5, "reasoning": True}
    disclosed = shown(page)
    assert not page.locator("#assumed").is_visible()
    page.locator("#value-flops").fill("many")  # what stands there no longer counts
    page.locator("#value-flops").press("Tab")
    box = page.get_by_role("checkbox", name="compute not disclosed")
    assert box.evaluate("box => box === document.activeElement")
    page.keyboard.press("Space")
    expected = by_python(live.summary("Family-A", organization="Maker A", **facts))
    np.testing.assert_allclose(shown(page), expected, rtol=0, atol=1e-6)
    assert np.abs(expected - disclosed).max() > 0.01
    assert page.locator("#slider-flops").is_disabled()
    assert page.locator("#value-flops").is_disabled()
    assert not page.locator("#trouble").is_visible()
    query = read_query(live.spec, live.draws.data, "Family-A", {**facts, "organization": "Maker A"})
    assert live.compute is not None
    drawn = at_predicted_compute(live.draws, query, live.compute).covariates[:, 0, live.draws.data.place("log10_flops")]
    column = live.draws.data.columns[live.draws.data.column("log10_flops")]
    low, median, high = 10 ** np.quantile(drawn + column.centre, [0.05, 0.5, 0.95])
    said = page.locator("#assumed").inner_text()
    figures = [float(text) for text in re.findall(r"\d\.\de\+\d+", said)]
    np.testing.assert_allclose(figures, [median, low, high], rtol=0.05)  # two digits
    assert "(90% interval " in said
    assert said.endswith(", predicted from date and maker.")
    assert "compute not disclosed" in page.locator("#asked").inner_text()
    code = re.search(r"posterior.forecast\((.*)\)\n", page.locator("#python").text_content())
    assert code is not None
    assert eval(f"dict({code[1]})") == {"family": "Family-A", **facts, "organization": "Maker A"}
    markers = "name => [...Bokeh.documents.flatMap((d) => d.roots())].map((r) => [...r.references()]).flat()"
    markers += ".find((m) => m.name === `${name}-here`).data.at.length"
    assert [page.evaluate(markers, name) for name in ("flops", "released")] == [0, 1]

    type_score(page, 0, "0.62")
    known = {live.draws.data.coords["benchmark"][0]: 0.62}
    given = by_python(live.summary("Family-A", organization="Maker A", given=known, **facts))
    np.testing.assert_allclose(shown(page), given, rtol=0, atol=1e-6)
    page.locator("#clear").click()
    box.uncheck()
    page.locator("#value-flops").fill("4e23")
    np.testing.assert_allclose(shown(page), by_python(live.summary("Family-A", 4e23, **facts)), rtol=0, atol=1e-6)
    assert not page.locator("#assumed").is_visible()
    page.close()
    assert wrong == []


def test_what_is_said_aloud_follows(page: Any, live: LiveForecast) -> None:
    page.locator("#value-flops").fill("2e22")
    median = live.summary(live.draws.data.coords["family"][int(page.locator("#family").input_value())], 2e22)["median"]
    page.wait_for_timeout(600)  # a pause, so that not every step of a slider is read
    assert f"{median[0]:.2f}" in page.locator("#answer").inner_text()
    assert "2.00e+22 FLOP" in page.locator("#slider-flops").get_attribute("aria-valuetext")


def test_mistakes_are_named_and_left_out(page: Any) -> None:
    before = shown(page)
    type_score(page, 1, "86")
    page.locator("#value-flops").fill("many")
    np.testing.assert_array_equal(shown(page), before)
    trouble = page.locator("#trouble").inner_text()
    assert "must be between 0 and 1. Did you mean 0.86?" in trouble
    assert "Training compute must be a number from" in trouble
    page.locator("#clear").click()
    page.locator("#slider-flops").focus()
    page.keyboard.press("ArrowRight")
    assert np.abs(shown(page) - before).max() > 0
    assert not page.locator("#trouble").is_visible()


def test_names_are_text_and_pictures_are_drawn(page: Any) -> None:
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("#family option").nth(1).inner_text()
    pictures = page.locator("[id^=picture-]")
    assert pictures.count() == 4
    for i in range(pictures.count()):
        assert pictures.nth(i).locator("canvas").count() >= 1
    # Over the first dot of the forest, so that its name is written in a hover box.
    page.locator("#picture-efficiency").scroll_into_view_if_needed()
    box = page.locator("#picture-efficiency").bounding_box()
    for x in range(int(box["x"]), int(box["x"] + box["width"]), 6):
        page.mouse.move(x, box["y"] + 20)
    assert page.locator("img").count() == 0


def test_a_decision_by_keyboard_alone(page: Any, live: LiveForecast) -> None:
    """Two families beside each other, the probability of a target and the compute that it needs, as Python has them."""
    page.locator("#family").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "other"
    page.keyboard.press("End")
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "target"
    page.keyboard.press("Control+A")
    page.keyboard.type("0.55")
    page.locator("#value-flops").fill("4e23")
    shown(page)
    chosen = [int(page.locator(f"#{which}").input_value()) for which in ("family", "other")]
    assert chosen[0] != chosen[1]
    cards = [page.locator(f"#card-{name} p").all_inner_texts() for name in ("score", "chance", "flops")]
    for place, number in enumerate(chosen):
        family = live.draws.data.coords["family"][number]
        expected = live.expected_scores(family, {"flops": 4e23})[0][:, 0]
        assert f"{np.median(expected):.2f}" in cards[0][place]
        assert f"{100 * (expected > 0.55).mean():.0f}%" in cards[1][place].replace("<1%", "0%").replace(">99%", "100%")
        needed = re.search(r"(?<![<>])(\d\.\de\+\d+) FLOP", cards[2][place])
        if needed:
            assert live.summary(family, float(needed[1]))["median"][0] == pytest.approx(0.55, abs=0.02)
    assert page.locator("#head-second").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_every_stop_of_the_tab_key_has_a_name(page: Any) -> None:
    stops = page.evaluate(
        """() => {
          const inside = (e) => (e.shadowRoot ? all(e.shadowRoot) : []);
          const all = (node) => [...node.querySelectorAll("*")].flatMap((e) => [e, ...inside(e)]);
          const label = (e) => e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.labels?.length;
          const stops = all(document.body).filter((e) => e.tabIndex >= 0 && e.checkVisibility());
          return stops.filter((e) => !label(e) && !e.innerText).map((e) => e.outerHTML);
        }"""
    )
    assert stops == []


def test_pictures_have_words_and_tables(page: Any, live: LiveForecast) -> None:
    page.locator("#value-flops").fill("4e23")
    shown(page)
    family = live.draws.data.coords["family"][int(page.locator("#family").input_value())]
    assert family in page.locator("#picture-flops").get_attribute("aria-label")
    page.locator("summary", has_text="The picture as tables").press("Enter")
    rows = page.locator("#table-flops tbody tr").all_inner_texts()
    compute, median = re.match(r"(\S+)\s+(\S+)", rows[6]).groups()  # type: ignore[union-attr]
    assert live.summary(family, float(compute))["median"][0] == pytest.approx(float(median), abs=0.02)
    models = page.locator("#models-flops tbody tr").count()
    evals_of_family = [
        m for m, f in enumerate(live.draws.data.family_index) if live.draws.data.coords["family"][f] == family
    ]
    assert 0 < models <= len(evals_of_family)


def test_too_few_draws_are_no_forecast(page: Any) -> None:
    type_score(page, 0, "1")
    type_score(page, 1, "0")
    type_score(page, 3, "1")
    shown(page)
    assert "too few for a forecast" in page.locator("#trouble").inner_text()
    assert {text.strip() for text in page.locator("#scores tbody tr td.first").all_inner_texts()} == {"–"}
    assert page.locator("#card-score .first").inner_text().strip() == "–"


def test_what_lies_beyond_the_data_is_said(page: Any) -> None:
    assert "times the largest training compute in the data" in page.locator("#beyond").inner_text()
    page.locator("#slider-flops").press("Home")
    shown(page)
    assert not page.locator("#beyond").is_visible()


def test_a_phone_need_not_scroll_sideways(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for control in page.locator("form select, form input, #clear").all():
        box = control.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["height"] >= 24


def test_text_of_pictures_takes_the_colours_of_the_page(page: Any) -> None:
    ink = page.evaluate("getComputedStyle(document.body).color")
    axis = page.evaluate(
        "() => { const held = [...Bokeh.documents[0].roots()[0].references()].find((m) => m.type === 'LinearAxis');"
        "const probe = document.body.appendChild(document.createElement('i'));"
        "probe.style.color = held.major_label_text_color; return getComputedStyle(probe).color; }"
    )
    assert axis == ink
