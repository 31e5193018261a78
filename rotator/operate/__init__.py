"""How people see it: logs today; metrics, HTTP and systemd have their place here."""
