"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from tenants.isolation.checks import refuse_unsafe_roles

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()

# After the apps are loaded: better no page than one behind walls that do not hold.
refuse_unsafe_roles()
