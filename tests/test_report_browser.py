"""The page in a real browser: Debian's Chromium, without a screen."""

import csv
import json
import shutil
import time

import numpy as np
import pytest

import dicoms
from medclean.jobs.denoise import DenoiseJob
from medclean.jobs.report import ReportJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise
from medclean.pipelines.report import report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = (shutil.which(program) for program in ("chromium", "chromedriver"))
MISSING = "chromium or chromium-driver is not installed"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING)]

CONTRAST = """
const channel = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
    if (a > 0.5) return [r, g, b];
  }
  return [255, 255, 255];
}
const poor = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  if (!own || box.width < 2 || element.closest("script, style, .frame, :disabled")) continue;
  const ink = light(parse(element instanceof SVGElement ? style.fill : style.color));
  const [high, low] = [ink, light(ground(element))].sort((a, b) => b - a);
  const ratio = (high + 0.05) / (low + 0.05);
  if (ratio < 4.5) poor.push([element.tagName, element.textContent.trim().slice(0, 30), ratio]);
}
return poor;
"""
NAMELESS = """
const operated = "button, input, select, [role=group], [role=region]";
return [...document.querySelectorAll(operated)].filter(e => {
  const label = e.labels && [...e.labels].some(l => l.textContent.trim());
  return !(label || e.getAttribute("aria-label") || e.textContent.trim());
}).map(e => e.outerHTML);
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A page of two series by two methods, and where it lies."""
    folder = tmp_path_factory.mktemp("report")
    noise = np.random.default_rng(0)
    for series, modality, slices in ((1, "CT", 3), (2, "MR", 5)):
        for place in range(1, slices + 1):
            stored = noise.normal(1000 + 30 * place, 20, (48, 40)).astype(np.uint16)
            image = dicoms.image(stored, modality=modality, series=series, number=place)
            image.RescaleIntercept = "-1000" if modality == "CT" else "0"
            dicoms.save(image, folder / "study" / modality / f"{place}.dcm")
    outs = []
    for model in ("gaussian", "identity"):
        out = folder / f"study-{model}"
        denoise(DenoiseJob((folder / "study",), model, out=out, report=False), Log(quiet=True))
        outs.append(out)
    page = folder / "page.html"
    report(ReportJob(tuple(outs), out=page), Log(quiet=True))
    return page


@pytest.fixture(scope="module")
def chromium(made):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(made.parent)})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium, made):
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    chromium.get(made.as_uri())
    chromium.execute_script("localStorage.clear()")
    chromium.get(made.as_uri())
    return chromium


def dark(browser):
    feature = {"name": "prefers-color-scheme", "value": "dark"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def find(browser, selector):
    return browser.find_element("css selector", selector)


def press(browser, keys, selector=".viewer"):
    find(browser, selector).send_keys(keys)


def rows(browser):
    script = "return [...document.querySelectorAll('#cohort tbody tr')].filter(r => r.offsetParent)"
    return [row.text for row in browser.execute_script(script)]


def shown(browser, slot="a"):
    return find(browser, f".panel[data-slot={slot}] .shown").get_attribute("src")


def test_it_opens_without_errors_and_asks_nobody(browser, made):
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {
        one["params"]["request"]["url"]
        for one in asked
        if one["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in urls if not url.startswith("data:")} <= {made.as_uri()}
    sizes = "return [...document.images].filter(i => i.src && !i.naturalWidth).length"
    assert browser.execute_script(sizes) == 0


def test_slices_are_walked_through_by_keys_range_and_wheel(browser):
    seen = {shown(browser)}
    press(browser, "\ue014")  # arrow right
    seen.add(shown(browser))
    said = find(browser, ".viewer .slice output").text
    assert len(seen) == 2
    browser.execute_script(
        "const r = document.querySelector('.viewer .slice input'); r.value = 0;"
        "r.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert find(browser, ".viewer .slice output").text.startswith("1 of")
    find(browser, ".viewer .frame").click()
    browser.execute_script(
        "document.querySelector('.viewer .frame').dispatchEvent("
        "new WheelEvent('wheel', {deltaY: 1, bubbles: true, cancelable: true}))"
    )
    assert find(browser, ".viewer .slice output").text.startswith("2 of")
    assert said != "1 of"


def test_slider_and_flicker_lay_before_over_after(browser):
    over = ".viewer .over"
    assert not find(browser, over).is_displayed()
    press(browser, "s")
    assert find(browser, over).is_displayed()
    assert find(browser, over).get_attribute("src") == shown(browser, "b")
    browser.execute_script(
        "const r = document.querySelector('.divider input'); r.value = 20;"
        "r.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert "80%" in find(browser, over).value_of_css_property("clip-path")
    press(browser, "f")
    press(browser, " ")
    there = find(browser, over).is_displayed()
    press(browser, " ")
    assert find(browser, over).is_displayed() != there
    press(browser, "d")
    assert find(browser, ".panel[data-slot=b]").is_displayed()


def test_methods_are_changed(browser):
    before = shown(browser)
    press(browser, "m")
    assert shown(browser) != before
    pressed = find(browser, "button[data-method][aria-pressed=true]").text
    assert pressed == "identity"


def test_the_index_is_filtered_and_sorted(browser):
    assert len(rows(browser)) == 4
    find(browser, "#find").send_keys("identity")
    assert len(rows(browser)) == 2
    find(browser, "#find").clear()
    find(browser, "#by-modality").send_keys("MR")
    assert {row.split()[1] for row in rows(browser)} == {"MR"}
    find(browser, "#by-modality").send_keys("all")
    heading = browser.find_elements("css selector", "#cohort thead button")[3]
    heading.click()
    files = [int(row.split()[3]) for row in rows(browser)]
    assert files == sorted(files)
    heading.click()
    assert [int(row.split()[3]) for row in rows(browser)] == sorted(files, reverse=True)
    assert find(browser, "#cohort th[aria-sort=descending]").text == "files"


def test_ratings_are_kept_and_exported(browser, made):
    press(browser, "4")
    press(browser, "m")
    press(browser, "2")
    browser.refresh()
    checked = "return [...document.querySelectorAll('.rating input:checked')].map(i => i.value)"
    assert browser.execute_script(checked) == ["4", "2"]
    find(browser, "#export").click()
    path = made.parent / "ratings.tsv"
    for _ in range(50):
        if path.exists():
            break
        time.sleep(0.1)
    with path.open(newline="") as file:
        found = list(csv.DictReader(file, delimiter="\t"))
    path.unlink()
    assert [row["rating"] for row in found] == ["4", "2", "", ""]
    assert found[0]["method"] == "gaussian"
    press(browser, "0")
    assert browser.execute_script(checked) == ["2"]


def test_a_browser_that_keeps_nothing_rates_all_the_same(browser, made):
    deny = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": deny})
    browser.get(made.as_uri())
    press(browser, "5")
    checked = "return [...document.querySelectorAll('.rating input:checked')].map(i => i.value)"
    assert browser.execute_script(checked) == ["5"]
    assert browser.get_log("browser") == []
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(browser, scheme):
    if scheme == "dark":
        dark(browser)
    assert browser.execute_script(CONTRAST) == []


def test_all_that_is_operated_has_a_name_and_shows_its_focus(browser):
    assert browser.execute_script(NAMELESS) == []
    assert browser.execute_script("return document.documentElement.lang") == "en"
    press(browser, "\t", "body")
    width = "return parseFloat(getComputedStyle(document.activeElement).outlineWidth)"
    for _ in range(12):
        browser.switch_to.active_element.send_keys("\t")
        assert browser.execute_script(width) >= 2


def test_nothing_is_wider_than_a_telephone(browser):
    narrow = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    excess = browser.execute_script(wide)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert excess <= 0


def test_print_shows_images_and_no_controls(browser):
    press(browser, "s")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    for selector in (".tools", ".filters", "nav", ".ratings"):
        assert not find(browser, selector).is_displayed()
    for slot in "bar":
        assert find(browser, f".panel[data-slot={slot}] .shown").is_displayed()
    assert not find(browser, ".viewer .over").is_displayed()
    assert browser.execute_script(CONTRAST) == []


def test_a_light_leads_to_its_slice_and_method(browser):
    for light in browser.find_elements("css selector", "button.go"):
        light.send_keys("\n")
        card = light.find_element("xpath", "ancestor::article")
        said = card.find_element("css selector", ".slice output").text
        assert said.split()[0] == light.get_attribute("data-go")
    assert browser.find_elements("css selector", "button.go")


def test_letters_can_be_left_to_other_tools(browser):
    browser.execute_script("document.getElementById('keys').click()")
    press(browser, "s")
    assert not find(browser, ".viewer .over").is_displayed()
    browser.execute_script("document.getElementById('keys').click()")
    press(browser, "s")
    assert find(browser, ".viewer .over").is_displayed()


def test_a_page_begins_with_a_method_whose_images_are_there(browser, made):
    gone = shutil.copytree(made.parent / "study-gaussian", made.parent / "study-gone")
    shutil.rmtree(gone / "MR")
    page = made.parent / "lacking.html"
    report(ReportJob((gone, made.parent / "study-identity"), out=page), Log(quiet=True))
    browser.get(page.as_uri())
    viewers = browser.find_elements("css selector", ".viewer")
    assert sorted(
        one.find_element("css selector", "button[data-method][aria-pressed=true]").text
        for one in viewers
    ) == ["gaussian", "identity"]
    sources = "return [...document.querySelectorAll('.panel .shown')].map(i => i.naturalWidth)"
    assert all(browser.execute_script(sources))
    assert browser.get_log("browser") == []
