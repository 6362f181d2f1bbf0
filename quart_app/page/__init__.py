"""From a session to HTML, and the files that browsers load."""
