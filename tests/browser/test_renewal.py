"""New sessions for plots that have lost theirs."""

from __future__ import annotations

from chromium import wait_for_plot
from harness import parts_site, wait_until


def test_one_request_for_the_page_renews_all_of_its_lost_sessions(page):
    with parts_site() as site:
        requests: list[str] = []
        page.on("request", lambda request: request.is_navigation_request() or requests.append(request.url))
        page.goto(f"{site.url}/twice/parts")
        wait_for_plot(page)
        [server] = site.servers()
        server.kill()
        again = page.get_by_role("button", name="Start again")
        wait_until(lambda: again.count() == 2, "both plots have lost their session")
        wait_until(lambda: site.get("/twice/parts").status_code == 200, "a new server runs")
        # Two clicks before the first answer.
        page.evaluate("document.querySelectorAll('.bokeh-embed-note button').forEach((one) => one.click())")
        wait_for_plot(page)
        assert [url for url in requests if url.endswith("/twice/parts")] == [f"{site.url}/twice/parts"]
        assert page.evaluate("Bokeh.documents.length") == 2
