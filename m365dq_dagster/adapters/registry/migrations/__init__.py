"""Alembic's folder: how it reaches the database (`env`) and the steps (`versions`). Run by `registry.migrate`, never by
hand.
"""
