"""The security headers of the site's pages."""

from __future__ import annotations

from quart_app.settings import Settings


def page_headers(settings: Settings, *, is_ours: bool = True) -> dict[str, str]:
    """Return the headers of a page.

    In relay delivery the policy allows scripts of this site only. In direct delivery Bokeh's script is inline
    and loads others from the Bokeh server, so the policy does not restrict scripts.

    is_ours: whether the page's template is the site's, and not the application's own.
    """
    policy = {
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": settings.frame_ancestors,
        "object-src": "'none'",
    }
    if settings.delivery == "relay" and is_ours:
        evaluate = " 'unsafe-eval'" if settings.csp_unsafe_eval else ""
        sources = " ".join(dict.fromkeys(["'self'", *settings.csp_sources.split()]))
        policy |= {
            "default-src": "'none'",
            "script-src": f"{sources}{evaluate}",
            "style-src": f"{sources} 'unsafe-inline'",  # BokehJS styles every element by itself
            "connect-src": sources,
            "img-src": "'self' data: blob: https:",  # map tiles come from elsewhere
            "font-src": f"{sources} data:",
        }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        # A page holds a session, which belongs to this browser and lives as long as the page is open.
        "Cache-Control": "no-store",
    }
