"""The report in a real browser: offline, silent, readable at any width and in either colour scheme."""

import base64
import json

import pytest

pytestmark = pytest.mark.browser

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
CONTRASTS = """
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parse = (words) => words.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const found = parse(getComputedStyle(node).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const poor = [];
for (const node of document.querySelectorAll("body *")) {
  const words = [...node.childNodes].filter((child) => child.nodeType === 3 && child.data.trim());
  if (!words.length || ["TITLE", "STYLE", "title"].includes(node.tagName) || !node.getClientRects().length) continue;
  const style = getComputedStyle(node);
  const [a, b] = [luminance(parse(node.tagName === "text" ? style.fill : style.color)), luminance(ground(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.push(node.tagName + "." + node.getAttribute("class") + ": " + ratio.toFixed(2));
}
return [...new Set(poor)];
"""


def show(browser, report, width=1440, scheme="light"):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(report.as_uri())


def requested(browser, page):
    """The addresses that this page asked for (the browser's own first page asks for others)."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return {each["request"]["url"] for each in sent if each["documentURL"] == page}


def test_it_opens_offline_and_asks_for_nothing_but_itself(browser, report):
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    show(browser, report)
    assert requested(browser, report.as_uri()) - {"data:,"} == {report.as_uri()}
    assert browser.get_log("browser") == []


def test_every_section_has_its_title_and_is_seen(browser, report):
    from chaosprsa.report.page import SECTIONS

    show(browser, report)
    for name, title, _ in SECTIONS:
        section = browser.find_element("id", name)
        assert section.is_displayed()
        assert section.find_element("tag name", "h2").text == title


@pytest.mark.parametrize("width", [320, 375, 768, 1440])
def test_the_page_never_scrolls_sideways(browser, report, width):
    show(browser, report, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "shown"), [(375, "narrow"), (1440, "wide")])
def test_one_drawing_of_each_chart_is_shown_and_fills_no_more_than_its_place(browser, report, width, shown):
    show(browser, report, width)
    for figure in browser.find_elements("tag name", "figure"):
        drawings = [svg for svg in figure.find_elements("tag name", "svg") if svg.is_displayed()]
        assert len(drawings) == 1
        assert drawings[0].find_element("xpath", "..").get_attribute("class") == shown
        assert drawings[0].size["width"] <= figure.size["width"] + 1


@SCHEMES
@pytest.mark.parametrize("width", [375, 1440])
def test_every_word_stands_out_from_its_ground(browser, report, scheme, width):
    show(browser, report, width, scheme)
    assert browser.execute_script(CONTRASTS) == []


def test_the_dark_scheme_is_dark(browser, report):
    grounds = []
    for scheme in ("light", "dark"):
        show(browser, report, scheme=scheme)
        grounds.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(19, 23, 27)"]


def test_words_in_a_chart_lie_inside_it_and_not_on_one_another(browser, report):
    for width in (375, 1440):
        show(browser, report, width)
        crossing = browser.execute_script("""
          const found = [];
          for (const chart of document.querySelectorAll("svg.chart")) {
            if (!chart.getClientRects().length) continue;
            const edge = chart.getBoundingClientRect();
            const texts = [...chart.querySelectorAll("text")];
            const boxes = texts.map((node) => [node.textContent, node.getBoundingClientRect()]);
            for (const [words, box] of boxes)
              if (box.left < edge.left - 1 || box.right > edge.right + 1) found.push("outside: " + words);
            for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
              const [a, b] = [boxes[i][1], boxes[j][1]];
              const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
              const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
              if (wide > 1 && high > 4) found.push(boxes[i][0] + " on " + boxes[j][0]);
            }
          }
          return found;
        """)
        assert crossing == []


def test_it_prints(browser, report):
    show(browser, report)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


def test_the_key_to_the_severities_shows_four_colours(browser, report):
    show(browser, report)
    keys = browser.find_elements("css selector", "figcaption .key")
    assert all(key.size["width"] > 5 and key.size["height"] > 5 for key in keys)
    assert len({key.value_of_css_property("background-color") for key in keys}) == 4
