"""`manage.py demo`: the portal with a sandbox Exchange, sample mail and two tenants."""
