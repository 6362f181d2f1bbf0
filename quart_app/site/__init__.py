"""The ready-made site: gallery, application pages, errors, health checks."""
