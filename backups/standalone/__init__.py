"""``python -m backups.repository``: repositories read where there is no portal and no database.

The command may use item streams and the repository, which do not know each other, and no Django.
"""
