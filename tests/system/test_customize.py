from __future__ import annotations

from harness import customized_site


def test_what_a_route_changes_is_on_the_server_when_pull_returns(pool):
    site = pool.get(customized_site)
    assert site.get("/check").text == "changed by the route"
    assert site.get("/raises/value").status_code == 500
    assert site.get("/").status_code == 200


def test_whatever_customize_raises_is_an_error_of_the_route_and_not_of_the_server(pool):
    site = pool.get(customized_site)
    for kind in ("value", "key", "type", "timeout"):
        assert site.get(f"/raises/{kind}").status_code == 500
        assert "on purpose" in site.output()
    assert "could not be reached" not in site.output()
    assert "was not ready" not in site.output()
