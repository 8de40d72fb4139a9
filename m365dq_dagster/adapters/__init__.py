"""Everything that touches a machine: files, DuckDB, the registry, mail, the clock. Judgement belongs in `core`."""
