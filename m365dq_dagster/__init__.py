"""The package's name and version, and nothing else.

What the product does lives in the sub-packages: ``core`` (pure rules), ``adapters`` (all that touches a machine),
``stages`` (one use case a file), ``defs`` and ``definitions`` (Dagster), ``cli`` (the command line).
Importing this package must stay free of cost: no sub-package is imported here.
"""

__version__ = "0.1.0"
