"""The walls between tenants. docs/isolation.md explains them; the parts are:

``scope``       which tenant and which person this piece of work runs for
``tables``      the three kinds of table and the base class of each
``operations``  the migration operation that makes the database enforce the kind
``middleware``  web requests enter a tenant here
``tasks``       Celery tasks enter a tenant here
``checks``      the server refuses to start where the walls would not hold
"""
