"""What stands around the ASGI application: reverse proxies, Hypercorn's internals, shutdown."""
