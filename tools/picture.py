"""docs/report.png: the top of a report, as the README shows it. Needs Chromium and chromedriver.

python tools/picture.py demo-run/report.html
"""

import base64
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

WIDTH = 1000
OUTPUT = Path(__file__).parent.parent / "docs" / "report.png"


def take(report: Path, profile: str) -> bytes:
    """The page down to its second section, as PNG."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        size = {"width": WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(report.resolve().as_uri())
        height = browser.execute_script(
            "return document.getElementById('learned').getBoundingClientRect().top + scrollY"
        )
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    finally:
        browser.quit()
    return base64.b64decode(shot["data"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        OUTPUT.write_bytes(take(Path(sys.argv[1]), folder))
