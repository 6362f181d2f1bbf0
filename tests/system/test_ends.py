"""What is left of a site that has ended."""

from __future__ import annotations

import signal

import psutil
import pytest
from harness import SLIDERS, Site, customized_site, wait_until_ended


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("who", ["main", "worker"])
def test_no_bokeh_server_outlives_the_site_however_it_ends(sign, who):
    with Site(BOKEH_APPS=SLIDERS) as site:
        family = site.family()
        assert site.servers()
        target = site.popen.pid if who == "main" else site.worker().pid
        if who == "worker" and sign is signal.SIGINT:
            pytest.skip("Hypercorn's workers ignore SIGINT")
        psutil.Process(target).send_signal(sign)
        wait_until_ended(family)


def test_no_bokeh_server_outlives_another_site_whose_hypercorn_is_killed():
    with customized_site() as site:
        family = site.family()
        assert site.servers()
        site.popen.kill()
        wait_until_ended(family)
