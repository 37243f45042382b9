"""The studio's page in a browser: from the click to the first picture, and from Stop to its end, while others wait.

    python -m benchmarks.studio [--others 20] [--size 512] [--browser /usr/bin/chromium]

The studio is started as people do; the others are clients of its HTTP API, whose pictures wait in its queue.
"""

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from gradio_client import Client, handle_file
from playwright.sync_api import Page, expect, sync_playwright

from impasto.images.samples import path_of


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as of:
        of.bind(("127.0.0.1", 0))
        return int(of.getsockname()[1])


def until_it_listens(port: int) -> None:
    """Raises TimeoutError where it does not within a minute."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"nobody listens at port {port}")


def filled_in(page: Page, size: int) -> None:
    """A photograph, a painting, and the size."""
    uploads = page.locator("input[type=file]")
    expect(uploads.nth(1)).to_be_attached(timeout=60_000)
    uploads.nth(0).set_input_files(str(path_of("sample:chelsea")))
    uploads.nth(1).set_input_files([str(path_of("sample:swirl"))])
    for of in ("#photograph img", "#paintings img"):
        expect(page.locator(of).nth(0)).to_be_visible(timeout=60_000)
    page.get_by_label(str(size), exact=True).check()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--others", type=int, default=20)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    given = parser.parse_args(arguments)
    port = free_port()
    command = [sys.executable, "-m", "impasto", "studio", "--no-browser", "--port", str(port)]
    studio = subprocess.Popen([*command, "--queue", str(given.others + 10)])
    try:
        until_it_listens(port)
        with sync_playwright() as playwright:
            page = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"]).new_page()
            page.goto(f"http://127.0.0.1:{port}")
            filled_in(page, given.size)
            told = page.locator("#how-far p")
            began = time.monotonic()
            page.locator("#paint").click()
            page.locator("#picture img").wait_for(state="visible")
            print(f"first picture      {time.monotonic() - began:.2f} s after the click")
            client = Client(f"http://127.0.0.1:{port}", verbose=False)
            photograph, painting = handle_file(str(path_of("sample:coffee"))), handle_file(str(path_of("sample:wave")))
            for _ in range(given.others):
                client.submit(photograph=photograph, paintings=[painting], size=256, api_name="/paint")
            time.sleep(5)
            began = time.monotonic()
            page.locator("#stop").click()
            expect(told).to_contain_text("Stop")
            print(f"Stop is answered   {time.monotonic() - began:.2f} s after the click, while {given.others} wait")
            expect(told).to_contain_text("Stopped", timeout=60_000)
            print(f"the picture is had {time.monotonic() - began:.2f} s after the click")
    finally:
        studio.kill()


if __name__ == "__main__":
    main()
