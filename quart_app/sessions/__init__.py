"""Gets a page its session: limits, warm sessions, and pulls in executor threads. Renders nothing."""
