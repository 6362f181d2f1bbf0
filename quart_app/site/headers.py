"""What browsers are told about our pages: what may run in them, who may frame them, what to keep."""

from __future__ import annotations

from quart_app.settings import Settings


def page_headers(settings: Settings, *, is_ours: bool = True) -> dict[str, str]:
    """Return the headers of a page.

    In relay delivery nothing runs in it but scripts of this site. Bokeh's own script, in direct delivery,
    is an inline one that loads others from the Bokeh server: no policy can tell it from a stranger's.

    is_ours: whether the page comes from a template of this site, not from one of an application.
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
        # A page holds a session that is this browser's alone, and only while it is open.
        "Cache-Control": "no-store",
    }
